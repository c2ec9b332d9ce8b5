"""What is known about exact cells: read strictly, one expectation a cell, and only for cells that exist."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness import expectations
from harness.catalog import covered, load_crates, load_peers
from harness.errors import ConfigError
from harness.model import NO_PEER, CellKey, Dialect, Profile, Verdict
from harness.paths import SCENARIOS

MQTT = Dialect.MQTT_3_1_1
ENTRY = """\
[[expect]]
crate = "mqttc"
versions = ["0.1.4"]
scenarios = ["delivers", "resends"]
params = ["qos1", "qos2"]
lines = ["mosquitto@2.0"]
verdict = "timeout"
observed = "no PUBACK"
reason = "it forgets"
review = 2027-01-31
defect = "forgets"
may_also = ["crash"]
"""


def _folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mqtt").mkdir()
    (tmp_path / "mqtt" / "expectations.toml").write_text('dialect = "mqtt-3.1.1"\n' + text)
    return tmp_path


def test_one_entry_is_for_every_combination_that_it_lists(tmp_path: Path) -> None:
    found = expectations.load(_folder(tmp_path, ENTRY))
    assert set(found) == {
        CellKey(MQTT, scenario, params, "mqttc", "0.1.4", "mosquitto@2.0")
        for scenario in ("delivers", "resends")
        for params in ("qos1", "qos2")
    }
    one = found[CellKey(MQTT, "delivers", "qos1", "mqttc", "0.1.4", "mosquitto@2.0")]
    assert (one.verdict, one.observed, one.review, one.defect) == (
        Verdict.TIMEOUT,
        "no PUBACK",
        "2027-01-31",
        "forgets",
    )
    assert one.may_also == (Verdict.CRASH,)
    assert one.file.endswith("mqtt/expectations.toml")


def test_without_params_and_lines_it_is_for_the_cell_without_them(tmp_path: Path) -> None:
    text = ENTRY.replace('params = ["qos1", "qos2"]\n', "").replace('lines = ["mosquitto@2.0"]\n', "")
    assert {(key.params, key.peer) for key in expectations.load(_folder(tmp_path, text))} == {("", NO_PEER)}


def test_two_entries_for_one_cell_are_an_error(tmp_path: Path) -> None:
    second = ENTRY.replace('scenarios = ["delivers", "resends"]', 'scenarios = ["resends"]')
    message = r"expect\[1\]: mqtt-3\.1\.1/resends\[qos1\]/mqttc@0\.1\.4/mosquitto@2\.0 has an expectation already"
    with pytest.raises(ConfigError, match=message):
        expectations.load(_folder(tmp_path, ENTRY + second))


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ('verdict = "timeout"', 'verdict = "broken"', "expect[0].verdict", "is 'broken'; expected one of fail, "),
        ('verdict = "timeout"', 'verdict = "pass"', "expect[0].verdict", "is 'pass'"),
        (
            'may_also = ["crash"]',
            'may_also = ["broken"]',
            "expect[0].may_also",
            "has broken, which is never the crate's",
        ),
        (
            'defect = "forgets"',
            'judge = "clause"',
            "expect[0].witness",
            'is missing; judge = "clause" names who passes',
        ),
        ('defect = "forgets"', 'judge = "me"', "expect[0].judge", "is 'me'"),
        ('observed = "no PUBACK"', 'observed = ""', "expect[0].observed", "at least 1 character"),
        ("review = 2027-01-31", 'review = "soon"', "expect[0].review", "is 'soon'"),
        ("review = 2027-01-31\n", "", "expect[0].review", "is missing"),
        ('crate = "mqttc"', 'crate = "mqttc"\nglob = "*"', "expect[0].glob", "is no known key"),
        ('versions = ["0.1.4"]', "versions = []", "expect[0].versions", "at least 1 item"),
    ],
)
def test_a_wrong_entry_names_its_key(tmp_path: Path, old: str, new: str, key: str, problem: str) -> None:
    assert old in ENTRY
    with pytest.raises(ConfigError, match=problem) as error:
        expectations.load(_folder(tmp_path, ENTRY.replace(old, new, 1)))
    assert f"expectations.toml: {key}: " in str(error.value)


def test_judge_by_clause_with_a_witness_is_right(tmp_path: Path) -> None:
    text = ENTRY.replace('defect = "forgets"', 'judge = "clause"\nwitness = "mosquitto_sub"')
    assert {e.witness for e in expectations.load(_folder(tmp_path, text)).values()} == {"mosquitto_sub"}


def test_what_a_control_lacks_can_be_left_to_the_clause(tmp_path: Path) -> None:
    lacking = ENTRY.replace('verdict = "timeout"', 'verdict = "unsupported"')
    text = lacking.replace('defect = "forgets"', 'judge = "clause"\nwitness = "libcoap"')
    assert {e.verdict for e in expectations.load(_folder(tmp_path, text)).values()} == {Verdict.UNSUPPORTED}


def test_nothing_else_is_expected_to_be_unsupported(tmp_path: Path) -> None:
    lacking = ENTRY.replace('verdict = "timeout"', 'verdict = "unsupported"')
    with pytest.raises(ConfigError, match="is 'unsupported'; expected one of fail, "):
        expectations.load(_folder(tmp_path, lacking))


def test_expectations_that_no_cell_has_are_found(tmp_path: Path) -> None:
    found = expectations.load(_folder(tmp_path, ENTRY))
    gone = CellKey(MQTT, "resends", "qos2", "mqttc", "0.1.4", "mosquitto@2.0")
    assert [e.key for e in expectations.unmatched(found, [key for key in found if key != gone])] == [gone]
    assert expectations.unmatched(found, found) == []


def test_an_expectation_is_overdue_from_the_day_after_its_review_date(tmp_path: Path) -> None:
    found = expectations.load(_folder(tmp_path, ENTRY)).values()
    day = datetime.date(2027, 1, 31)
    assert expectations.overdue(found, day) == []
    assert len(expectations.overdue(found, day + datetime.timedelta(days=1))) == 4


def test_the_real_files_are_for_known_crates_and_lines() -> None:
    """Which of their scenarios exist is asked of a real collection, in tests/integration/test_cli.py."""
    ids = {crate.id for crate in covered(load_crates(), Profile.FULL)}
    peers = {line.id for line in load_peers() if Profile.FULL.covers(line.profile)} | {NO_PEER}
    known = expectations.load(SCENARIOS)
    assert expectations.unexplained(known.values()) == []
    for key in known:
        assert f"{key.crate}@{key.crate_version}" in ids, str(key)
        assert key.peer in peers, str(key)
