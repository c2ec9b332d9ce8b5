"""Judges a whole run: reads the captures of every cell, asks every source, and says what each cell's frames came to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from harness.errors import HarnessFault, Unavailable
from harness.model import Attempt, CellResult, Dialect, Evidence
from harness.oracle import amqp, coap, codecs, kafka, mqtt, peers, zmtp
from harness.oracle.captures import Conversation, Datagram, Recording, read
from harness.oracle.conversation import conversation
from harness.oracle.reading import Outcome
from harness.oracle.rules import RULES
from harness.oracle.tshark import Doubt, Examination, examine
from harness.oracle.websocket import unwrap
from harness.pcapng import HTTP, OVER_TLS
from harness.wellformed import Finding, OracleRecord, WireJudgement, WireVerdict

#: Findings that a cell keeps; a run of a thousand wrong frames needs no thousand lines.
_KEPT = 12
#: What captures of scripted peers are called (`harness.cells.doors.SCRIPTED`).
_SCRIPTED = "-scripted"

_STREAMS: dict[Dialect, Callable[[bytes], Outcome]] = {
    Dialect.MQTT_3_1_1: mqtt.judge,
    Dialect.MQTT_5: mqtt.judge,
    Dialect.AMQP_0_9_1: amqp.judge,
    Dialect.ZMTP: zmtp.judge,
    Dialect.KAFKA: kafka.judge,
}
_MQTT = (Dialect.MQTT_3_1_1, Dialect.MQTT_5)
#: The ports that captures of these protocols have (`harness.pcapng`), and two of what carries others.
_PORTS = {1883, 5672, 5556, 9092, 5683}
_ENCRYPTED = {5684: "DTLS", **dict.fromkeys(OVER_TLS.values(), "TLS")}
#: Whose codec reads what a dialect's clients send, besides our rules.
_CODECS = {
    Dialect.MQTT_5: "mqtt5",
    Dialect.AMQP_0_9_1: "pika",
    Dialect.COAP_CLIENT: "aiocoap",
    Dialect.COAP_SERVER: "aiocoap",
    Dialect.KAFKA: "kafka-python",
}


@dataclass
class _Notes:
    """What was found in one cell so far."""

    frames: int = 0
    findings: list[Finding] = field(default_factory=list)
    #: Client identifiers of MQTT connections, whose broker's log is then read.
    clients: set[str] = field(default_factory=set)
    recordings: dict[str, Recording] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Note a finding; of the same kind in the same file only the number grows."""
        for index, known in enumerate(self.findings):
            if (known.source, known.rule, known.file) == (finding.source, finding.rule, finding.file):
                self.findings[index] = replace(known, times=known.times + finding.times)
                return
        self.findings.append(finding)

    def by_rule(self, dialect: Dialect, file: str, packet: int, rule: str, detail: str, level: int = 0) -> None:
        """Note that a frame breaks a rule; `level` is MQTT's."""
        known = RULES[rule]
        source = "kafka-python" if rule in ("kafka.body", "kafka.left-over") else "rules"
        says = f"{known.says}; found: {detail}" if detail else known.says
        self.add(Finding(source, rule, known.clause_in(dialect, level), says, file, packet, certain=True))

    def doubt(self, source: str, file: str, packet: int, says: str) -> None:
        """Note what one source that is not trusted alone says of a frame."""
        self.add(Finding(source, source, "", says, file, packet, certain=False))


def judge_run(folder: Path, cells: Iterable[CellResult], say: Callable[[str], None]) -> OracleRecord:
    """What every source says of what was sent in a run; writes beside the evidence what tshark reads there.

    Args:
        folder: of the run.
        cells: that were measured.
        say: told where a source cannot be had.

    Raises:
        HarnessFault: that cannot be written.
    """
    measured = list(cells)
    sources = {"rules": str(len(RULES)), **{name: version(name) for name in sorted(set(_CODECS.values()))}}
    captures = [file for cell in measured if _speaks(cell) for file in _evidence(cell, "capture")]
    examined = Examination("")
    try:
        examined = examine(folder, captures, say)
        sources["tshark"] = examined.version
    except Unavailable as error:
        sources["tshark"] = f"unavailable: {error.observed}"
        say(f"oracle: tshark is unavailable: {error.observed}")
    return OracleRecord(sources, tuple(_judge(folder, cell, examined) for cell in measured if _speaks(cell)))


def _speaks(cell: CellResult) -> bool:
    return cell.key.dialect is not Dialect.PACKAGE and any(attempt.evidence for attempt in cell.attempts)


def _evidence(cell: CellResult, kind: str) -> Iterator[str]:
    for attempt in cell.attempts:
        yield from _files(attempt, kind)


def _files(attempt: Attempt, kind: str) -> Iterator[str]:
    """Files of the crate's own; the control's have another kind."""
    yield from (item.path for item in attempt.evidence if item.kind == kind)


def _judge(folder: Path, cell: CellResult, examined: Examination) -> WireJudgement:
    notes, dialect = _Notes(), cell.key.dialect
    for file in _evidence(cell, "capture"):
        if (folder / file).is_file():
            try:
                notes.recordings[file] = read(folder / file)
                _capture(notes, dialect, notes.recordings[file], file, examined.doubts.get(file, ()))
            except Exception as error:  # a bug of ours must cost this judgement, and neither the run nor the crate
                notes.doubt("rules", file, 0, f"the oracle failed: {type(error).__name__}: {error}")
    for log in _evidence(cell, "broker log"):
        if notes.clients and (folder / log).is_file():
            text = (folder / log).read_text(encoding="utf-8", errors="replace")
            for client, said in peers.in_mosquitto_log(text):
                if client in notes.clients:
                    notes.add(Finding("peer", said.rule, said.clause, said.says, log, 0, certain=True))
    findings = _weighed(notes.findings)
    told = tuple(
        _conversation(folder, attempt, dialect, notes.recordings, examined, findings) for attempt in cell.attempts
    )
    return WireJudgement(cell.key, _verdict(notes.frames, findings), notes.frames, findings, told if any(told) else ())


def _conversation(
    folder: Path,
    attempt: Attempt,
    dialect: Dialect,
    recordings: dict[str, Recording],
    examined: Examination,
    findings: Iterable[Finding],
) -> Evidence | None:
    """Write what was said in one attempt, beside its folder: what lies in there is what the attempt itself left."""
    files = [file for file in _files(attempt, "capture") if file in recordings and file in examined.readings]
    if not files:
        return None
    texts = [
        conversation(
            PurePosixPath(file).name,
            recordings[file],
            _crate(dialect, recordings[file]),
            examined.readings[file],
            (finding for finding in findings if finding.file == file),
        )
        for file in files
    ]
    own = PurePosixPath(files[0]).parent
    path = own.with_name(f"conversation-{own.name}.txt")
    data = "\n".join(texts).encode()
    try:
        (folder / path).write_bytes(data)
    except OSError as error:
        raise HarnessFault(f"{folder / path} cannot be written: {error.strerror}") from error
    return Evidence("conversation", str(path), hashlib.sha256(data).hexdigest())


def _capture(notes: _Notes, dialect: Dialect, recording: Recording, file: str, doubts: Iterable[Doubt]) -> None:
    if recording.port not in _PORTS and recording.port != HTTP:
        encrypted = _ENCRYPTED.get(recording.port)
        carried = f"{encrypted}, and encrypted" if encrypted else f"port {recording.port}"
        notes.doubt("rules", file, 0, f"what was sent is not judged: {carried}")
    elif dialect in _STREAMS:
        for conversation in recording.conversations:
            _stream(notes, dialect, file, recording, conversation)
    else:
        _messages(notes, dialect, file, recording.datagrams)
    for found in doubts:
        if found.end == _crate(dialect, recording):
            notes.doubt("tshark", file, found.packet, found.says)


def _stream(notes: _Notes, dialect: Dialect, file: str, recording: Recording, conversation: Conversation) -> None:
    own, other = conversation.a, conversation.b
    if recording.crate == "b":
        own, other = other, own
    if recording.port == HTTP:
        own, other = unwrap(own, masked=True), unwrap(other, masked=False)
    sent, answered = bytes(own.data), bytes(other.data)
    outcome = _STREAMS[dialect](sent)
    notes.frames += outcome.frames
    level, client = peers.client_of(sent) if dialect in _MQTT else (0, "")
    for objection in outcome.objections:
        notes.by_rule(dialect, file, own.packet(objection.end), objection.rule, objection.detail, level)
    for why, end in outcome.unjudged:
        notes.doubt("rules", file, own.packet(end), why)
    if outcome.rest:
        says = f"what was sent ends with {outcome.rest} bytes that are no whole frame"
        notes.doubt("rules", file, own.packet(len(sent)), says)
    if dialect is Dialect.AMQP_0_9_1 and not outcome.rest:
        for end, why in codecs.refused_by_pika(sent):
            notes.doubt("pika", file, own.packet(end), why)
    if dialect is Dialect.MQTT_5:
        for end, why in codecs.refused_by_mqtt5(sent, {objection.end for objection in outcome.objections}):
            notes.doubt("mqtt5", file, own.packet(end), why)
    if _SCRIPTED not in file:
        if dialect in _MQTT:
            notes.clients.add(client)
        # The peer's answer names no frame, so the last one is shown.
        for said in _refusals(dialect, answered, level):
            notes.add(Finding("peer", said.rule, said.clause, said.says, file, own.packet(len(sent)), certain=True))


def _refusals(dialect: Dialect, answered: bytes, level: int) -> Iterable[peers.Refusal]:
    """What a real broker said against a connection; `level` is MQTT's."""
    if dialect is Dialect.AMQP_0_9_1:
        return peers.in_amqp(answered)
    return peers.in_mqtt(answered, level) if dialect in _MQTT else ()


def _messages(notes: _Notes, dialect: Dialect, file: str, datagrams: Iterable[Datagram]) -> None:
    for datagram in datagrams:
        if datagram.end != _end(dialect):
            continue
        outcome = Outcome()
        with outcome.frame(0):
            coap.check(datagram.data)
        notes.frames += 1
        for objection in outcome.objections:
            notes.by_rule(dialect, file, datagram.number, objection.rule, objection.detail)
        refused = codecs.refused_by_aiocoap(datagram.data)
        if refused:
            notes.doubt("aiocoap", file, datagram.number, refused)


def _end(dialect: Dialect) -> str:
    """Which end the crate is where the dialect tells."""
    return "b" if dialect is Dialect.COAP_SERVER else "a"


def _crate(dialect: Dialect, recording: Recording) -> str:
    """Which end of a recording the crate is."""
    return recording.crate if dialect in _STREAMS else _end(dialect)


def _weighed(findings: list[Finding]) -> tuple[Finding, ...]:
    """Certain findings first; what two codecs say of one packet is certain as well."""
    certain = [finding for finding in findings if finding.certain]
    doubts = [finding for finding in findings if not finding.certain]
    for one in doubts:
        same = {other.source for other in doubts if (other.file, other.packet) == (one.file, one.packet)}
        certain += [replace(one, certain=True)] if len(same - {"rules"}) > 1 else []
    known = {(finding.file, finding.packet) for finding in certain}
    return tuple([*certain, *(one for one in doubts if (one.file, one.packet) not in known)][:_KEPT])


def _verdict(frames: int, findings: tuple[Finding, ...]) -> WireVerdict:
    if any(finding.certain for finding in findings):
        return WireVerdict.MALFORMED
    if findings:
        return WireVerdict.INCONCLUSIVE
    return WireVerdict.WELL_FORMED if frames else WireVerdict.NO_TRAFFIC
