"""A bug report says enough, tells nothing of the machine, and cannot be broken out of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model import Verdict
from harness.report.bug import bug_report
from tests.golden import made_up

MATRIX = made_up.matrix()


def _text(scenario: str, crate: str = "mqtt-one", excerpt: str = "") -> str:
    row = next(row for row in MATRIX.rows if row.crate.name == crate)
    cell = next(cell for cell in row.cells if cell.key.scenario == scenario)
    return bug_report(MATRIX.run, row, cell, excerpt)


def test_it_says_what_maintainers_need() -> None:
    text = _text("receives", excerpt="first\nlast line")
    for part in (
        "# mqtt-one 1.2.3: cut-payload",
        "**Expected:** the payload as it was sent",
        r"**Observed (fail):** \<script>",
        "The specification says MUST: the crate violates it (MQTT 3.1.1: see https://docs.example.org/spec#3.3",
        "**Likely cause:** payloads are cut",
        "Known upstream: https://github.com/example/mqtt-one/issues/7",
        "- rustc 1.95.0 (made up), Debian GNU/Linux 12 x86_64",
        "- mosquitto 2.0.22",
        "- set by its user: max_packet_size = 1 MiB",
        "- the reference client passes the same against the same broker",
        "iotyet reproduce mqtt-3.1.1/receives/mqtt-one@1.2.3/mosquitto@2.0",
        "first\nlast line",
    ):
        assert part in text


def test_it_tells_nothing_of_the_machine() -> None:
    text = _text("receives", excerpt="panicked at /home/me/project/x.rs, 127.0.0.1:40123")
    assert "<script" not in text.replace(r"\<script", "")
    for secret in ("/home/me", "40123", "mirror.example.org"):
        assert secret not in text


def test_a_source_in_a_folder_is_measured_again_from_where_its_reader_has_it() -> None:
    row = next(row for row in MATRIX.rows if row.crate.name == "mqtt-one")
    cell = next(cell for cell in row.cells if cell.key.scenario == "receives")
    text = bug_report(MATRIX.run, replace(row, crate=replace(row.crate, path="/home/me/one")), cell, "")
    assert "where DIR has the crate's source:" in text
    assert "\niotyet check mqtt-one --path DIR -k test_receives --broker mosquitto@2.0\n" in text
    assert "/home/me" not in text
    assert "pytest" not in text


def test_a_cause_is_named_only_where_it_is_known_of_this_cell() -> None:
    row = next(row for row in MATRIX.rows if row.crate.name == "mqtt-one")
    cell = next(cell for cell in row.cells if cell.key.scenario == "receives_large_payloads")
    assert "Likely cause" not in bug_report(MATRIX.run, row, cell, "")
    flaky = _text("notices_a_silent_broker")
    assert "- 2 attempts, which differed" in flaky


def test_a_transcript_cannot_end_its_own_block() -> None:
    assert _text("receives", excerpt="a\n````\nb").count("`````") == 2


def test_a_scripted_peer_is_not_called_a_broker() -> None:
    text = _text("notices_a_silent_broker")
    assert "- this project's scripted peer (harness/peers/mqtt.py), in the place of mosquitto@2.0\n" in text
    assert "- the reference client passes the same against the same scripted peer\n" in text
    assert "2.0.22" not in text


@pytest.mark.parametrize(("scenario", "crate"), [("connects", "mqtt-one"), ("reports_a_wrong_password", "codec")])
def test_what_is_not_the_crates_fault_has_none(scenario: str, crate: str) -> None:
    assert _text(scenario, crate) == ""


def test_a_reference_client_has_none() -> None:
    row = next(row for row in MATRIX.rows if row.crate.name == "paho")
    cell = row.cells[0]
    red = replace(cell, result=replace(cell.result, verdict=Verdict.FAIL))
    assert bug_report(MATRIX.run, row, red, "") == ""


def _with_packets(conversation: str) -> str:
    row = next(row for row in MATRIX.rows if row.crate.name == "mqtt-one")
    cell = next(cell for cell in row.cells if cell.key.scenario == "receives")
    return bug_report(MATRIX.run, row, cell, "", conversation)


def test_it_shows_the_last_packets() -> None:
    lines = [f"{number:>6}     0.000  crate MQTT      number {number}." for number in range(40)]
    text = _with_packets("\n".join(lines))
    assert "What was sent, as tshark reads it:" in text
    assert "number 39." in text
    assert "number 25." in text
    assert "number 24." not in text
    assert "as tshark reads it" not in _text("receives")


def test_it_shows_the_packets_up_to_the_malformed_one() -> None:
    lines = [f"{number:>6}     0.000  crate MQTT      number {number}." for number in range(40)]
    lines.insert(21, "                 ^ malformed: it is wrong (a clause)")
    text = _with_packets("\n".join(lines))
    assert "it is wrong" in text
    assert "number 20." in text
    assert "number 21." not in text
