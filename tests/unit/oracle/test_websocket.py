"""Captures of MQTT over WebSocket, as tshark gets them."""

from __future__ import annotations

from pathlib import Path

from websockets.frames import Frame, Opcode

from harness.oracle.websocket import as_plain_tcp
from harness.pcapng import Capture, TcpFlow
from tests.unit.pcapng_reader import segments, stream

CLIENT = ("127.1.2.3", 40000)


def _framed(data: bytes, opcode: Opcode = Opcode.BINARY, *, masked: bool = True) -> bytes:
    return Frame(opcode, data).serialize(mask=masked)


def _record(path: Path, port: int, *said: tuple[str, bytes]) -> None:
    capture = Capture(path, f"relay to port {port}")
    flow = TcpFlow(capture, CLIENT, ("127.0.0.1", port))
    flow.opened()
    for end, data in said:
        flow.data(end, data, "held back by the scenario" if data == said[-1][1] else "")
    capture.close()


def test_what_is_in_binary_frames_takes_the_place_of_their_packets(tmp_path: Path) -> None:
    two = _framed(b"two")
    _record(
        tmp_path / "wire.pcapng",
        80,
        ("a", b"GET /mqtt HTTP/1.1\r\n\r\n"),
        ("b", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        ("a", _framed(b"one") + two[:4]),
        ("b", _framed(b"answer", masked=False) + _framed(b"", Opcode.PING, masked=False)),
        ("a", two[4:] + _framed(b"three")),
        ("a", _framed(b"text", Opcode.TEXT)),
        ("b", _framed(b"end", masked=False)),
    )
    before = segments(tmp_path / "wire.pcapng")
    (tmp_path / "plain.pcapng").write_bytes(as_plain_tcp(tmp_path / "wire.pcapng"))
    after = segments(tmp_path / "plain.pcapng")
    changed = [number for number, pair in enumerate(zip(before, after, strict=True), 1) if pair[0] != pair[1]]
    assert changed == [6, 7, 8, 10]
    client, server = "127.1.2.3:40000", "127.0.0.1:1883"
    plain = [after[number - 1] for number in changed]
    assert stream(plain, client, server) == b"onetwothree"
    assert stream(plain, server, client) == b"answerend"
    assert [(segment.seq, segment.ack) for segment in plain] == [(1, 1), (1, 4), (4, 7), (7, 12)]
    assert [segment.payload for segment in plain] == [b"one", b"answer", b"twothree", b"end"]
    kept = [(segment.time_ns, segment.flags, segment.comment) for segment in before]
    assert [(segment.time_ns, segment.flags, segment.comment) for segment in after] == kept
    assert kept[-1][2] == "held back by the scenario"


def test_other_captures_stay_as_they_are(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", b"GET / HTTP/1.1\r\n\r\n"), ("a", _framed(b"x")))
    assert as_plain_tcp(tmp_path / "wire.pcapng") == (tmp_path / "wire.pcapng").read_bytes()
