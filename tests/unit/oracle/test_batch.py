"""From a run's captures to what each cell's frames came to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from pika import frame, spec
from websockets.frames import Frame, Opcode

from harness.errors import HarnessFault, Unavailable
from harness.model import Attempt, CellKey, CellResult, Dialect, Evidence, Verdict
from harness.oracle import batch, codecs, mqtt
from harness.oracle.captures import packet_blocks, read
from harness.oracle.reading import Outcome
from harness.oracle.tshark import Doubt, Examination, Reading
from harness.pcapng import Capture, TcpFlow, UdpFlow
from harness.wellformed import OracleRecord, WireJudgement, WireVerdict
from tests.unit.oracle import amqp_mutants, coap_mutants, mqtt_mutants, zmtp_mutants

CLIENT = ("127.1.2.3", 40000)
PING = mqtt_mutants.packet(0xC0)
EMPTY_SUBSCRIBE = mqtt_mutants.packet(0x82, b"\0\7")


def _no_tshark(*_: object) -> Examination:
    raise Unavailable("there is none in this test")


@pytest.fixture(autouse=True)
def without_tshark(monkeypatch: pytest.MonkeyPatch) -> None:
    """tshark's own tests are among those that need Docker."""
    monkeypatch.setattr(batch, "examine", _no_tshark)


def _record(path: Path, port: int, *said: tuple[str, bytes], relay: str = "") -> None:
    """A capture of one connection: who said what."""
    capture = Capture(path, f"relay to port {port}{relay}")
    flow = TcpFlow(capture, CLIENT, ("127.0.0.1", port))
    flow.opened()
    for end, data in said:
        flow.data(end, data)
    flow.finished("a")
    capture.close()


def _cell(dialect: Dialect, *evidence: tuple[str, str]) -> CellResult:
    found = tuple(Evidence(kind, path, "") for kind, path in evidence)
    key = CellKey(dialect, "scenario", "", "crate", "1.0.0", "peer@1")
    return CellResult(key, Verdict.PASS, "as stated", 1.0, (Attempt(Verdict.PASS, "", "as stated", 1.0, found),))


def _judge(
    folder: Path, dialect: Dialect, files: Iterable[tuple[str, str]] = (("capture", "wire.pcapng"),)
) -> WireJudgement:
    (judgement,) = batch.judge_run(folder, [_cell(dialect, *files)], lambda text: None).cells
    return judgement


def test_frames_that_are_right_are_well_formed(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD), ("b", b"\x20\2\0\0"), ("a", PING))
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    assert (judgement.verdict, judgement.frames, judgement.findings) == (WireVerdict.WELL_FORMED, 2, ())


def test_a_malformed_frame_is_named_with_its_packet_and_clause(tmp_path: Path) -> None:
    half = len(EMPTY_SUBSCRIBE) // 2
    _record(
        tmp_path / "wire.pcapng",
        1883,
        ("a", mqtt_mutants.OLD),
        ("b", b"\x20\2\0\0"),
        ("a", PING + EMPTY_SUBSCRIBE[:half]),
        ("a", EMPTY_SUBSCRIBE[half:]),
        ("a", EMPTY_SUBSCRIBE),
    )
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    (finding,) = judgement.findings
    assert judgement.verdict is WireVerdict.MALFORMED
    assert (finding.source, finding.rule, finding.packet, finding.times) == ("rules", "mqtt.no-filter", 7, 2)
    assert finding.clause == "MQTT 3.1.1 [MQTT-3.8.3-3], [MQTT-3.10.3-2]"
    assert judgement.malformed == finding


def test_mqtt_3_1_is_judged_by_its_own_clauses(tmp_path: Path) -> None:
    said = (("a", mqtt_mutants.connect(3, name="MQIsdp")), ("b", b"\x20\2\0\0"), ("a", PING + b"\x40\2\0\0"))
    _record(tmp_path / "wire.pcapng", 1883, *said)
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    ((rule, clause),) = ((finding.rule, finding.clause) for finding in judgement.findings)
    assert (judgement.verdict, judgement.frames) == (WireVerdict.MALFORMED, 3)
    assert (rule, clause) == ("mqtt.packet-id", "MQTT 3.1, 2.4")


def test_what_was_cut_off_is_inconclusive(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD), ("a", b"\x30\x10\0\1t"))
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    assert judgement.verdict is WireVerdict.INCONCLUSIVE
    assert judgement.malformed is None
    assert "5 bytes" in judgement.findings[0].says


def test_a_capture_without_bytes_is_no_traffic(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883)
    assert _judge(tmp_path, Dialect.MQTT_3_1_1).verdict is WireVerdict.NO_TRAFFIC
    assert _judge(tmp_path, Dialect.MQTT_3_1_1, [("transcript", "t.txt")]).verdict is WireVerdict.NO_TRAFFIC


def test_what_the_control_and_the_broker_sent_is_not_the_crates(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD), ("b", b"\xff\xff\xff\xff\xff"))
    _record(tmp_path / "control.pcapng", 1883, ("a", EMPTY_SUBSCRIBE))
    files = [("capture", "wire.pcapng"), ("control's capture", "control.pcapng")]
    assert _judge(tmp_path, Dialect.MQTT_3_1_1, files).verdict is WireVerdict.WELL_FORMED


def test_a_crate_that_serves_is_the_other_end(tmp_path: Path) -> None:
    wrong = zmtp_mutants.NULL + b"\x08\1x"
    said = (("a", zmtp_mutants.NULL), ("b", wrong))
    _record(tmp_path / "wire.pcapng", 5556, *said, relay=", served by the crate")
    assert _judge(tmp_path, Dialect.ZMTP).verdict is WireVerdict.MALFORMED
    _record(tmp_path / "wire.pcapng", 5556, *said)
    assert _judge(tmp_path, Dialect.ZMTP).verdict is WireVerdict.WELL_FORMED


@pytest.mark.parametrize(
    ("packets", "expected"), [(PING, WireVerdict.WELL_FORMED), (EMPTY_SUBSCRIBE, WireVerdict.MALFORMED)]
)
def test_mqtt_is_taken_out_of_websocket(tmp_path: Path, packets: bytes, expected: WireVerdict) -> None:
    def framed(data: bytes, opcode: Opcode = Opcode.BINARY, *, masked: bool = True) -> bytes:
        return Frame(opcode, data).serialize(mask=masked)

    _record(
        tmp_path / "wire.pcapng",
        80,
        ("a", b"GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
        ("b", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + framed(b"\x20\3\0\0\0", masked=False)),
        ("a", framed(mqtt_mutants.OLD[:5]) + framed(b"", Opcode.PING)),
        ("a", framed(mqtt_mutants.OLD[5:] + packets)),
        # A frame that is not all there.
        ("a", framed(PING)[:-1]),
    )
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    assert (judgement.verdict, judgement.frames) == (expected, 2)
    assert [finding.packet for finding in judgement.findings] == [7] * (expected is WireVerdict.MALFORMED)


def test_tls_that_passes_through_is_not_judged(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 8883, ("a", b"\x16\3\1"), ("b", b"\x16\3\3"))
    judgement = _judge(tmp_path, Dialect.MQTT_5)
    assert (judgement.verdict, judgement.frames) == (WireVerdict.INCONCLUSIVE, 0)
    assert judgement.findings[0].says == "what was sent is not judged: TLS, and encrypted"


def test_what_is_encrypted_is_not_judged(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "wire.pcapng", "relay to port 5684")
    UdpFlow(capture, CLIENT, ("127.0.0.1", 5684)).datagram("a", b"\x16\xfe\xfd")
    capture.close()
    judgement = _judge(tmp_path, Dialect.COAP_CLIENT)
    assert judgement.verdict is WireVerdict.INCONCLUSIVE
    assert "encrypted" in judgement.findings[0].says


@pytest.mark.parametrize(("dialect", "own"), [(Dialect.COAP_CLIENT, "a"), (Dialect.COAP_SERVER, "b")])
def test_datagrams_are_judged_by_role(tmp_path: Path, dialect: Dialect, own: str) -> None:
    right, wrong = coap_mutants.MUTANTS[0].valid, coap_mutants.MUTANTS[0].wrong
    for end in "ab":
        capture = Capture(tmp_path / "wire.pcapng", "relay to port 5683")
        flow = UdpFlow(capture, CLIENT, ("127.0.0.1", 5683))
        flow.datagram("a" if end == "b" else "b", right)
        flow.datagram(end, wrong)
        # From an address that the client never spoke to, which a scenario makes up.
        UdpFlow(capture, CLIENT, ("127.0.0.1", 9)).datagram("b", wrong)
        capture.close()
        judgement = _judge(tmp_path, dialect)
        assert judgement.frames == 1
        assert judgement.verdict is (WireVerdict.MALFORMED if end == own else WireVerdict.WELL_FORMED)
        assert not judgement.findings or judgement.findings[0].packet == 2


def test_two_codecs_that_agree_are_certain_and_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(tmp_path / "wire.pcapng", 5672, ("a", amqp_mutants.OPENING), ("a", frame.Heartbeat().marshal()))
    doubts = {"wire.pcapng": [Doubt(5, "a", "Malformed Packet"), Doubt(4, "b", "the broker's")]}
    monkeypatch.setattr(batch, "examine", lambda *_: Examination("4.4.0", doubts))
    judgement = _judge(tmp_path, Dialect.AMQP_0_9_1)
    assert [(f.source, f.packet, f.certain) for f in judgement.findings] == [("tshark", 5, False)]
    assert judgement.verdict is WireVerdict.INCONCLUSIVE
    end = len(amqp_mutants.OPENING) + 8
    monkeypatch.setattr(codecs, "refused_by_pika", lambda _: [(end, "struct.error")])
    judgement = _judge(tmp_path, Dialect.AMQP_0_9_1)
    assert judgement.verdict is WireVerdict.MALFORMED
    assert {(f.source, f.certain) for f in judgement.findings} == {("tshark", True), ("pika", True)}


def test_the_codec_of_mqtt_5_doubts_what_no_rule_objects_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.NEW), ("b", b"\x20\3\0\0\0"), ("a", EMPTY_SUBSCRIBE))
    for judge, expected in ((mqtt.judge, "rules"), (lambda data: Outcome(), "mqtt5")):
        monkeypatch.setitem(batch._STREAMS, Dialect.MQTT_5, judge)
        judgement = _judge(tmp_path, Dialect.MQTT_5)
        assert [(finding.source, finding.packet) for finding in judgement.findings] == [(expected, 6)]
        assert judgement.verdict is (WireVerdict.MALFORMED if expected == "rules" else WireVerdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("name", "expected"), [("wire", WireVerdict.MALFORMED), ("wire-scripted", WireVerdict.WELL_FORMED)]
)
def test_a_real_broker_is_believed_and_a_scripted_one_is_not(tmp_path: Path, name: str, expected: WireVerdict) -> None:
    close = frame.Method(0, spec.Connection.Close(505, "UNEXPECTED_FRAME", 60, 40)).marshal()
    _record(tmp_path / f"{name}.pcapng", 5672, ("a", amqp_mutants.OPENING), ("b", close))
    judgement = _judge(tmp_path, Dialect.AMQP_0_9_1, [("capture", f"{name}.pcapng")])
    assert judgement.verdict is expected
    assert [finding.source for finding in judgement.findings] == (["peer"] if name == "wire" else [])


def test_the_brokers_log_is_read_for_the_crates_own_clients(tmp_path: Path) -> None:
    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD))
    files = [("capture", "wire.pcapng"), ("broker log", "broker.log")]
    for client, expected in (("c", WireVerdict.MALFORMED), ("other", WireVerdict.WELL_FORMED)):
        (tmp_path / "broker.log").write_text(f"1: Client {client} disconnected due to malformed packet.\n")
        judgement = _judge(tmp_path, Dialect.MQTT_3_1_1, files)
        assert judgement.verdict is expected
        assert [(f.file, f.packet) for f in judgement.findings] == ([("broker.log", 0)] if client == "c" else [])


def test_a_fault_of_the_oracle_costs_its_judgement_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: bytes) -> None:
        raise KeyError("of ours")

    _record(tmp_path / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD))
    monkeypatch.setitem(batch._STREAMS, Dialect.MQTT_3_1_1, fails)
    judgement = _judge(tmp_path, Dialect.MQTT_3_1_1)
    assert judgement.verdict is WireVerdict.INCONCLUSIVE
    assert judgement.findings[0].says == "the oracle failed: KeyError: 'of ours'"


def test_the_record_says_what_each_source_was(tmp_path: Path) -> None:
    record = batch.judge_run(tmp_path, [], lambda text: None)
    assert isinstance(record, OracleRecord)
    assert record.sources["tshark"] == "unavailable: there is none in this test"
    assert record.sources["pika"].count(".") == 2
    assert record.cells == ()


def test_a_torn_capture_is_read_to_its_last_whole_packet(tmp_path: Path) -> None:
    file = tmp_path / "wire.pcapng"
    _record(file, 1883, ("a", mqtt_mutants.OLD), ("a", PING))
    whole = file.read_bytes()
    for end in range(0, len(whole), 7):
        file.write_bytes(whole[:end])
        assert sum(len(conversation.a.data) for conversation in read(file).conversations) <= len(mqtt_mutants.OLD) + 2


def test_the_beginning_and_the_end_of_a_capture_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "wire.pcapng"
    _record(file, 1883, *[("a", PING)] * 6)
    whole = file.read_bytes()
    every = packet_blocks(whole, 10, 0)
    assert (len(every[1]), every[2]) == (10, 0)
    assert whole == every[0] + b"".join(every[1])
    for first, last, left_out in ((2, 0, 8), (2, 3, 5), (7, 3, 0), (7, 9, 0)):
        head, packets, missing = packet_blocks(whole, first, last)
        assert (head, missing) == (every[0], left_out)
        assert packets == every[1][:first] + every[1][first + left_out :]


def test_what_tshark_reads_is_evidence_of_each_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in "12":
        (tmp_path / "e" / number).mkdir(parents=True)
        _record(tmp_path / "e" / number / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD + EMPTY_SUBSCRIBE))
    readings = {f"e/{number}/wire.pcapng": {4: Reading("MQTT", f"in attempt {number}")} for number in "12"}
    monkeypatch.setattr(batch, "examine", lambda *_: Examination("4.4.0", {}, readings))
    cell = _cell(Dialect.MQTT_3_1_1)
    found = [(Evidence("capture", f"e/{number}/wire.pcapng", ""),) for number in "12"]
    attempts = tuple(replace(cell.attempts[0], evidence=evidence) for evidence in (*found, ()))
    (judgement,) = batch.judge_run(tmp_path, [replace(cell, attempts=attempts)], lambda text: None).cells
    assert [said and said.path for said in judgement.conversations] == [
        "e/conversation-1.txt", "e/conversation-2.txt", None,
    ]  # fmt: skip
    for number, said in zip("12", judgement.conversations, strict=False):
        assert said is not None
        data = (tmp_path / said.path).read_bytes()
        assert said.sha256 == hashlib.sha256(data).hexdigest()
        assert f"in attempt {number}" in data.decode()
    assert "^ malformed: " in (tmp_path / "e/conversation-1.txt").read_text()


def test_without_tshark_nothing_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "e" / "1").mkdir(parents=True)
    _record(tmp_path / "e" / "1" / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD))
    assert _judge(tmp_path, Dialect.MQTT_3_1_1, [("capture", "e/1/wire.pcapng")]).conversations == ()
    assert not list(tmp_path.rglob("*.txt"))


def test_a_conversation_that_cannot_be_written_is_a_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e" / "1").mkdir(parents=True)
    (tmp_path / "e" / "conversation-1.txt").mkdir()
    _record(tmp_path / "e" / "1" / "wire.pcapng", 1883, ("a", mqtt_mutants.OLD))
    monkeypatch.setattr(batch, "examine", lambda *_: Examination("4.4.0", {}, {"e/1/wire.pcapng": {}}))
    with pytest.raises(HarnessFault, match=r"conversation-1.txt cannot be written"):
        _judge(tmp_path, Dialect.MQTT_3_1_1, [("capture", "e/1/wire.pcapng")])
