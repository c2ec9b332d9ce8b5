"""The capture file: read back by an independent reader, and by Wireshark's where it is installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from harness.pcapng import Capture, TcpFlow
from tests.unit.pcapng_reader import blocks, segments, stream

CLIENT, SERVER = ("127.1.2.3", 40000), ("127.0.0.1", 1883)
A, B = "127.1.2.3:40000", "127.0.0.1:1883"
#: CONNECT as client `made-up` with keep-alive 5 s, CONNACK, PUBLISH of `hi` to `t/1` at QoS 0, DISCONNECT.
CONNECT = b"\x10\x13\x00\x04MQTT\x04\x02\x00\x05\x00\x07made-up"
CONNACK = b"\x20\x02\x00\x00"
PUBLISH = b"\x30\x07\x00\x03t/1hi"
DISCONNECT = b"\xe0\x00"


def _conversation(file: Path) -> None:
    capture = Capture(file, "made up")
    flow = TcpFlow(capture, CLIENT, SERVER)
    flow.opened()
    flow.data("a", CONNECT)
    flow.data("b", CONNACK)
    flow.data("a", PUBLISH)
    flow.data("a", DISCONNECT)
    flow.finished("a")
    flow.reset("b", "cut by the scenario: “ü”")
    capture.close()


def test_a_conversation_is_read_back(tmp_path: Path) -> None:
    _conversation(tmp_path / "c.pcapng")
    found = segments(tmp_path / "c.pcapng")
    assert [sorted(segment.flags) for segment in found] == [
        ["SYN"],
        ["ACK", "SYN"],
        ["ACK"],
        *[["ACK", "PSH"]] * 4,
        ["ACK", "FIN"],
        ["ACK", "RST"],
    ]
    assert stream(found, A, B) == CONNECT + PUBLISH + DISCONNECT
    assert stream(found, B, A) == CONNACK
    assert [segment.comment for segment in found if segment.comment] == ["cut by the scenario: “ü”"]
    assert found == sorted(found, key=lambda segment: segment.time_ns)


def test_each_side_acknowledges_what_the_other_sent(tmp_path: Path) -> None:
    _conversation(tmp_path / "c.pcapng")
    sent = {A: 0, B: 0}
    for segment in segments(tmp_path / "c.pcapng"):
        other = B if segment.source == A else A
        assert segment.ack == (sent[other] if "ACK" in segment.flags else 0)
        sent[segment.source] += len(segment.payload) + len(segment.flags & {"SYN", "FIN"})


@pytest.mark.parametrize("size", [59_999, 60_000, 60_001, 200_000])
def test_a_large_chunk_is_cut_into_segments_that_ipv4_can_carry(tmp_path: Path, size: int) -> None:
    payload = bytes(itertools.islice(itertools.cycle(range(251)), size))
    capture = Capture(tmp_path / "c.pcapng", "large")
    TcpFlow(capture, CLIENT, SERVER).data("b", payload)
    capture.close()
    found = segments(tmp_path / "c.pcapng")
    assert len(found) == -(-size // 60_000)
    assert stream(found, B, A) == payload


def test_sequence_numbers_wrap(tmp_path: Path) -> None:
    """A connection may carry more than 4 GiB; that is 32 bits."""
    capture = Capture(tmp_path / "c.pcapng", "wrap")
    flow = TcpFlow(capture, CLIENT, SERVER)
    flow._next["a"] = 0xFFFFFFFE
    flow.data("a", b"four")
    flow.data("a", b"more")
    capture.close()
    found = segments(tmp_path / "c.pcapng")
    assert [segment.seq for segment in found] == [0xFFFFFFFE, 2]
    assert stream(found, A, B) == b"fourmore"


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    """A connection may outlive its cell by a moment."""
    capture = Capture(tmp_path / "c.pcapng", "closed")
    capture.close()
    before = (tmp_path / "c.pcapng").read_bytes()
    capture.packet(b"late")
    capture.close()
    assert (tmp_path / "c.pcapng").read_bytes() == before
    assert [kind for kind, _ in blocks(before)] == [0x0A0D0D0A, 1]


def test_threads_do_not_tear_each_others_blocks(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "c.pcapng", "threads")

    def write(number: int) -> None:
        flow = TcpFlow(capture, ("127.0.0.2", number), SERVER)
        for _ in range(200):
            flow.data("a", bytes(number % 7 + 1))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    capture.close()
    assert len(segments(tmp_path / "c.pcapng")) == 800


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_sees_mqtt_and_finds_nothing_wrong(tmp_path: Path) -> None:
    _conversation(tmp_path / "c.pcapng")
    fields = ["mqtt.msgtype", "mqtt.clientid", "mqtt.topic", "tcp.analysis.flags", "_ws.malformed", "frame.comment"]
    argv = ["tshark", "-r", str(tmp_path / "c.pcapng"), "-T", "fields", "-E", "separator=|"]
    for field in fields:
        argv += ["-e", field]
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    rows = [dict(zip(fields, line.split("|"), strict=True)) for line in shown]
    assert [row["mqtt.msgtype"] for row in rows if row["mqtt.msgtype"]] == ["1", "2", "3", "14"]
    assert {row["mqtt.clientid"] for row in rows} == {"", "made-up"}
    assert {row["mqtt.topic"] for row in rows} == {"", "t/1"}
    assert rows[-1]["frame.comment"] == "cut by the scenario: “ü”"
    assert [row for row in rows if row["tcp.analysis.flags"] or row["_ws.malformed"]] == []
