"""What tshark printed, recorded, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.oracle import tshark
from harness.oracle.tshark import Doubt, Examination, Reading, examine
from harness.pcapng import Capture, TcpFlow

SEPARATOR = "\x1f"
#: As tshark 4.4 prints them: the number, the protocol, a column for each detail, and the summary.
COLUMNS = list(tshark._DETAILS)


def _line(number: int, protocol: str, summary: str, **details: str) -> str:
    columns = [details.get(name.replace(".", "_"), "") for name in COLUMNS]
    return "\t".join([str(number), protocol, *columns, summary]) + "\n"


def _examine(path: Path, monkeypatch: pytest.MonkeyPatch, findings: str, reading: str, *packets: int) -> Examination:
    """What is made of tshark's output on captures with so many packets of data, after three that open them."""
    names = []
    for number, data in enumerate(packets):
        names.append(f"{number}.pcapng")
        capture = Capture(path / names[-1], "relay to port 1883")
        flow = TcpFlow(capture, ("127.1.2.3", 40000 + number), ("127.0.0.1", 1883))
        flow.opened()
        for _ in range(data):
            flow.data("a", b"x")
        capture.close()
    monkeypatch.setattr(tshark, "_on_this_machine", lambda _: ("4.4.16", findings, reading))
    return examine(path, [*names, "gone.pcapng"], print)


def test_each_packet_is_found_in_its_own_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = _line(4, "MQTT", "Connect Command") + _line(9, "MQTT", "Ping Request")
    found = _examine(tmp_path, monkeypatch, "", reading, 2, 1)
    assert found.version == "4.4.16"
    assert found.readings == {
        "0.pcapng": {4: Reading("MQTT", "Connect Command")},
        "1.pcapng": {4: Reading("MQTT", "Ping Request")},
    }


def test_the_end_of_a_long_capture_has_its_own_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,003 packets the first 300 and the last 60 are read; the next capture follows."""
    groups = f"\t127.1.2.3\t{tshark._MALFORMED}\tMalformed Packet\t00\n"
    findings = f"300{groups}301{groups}361{groups}"
    reading = "".join(_line(number, "MQTT", "x") for number in (300, 301, 360, 361))
    found = _examine(tmp_path, monkeypatch, findings, reading, 1000, 1)
    assert list(found.readings["0.pcapng"]) == [300, 944, 1003]
    assert list(found.readings["1.pcapng"]) == [1]
    # What comes after a gap may be read from its middle: nobody is blamed for that.
    assert found.doubts == {
        "0.pcapng": [Doubt(300, "a", "Malformed Packet")],
        "1.pcapng": [Doubt(1, "a", "Malformed Packet")],
    }


def test_details_are_told_once_and_flags_where_they_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = _line(
        4,
        "MQTT",
        "Publish Message [t], Publish Message [t] ",
        mqtt_dupflag="True",
        mqtt_qos=SEPARATOR.join("1112"),
        mqtt_retain=f"False{SEPARATOR}False",
    )
    long = _line(5, "AMQP", "Basic.Ack", amqp_method_arguments_delivery_tag=SEPARATOR.join(map(str, range(100))))
    found = _examine(tmp_path, monkeypatch, "", several + long, 2).readings["0.pcapng"]
    assert found[4].summary == "Publish Message [t], Publish Message [t] (DUP, QoS 1,2)"
    assert found[5].summary == "Basic.Ack (delivery 0,1,2,3,4,5,6,7,8,9,…)"


def test_summaries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _examine(tmp_path, monkeypatch, "", _line(4, "MQTT", "x" * 4095), 1)
    assert found.readings["0.pcapng"][4].summary == "x" * 200 + "…"


def test_amqps_header_is_not_called_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _examine(tmp_path, monkeypatch, "", _line(4, "AMQP", "AMQP (unknown version)"), 1)
    assert found.readings["0.pcapng"][4].summary == "before a version is agreed"


def test_what_is_no_packets_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tshark escapes line ends and tabs; if it did not, what a crate sent must not end the run."""
    hostile = _line(4, "MQTT", "a\tb") + "no number\tMQTT\n" + "5\tMQTT\n" + "\n"
    found = _examine(tmp_path, monkeypatch, "", hostile, 2)
    assert found.readings["0.pcapng"] == {4: Reading("MQTT", "a\tb")}


def test_sequence_numbers_that_the_relay_made_up_are_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unseen = "[TCP ACKed unseen segment] [TCP Previous segment not captured] , "
    reading = _line(4, "MQTT", f"{unseen}Publish Ack (id=1)") + _line(5, "MQTT", "Publish Message [[TCP x]]")
    found = _examine(tmp_path, monkeypatch, "", reading, 2).readings["0.pcapng"]
    assert [found[number].summary for number in (4, 5)] == ["Publish Ack (id=1)", "Publish Message [[TCP x]]"]
