"""tshark as a source of the oracle: the mutants that it catches, in one batch, on this machine or in our image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from harness.commands import RUN_MARK
from harness.errors import Unavailable
from harness.liveness import Mark
from harness.oracle.captures import read
from harness.oracle.conversation import conversation
from harness.oracle.tshark import Doubt, Examination, examine
from harness.pcapng import Capture, TcpFlow, UdpFlow
from tests.unit.oracle import mqtt_mutants
from tests.unit.oracle.mutants import Mutant
from tests.unit.oracle.test_rules import JUDGES

_PORTS = {"mqtt": 1883, "amqp": 5672, "coap": 5683, "zmtp": 5556, "kafka": 9092}
#: Rules with a mutant that tshark calls malformed too: it checks sizes, and values in CoAP alone.
_CAUGHT = {
    "mqtt.short", "mqtt.property-length",
    "coap.token-length", "coap.short", "coap.option-header", "coap.option-length",
    "zmtp.short", "zmtp.long-size",
    "kafka.size", "kafka.api-key", "kafka.header", "kafka.body", "kafka.left-over",
}  # fmt: skip
#: What tshark takes for malformed though it is not: a SASL token without a header, after SaslHandshake 0.
_MISREAD = "kafka.left-over-9"


def _mutants() -> Iterator[tuple[str, str, Mutant]]:
    for protocol, (_, mutants) in JUDGES.items():
        for number, mutant in enumerate(mutants):
            yield protocol, f"{mutant.rule}-{number}", mutant


def _record(path: Path, port: int, client: str, data: bytes) -> None:
    capture = Capture(path, f"relay to port {port}")
    if port == _PORTS["coap"]:
        UdpFlow(capture, (client, 40000), ("127.0.0.1", port)).datagram("a", data)
    else:
        flow = TcpFlow(capture, (client, 40000), ("127.0.0.1", port))
        flow.opened()
        flow.data("a", data)
        flow.finished("a")
        flow.finished("b")
    capture.close()


def _examine(folder: Path) -> Examination:
    """What tshark says of every capture in a folder."""
    names = sorted(path.name for path in folder.iterdir())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_MARK, str(Mark("tested", folder / "lock")))
        try:
            found = examine(folder, names, print)
        except Unavailable as error:
            pytest.skip(f"there is no tshark of 4.4 or newer here: {error}")
    assert tuple(map(int, found.version.split("."))) >= (4, 4)
    return found


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    """What tshark says of every mutant, and of what is right."""
    folder = tmp_path_factory.mktemp("captures")
    for number, (protocol, name, mutant) in enumerate(_mutants()):
        for kind, data in (("right", mutant.valid), ("wrong", mutant.wrong)):
            address = f"127.{1 if kind == 'right' else 2}.{number // 200}.{number % 200 + 1}"
            _record(folder / f"{kind} {name}", _PORTS[protocol], address, data)
    return _examine(folder)


@pytest.fixture(scope="module")
def doubts(examined: Examination) -> dict[str, list[Doubt]]:
    """What tshark objects to."""
    return examined.doubts


def test_tshark_catches_what_it_is_known_to_catch(doubts: dict[str, list[Doubt]]) -> None:
    wrong = {name.removeprefix("wrong ") for name in doubts if name.startswith("wrong ")}
    assert {name.rpartition("-")[0] for name in wrong} == _CAUGHT
    assert len(wrong) >= 25
    assert all(doubt.end == "a" and doubt.says for found in doubts.values() for doubt in found)


def test_tshark_finds_nothing_wrong_with_what_is_right(doubts: dict[str, list[Doubt]]) -> None:
    assert [name for name in doubts if name.startswith("right ")] == [f"right {_MISREAD}"]


def test_a_doubt_has_the_number_that_the_packet_has_in_its_own_capture(doubts: dict[str, list[Doubt]]) -> None:
    """The connection's three packets come before what was sent; a datagram is the first packet."""
    assert {doubt.packet for name, found in doubts.items() if " coap." in name for doubt in found} == {1}
    assert {doubt.packet for name, found in doubts.items() if " mqtt." in name for doubt in found} == {4}


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        ("mqtt", "Connect Command"),
        ("amqp", "before a version is agreed"),
        ("coap", "CON, MID:"),
        ("zmtp", "Greeting (version=3.1"),
        ("kafka", "Request (correlation "),
    ],
)
def test_every_protocol_is_read(examined: Examination, protocol: str, said: str) -> None:
    prefix = f"right {protocol}."
    found = [
        r.summary for name, readings in examined.readings.items() if name.startswith(prefix) for r in readings.values()
    ]
    assert any(said in summary for summary in found)


def _publish(topic: bytes, first: int = 0x30) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + b"\0\7" * (first != 0x30)
    return bytes((first, len(body))) + body


def test_what_a_crate_sends_cannot_make_lines(tmp_path: Path) -> None:
    """Whatever separates tshark's lines and columns, or means harm to a terminal, in what tshark quotes."""
    topic = "a\n4\tMQTT\tb\r\x1b[31m\x1f\u202e=====\n<script>\u2028".encode()
    _record(tmp_path / "wire.pcapng", _PORTS["mqtt"], "127.1.2.3", mqtt_mutants.OLD + _publish(topic, 0x3A))
    (readings,) = _examine(tmp_path).readings.values()
    assert list(readings) == [1, 2, 3, 4, 5, 6]
    assert "DUP, QoS 1" in readings[4].summary
    lines = conversation("wire.pcapng", read(tmp_path / "wire.pcapng"), "a", readings, ()).split("\n")
    assert [line[:6].strip() for line in lines[1:-1]] == ["1", "4", "5", "6"]
    assert "<script>" in lines[2]
    assert all(line.isprintable() for line in lines)


def test_the_end_of_a_long_capture_is_read(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "wire.pcapng", "relay to port 1883")
    flow = TcpFlow(capture, ("127.1.2.3", 40000), ("127.0.0.1", 1883))
    flow.opened()
    flow.data("a", mqtt_mutants.OLD)
    for number in range(1000):
        flow.data("a", _publish(b"topic %d" % number))
    capture.close()
    found = _examine(tmp_path)
    (readings,) = found.readings.values()
    assert found.doubts == {}
    assert (len(readings), max(readings)) == (360, 1004)
    assert readings[1004].summary == "Publish Message [topic 999] (QoS 0)"
    lines = conversation("wire.pcapng", read(tmp_path / "wire.pcapng"), "a", readings, ()).split("\n")
    assert lines[61] == "     … 922 packets left out; tshark reads what follows without them"
    assert lines[-2].endswith("Publish Message [topic 999] (QoS 0)")


def test_what_is_encrypted_is_known_as_such(tmp_path: Path) -> None:
    """A TLS record of a handshake, and one of DTLS."""
    hello = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("000004c02f00ff0100000400170000")
    _record(tmp_path / "tls", 443, "127.1.2.3", hello[:54])
    (readings,) = _examine(tmp_path).readings.values()
    text = conversation("tls", read(tmp_path / "tls"), "a", readings, ())
    assert "It is encrypted" in text


def test_mqtt_is_read_inside_websocket(tmp_path: Path) -> None:
    """In several frames too; where it comes as text, which MQTT forbids, the frame is shown."""

    def framed(data: bytes, opcode: Opcode = Opcode.BINARY) -> bytes:
        return Frame(opcode, data).serialize(mask=True)

    capture = Capture(tmp_path / "wire.pcapng", "relay to port 80")
    flow = TcpFlow(capture, ("127.1.2.3", 40000), ("127.0.0.1", 80))
    flow.opened()
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    flow.data("a", b"GET /mqtt HTTP/1.1\r\n" + upgrade + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    flow.data("b", b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\n")
    flow.data("a", framed(mqtt_mutants.OLD))
    flow.data("b", Frame(Opcode.BINARY, b"\x20\2\0\0").serialize(mask=False))
    flow.data("a", framed(_publish(b"topic")[:3]))
    flow.data("a", framed(_publish(b"topic")[3:] + mqtt_mutants.packet(0xC0)))
    flow.data("a", framed(mqtt_mutants.packet(0xC0), Opcode.TEXT))
    # A filter that is longer than the packet.
    flow.data("a", framed(mqtt_mutants.packet(0x82, b"\0\7\0\x09t")))
    capture.close()
    found = _examine(tmp_path)
    (readings,) = found.readings.values()
    assert [readings[number].summary for number in (6, 7)] == [
        "Connect Command (clean session)",
        "Connect Ack (code 0)",
    ]
    assert readings[8].protocol == "TCP"
    assert readings[9].summary.startswith("Publish Message [topic], Ping Request")
    assert readings[10].summary.startswith("WebSocket Text")
    ((doubt,),) = found.doubts.values()
    assert (doubt.packet, doubt.end) == (11, "a")
