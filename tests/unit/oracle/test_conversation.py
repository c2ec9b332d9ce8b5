"""A capture as lines for people: who, when, what, what the relay did, and who objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.oracle.captures import Recording, read
from harness.oracle.conversation import conversation
from harness.oracle.tshark import Reading
from harness.pcapng import Capture, TcpFlow, UdpFlow
from harness.wellformed import Finding

CLIENT, SERVER = ("127.1.2.3", 40000), ("127.0.0.1", 1883)
HELD = "held back by the scenario"


def _flow(path: Path) -> tuple[Capture, TcpFlow]:
    capture = Capture(path / "wire.pcapng", "relay to port 1883")
    flow = TcpFlow(capture, CLIENT, SERVER)
    flow.opened()
    return capture, flow


def _many(path: Path, number: int, *, faults: int = 0) -> Recording:
    """A capture of so many packets with data after the one that opens the connection; the first of them held back."""
    capture, flow = _flow(path)
    for sent in range(number):
        flow.data("a", b"x", HELD if 70 <= sent < 70 + faults else "")
    capture.close()
    return read(path / "wire.pcapng")


def _finding(packet: int, says: str = "it is wrong", *, certain: bool = True) -> Finding:
    return Finding("rules" if certain else "tshark", "r", "a clause" if certain else "", says, "f", packet, certain)


def _lines(recording: Recording, readings: dict[int, Reading], *findings: Finding, crate: str = "a") -> list[str]:
    text = conversation("wire.pcapng", recording, crate, readings, findings)
    assert text.endswith("\n")
    return text[:-1].split("\n")


@pytest.mark.parametrize(("crate", "client", "server"), [("a", "crate", "peer "), ("b", "peer ", "crate")])
def test_each_packet_says_who_sent_what(tmp_path: Path, crate: str, client: str, server: str) -> None:
    capture, flow = _flow(tmp_path)
    flow.data("a", b"hello")
    flow.data("b", b"welcome", HELD)
    flow.finished("a")
    flow.reset("b", "cut by the scenario")
    capture.close()
    readings = {4: Reading("MQTT", "Connect Command"), 5: Reading("MQTT", "Connect Ack (code 0)")}
    head, *lines = _lines(read(tmp_path / "wire.pcapng"), readings, crate=crate)
    assert head.startswith("wire.pcapng: ")
    assert [line[:6] + line[16:] for line in lines] == [
        f"     1  {client} opens the connection",
        f"     4  {client} MQTT      Connect Command",
        f"     5  {server} MQTT      Connect Ack (code 0)  [held back by the scenario]",
        f"     6  {client} ends the connection",
        f"     7  {server} resets the connection  [cut by the scenario]",
    ]
    assert [float(line[6:16]) >= 0 for line in lines] == [True] * 5


def test_an_objection_follows_its_packet(tmp_path: Path) -> None:
    lines = _lines(_many(tmp_path, 2), {}, _finding(4), _finding(5, "x" * 400, certain=False))
    assert lines[3] == "                 ^ malformed: it is wrong (a clause)"
    assert lines[5] == f"                 ^ in doubt: {'x' * 300}… (tshark)"


def test_connections_are_told_apart_where_there_are_several(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "wire.pcapng", "relay to port 1883")
    flows = [TcpFlow(capture, (CLIENT[0], port), SERVER) for port in (1, 2, 1)]
    for flow in flows:
        flow.opened()
    flows[1].finished("b")
    flows[2].finished("b")
    capture.close()
    assert [line[16:] for line in _lines(read(tmp_path / "wire.pcapng"), {})[1:]] == [
        "  crate #1  opens the connection",
        "  crate #2  opens the connection",
        "  crate #3  opens the connection",
        "  peer  #2  ends the connection",
        "  peer  #3  ends the connection",
    ]


def test_datagrams_have_no_connection(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "wire.pcapng", "relay to port 5683")
    UdpFlow(capture, CLIENT, (SERVER[0], 5683)).datagram("a", b"x", "lost by the scenario")
    UdpFlow(capture, CLIENT, (SERVER[0], 9)).datagram("b", b"", "from another address, by the scenario")
    capture.close()
    lines = _lines(read(tmp_path / "wire.pcapng"), {1: Reading("CoAP", "CON, GET")})
    assert [line[16:] for line in lines[1:]] == [
        "  crate CoAP      CON, GET  [lost by the scenario]",
        "  peer  0 bytes  [from another address, by the scenario]",
    ]


def test_of_a_long_conversation_the_beginning_and_the_end_are_shown(tmp_path: Path) -> None:
    recording = _many(tmp_path, 200)
    readings = {number: Reading("MQTT", "Ping") for number in range(1, 204)}
    lines = _lines(recording, readings)
    assert len(lines) == 1 + 60 + 1 + 20
    assert lines[61] == "     … 121 packets left out"
    assert (lines[60][:6], lines[62][:6], lines[-1][:6]) == ("    62", "   184", "   203")
    # What is objected to is shown wherever it is.
    lines = _lines(recording, readings, _finding(100))
    assert lines[61] == "     … 37 packets left out"
    assert lines[62].startswith("   100 ")
    assert lines[63].endswith("malformed: it is wrong (a clause)")
    assert lines[64] == "     … 83 packets left out"


def test_what_tshark_meets_out_of_the_middle_is_said_to_be(tmp_path: Path) -> None:
    readings = {number: Reading("MQTT", "Ping") for number in (*range(1, 100), *range(180, 204))}
    lines = _lines(_many(tmp_path, 200), readings)
    assert lines[61] == "     … 121 packets left out; tshark reads what follows without them"


def test_faults_are_shown_wherever_they_are_and_are_bounded(tmp_path: Path) -> None:
    few = _lines(_many(tmp_path, 400, faults=3), {})
    assert sum(HELD in line for line in few) == 3
    many = _lines(_many(tmp_path, 400, faults=300), {})
    assert sum(HELD in line for line in many) == 20
    assert len(many) == 1 + 60 + 1 + 20 + 1 + 20


@pytest.mark.parametrize("protocol", ["TLSv1.2", "DTLS"])
def test_what_is_encrypted_is_said_to_be(tmp_path: Path, protocol: str) -> None:
    lines = _lines(_many(tmp_path, 1), {4: Reading(protocol, "Client Hello")})
    assert lines[1].startswith("It is encrypted")
    assert not any("encrypted" in line for line in _lines(_many(tmp_path, 1), {4: Reading("MQTT", "TLS")}))


def test_parts_of_a_message_have_their_size(tmp_path: Path) -> None:
    lines = _lines(_many(tmp_path, 1), {4: Reading("TCP", "40000 → 1883 [PSH, ACK] Seq=1 Ack=1")})
    assert lines[-1].endswith("crate TCP       1 byte in which no message ends that tshark reads")


def test_what_crates_send_cannot_make_lines_or_hide_any(tmp_path: Path) -> None:
    means_harm = "a\n     9     0.000  crate MQTT\r\x1b[31m\u202e\u2028\x00<script>"
    readings = {4: Reading(means_harm, means_harm)}
    lines = _lines(_many(tmp_path, 1), readings, _finding(4, means_harm))
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert lines[2].count("a\\u000a     9") == 2


def test_an_empty_capture_says_so(tmp_path: Path) -> None:
    Capture(tmp_path / "wire.pcapng", "relay to port 1883").close()
    assert _lines(read(tmp_path / "wire.pcapng"), {})[1:] == ["Nothing was sent."]
