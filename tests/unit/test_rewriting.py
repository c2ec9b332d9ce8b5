"""Expectations written anew from what a run showed: what is cut out, changed, added, and what is left to people."""

from __future__ import annotations

import copy
import datetime
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from harness.model import CellKey, Dialect, Verdict
from harness.paths import SCENARIOS
from harness.rewriting import Rewritten, Shown, rewrite

MQTT, TODAY = Dialect.MQTT_3_1_1, datetime.date(2026, 11, 23)
TEXT = """\
# What is known.
dialect = "mqtt-3.1.1"

# -- one --------------------------------

[[expect]]
crate = "one"
versions = ["1.0.0"]
scenarios = ["delivers", "resends"]
lines = ["mosquitto@2.0", "mosquitto@2.0.11"]
verdict = "fail"  # always
observed = "no PUBACK"
reason = "it forgets"
review = 2027-01-31

# -- two --------------------------------

[[expect]]
crate = "two"
versions = ["2.0.0"]
scenarios = ["connects"]
lines = ["mosquitto@2.0"]
verdict = "timeout"
observed = "nothing came"
reason = "it sleeps"
review = 2027-01-31

# The end.
"""


def _key(crate: str, scenario: str, line: str = "2.0") -> CellKey:
    version = {"one": "1.0.0", "two": "2.0.0", "three": "3.0.0"}[crate]
    return CellKey(MQTT, scenario, "", crate, version, f"mosquitto@{line}")


def _rewrite(*shown: Shown, text: str = TEXT) -> Rewritten:
    return rewrite(text, MQTT, shown, TODAY)


def _lines(found: Rewritten) -> tuple[set[str], set[str]]:
    """The lines that are gone, and those that are new."""
    before, after = set(TEXT.splitlines()), set(found.text.splitlines())
    return before - after, after - before


def test_nothing_shown_changes_nothing() -> None:
    assert _rewrite() == Rewritten(TEXT)


def test_a_stale_entry_goes_and_the_comments_around_it_stay() -> None:
    keys = [_key("one", scenario, line) for scenario in ("delivers", "resends") for line in ("2.0", "2.0.11")]
    found = _rewrite(*(Shown(key, Verdict.PASS) for key in keys))
    start, end = TEXT.index("[[expect]]"), TEXT.index("# -- two")
    assert found.text == TEXT[:start] + TEXT[end:]
    assert found.done == [f"{key}: taken out, it is pass" for key in keys]
    last = _rewrite(Shown(_key("two", "connects"), Verdict.PASS))
    assert [line for line in last.text.splitlines() if line.startswith("#")][-1] == "# The end."
    assert len(tomllib.loads(last.text)["expect"]) == 1


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ([_key("one", "delivers"), _key("one", "delivers", "2.0.11")], 'scenarios = ["resends"]'),
        ([_key("one", "delivers"), _key("one", "resends")], 'lines = ["mosquitto@2.0.11"]'),
    ],
    ids=["scenario", "line"],
)
def test_what_is_stale_is_cut_out_of_its_entry(keys: list[CellKey], line: str) -> None:
    found = _rewrite(*(Shown(key, Verdict.PASS) for key in keys))
    gone, new = _lines(found)
    assert (new, len(gone), found.left) == ({line}, 1, [])


def test_what_shorter_lists_cannot_say_is_left_to_people() -> None:
    key = _key("one", "delivers")
    found = _rewrite(Shown(key, Verdict.PASS))
    assert found == Rewritten(TEXT, [], [f"{key}: its entry lists it with others; split the entry"])


def test_another_red_changes_verdict_and_observed_and_asks_for_the_cause() -> None:
    key = _key("two", "connects")
    found = _rewrite(Shown(key, Verdict.CRASH, "thread 'main' panicked at src/lib.rs:12"))
    gone, new = _lines(found)
    assert gone == {'verdict = "timeout"', 'observed = "nothing came"', 'reason = "it sleeps"'}
    assert new == {
        'verdict = "crash"',
        'observed = "panicked at src/"',
        'reason = "TODO is it still this? it sleeps"',
    }
    assert found.done == [f"{key}: crash instead of timeout"]


def test_another_red_in_a_part_of_an_entry_gets_an_entry_of_its_own() -> None:
    keys = [_key("one", "resends", line) for line in ("2.0", "2.0.11")]
    found = _rewrite(*(Shown(key, Verdict.FAIL, f"PUBREL {number}0 is missing") for number, key in enumerate(keys)))
    first, _, new = tomllib.loads(found.text)["expect"]
    assert first["scenarios"] == ["delivers"]
    assert new == {
        "crate": "one",
        "versions": ["1.0.0"],
        "scenarios": ["resends"],
        "lines": ["mosquitto@2.0", "mosquitto@2.0.11"],
        "verdict": "fail",
        "observed": "is missing",
        "reason": "TODO the cause, as the crate's source has it",
        "defect": "TODO its name",
        "review": TODAY,
    }
    assert found.text.startswith(TEXT[: TEXT.index("scenarios")])


def test_a_new_red_is_added_at_the_end_with_its_parameters() -> None:
    key = replace(_key("three", "delivers"), params="qos1", peer="-")
    found = _rewrite(Shown(key, Verdict.TIMEOUT, "no answer came"))
    assert found.text.startswith(TEXT)
    new = tomllib.loads(found.text)["expect"][-1]
    assert (new["params"], new["observed"], "lines" in new) == (["qos1"], "no answer came", False)
    assert found.done == [f"{key}: new, timeout"]


def test_a_reason_of_chance_alone_expects_nothing() -> None:
    key, known = _key("three", "delivers"), _key("two", "connects")
    found = _rewrite(Shown(key, Verdict.FAIL, "'abc' 12 0x7f"), Shown(known, Verdict.FAIL, "17 of 18"))
    assert found.text == TEXT
    assert [line.partition(": ")[0] for line in found.left] == [str(known), str(key)]


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*/expectations.toml")), ids=lambda file: file.parent.name)
def test_any_entry_of_the_real_files_can_go_alone(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    document = tomllib.loads(text)
    dialect = Dialect(document["dialect"])
    assert tomlkit.dumps(tomlkit.parse(text)) == text
    for number, entry in enumerate(document["expect"][:8]):
        keys = [
            CellKey(dialect, scenario, params, entry["crate"], version, line)
            for version in entry["versions"]
            for scenario in entry["scenarios"]
            for params in entry.get("params", [""])
            for line in entry.get("lines", ["-"])
        ]
        found = rewrite(text, dialect, [Shown(key, Verdict.PASS) for key in keys], TODAY)
        wanted = copy.deepcopy(document)
        del wanted["expect"][number]
        assert tomllib.loads(found.text) == wanted
        headings = [line for line in text.splitlines() if line.startswith("# -- ")]
        assert [line for line in found.text.splitlines() if line.startswith("# -- ")] == headings
