"""tshark as a source: one batch for a whole run, in an image of ours where this machine has none that is new enough.

It is never believed alone: it misreads versions of Kafka's requests that it does not know, and tokens without a header.
What it reads in each packet is evidence for people, and judges nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tarfile
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors

from harness.brokers import images
from harness.brokers.containers import LABEL, connect
from harness.commands import RUN_MARK, run
from harness.errors import CommandFailed, Unavailable
from harness.model import Suite
from harness.oracle.captures import packet_blocks
from harness.oracle.websocket import as_plain_tcp

#: The first release that reads ZMTP, and Kafka as it is spoken today.
_OLDEST = (4, 4)
#: Packets of each capture that are judged: a cell that sends a hundred thousand sends the same again and again.
_PACKETS = 300
#: Packets at its end that are read besides, for people; tshark meets them without what came before.
_LAST = 60
#: Seconds that a batch may take.
_LIMIT = 600.0
#: The expert group "Malformed" (epan/proto.h, PI_MALFORMED).
_MALFORMED = "117440512"
#: By what tshark says that it guesses.
_GUESSES = "Dissecting assuming"
#: What 4.4 calls malformed and is not, by the packet's payload in hexadecimal digits: PONG without a context, which
#: 37/ZMTP allows (ping-context = 0*16OCTET), and FindCoordinator 0, which has no key type yet.
_MISREADINGS = (re.compile("(040504504f4e47)+"), re.compile("[0-9a-f]{8}000a0000[0-9a-f]*"))
_SEPARATOR = "\x1f"
#: Between the version, the findings, and what is read.
_BEGIN = "=====\n"
#: ZMTP has no port of its own; the one that captures have (`harness.cells.zmtp.CANONICAL_PORT`) is told.
_ARGUMENTS = ["-n", "-d", "tcp.port==5556,zmtp", "-T", "fields", "-E", f"aggregator={_SEPARATOR}", "-e", "frame.number"]
_FINDINGS = [
    *_ARGUMENTS, "-Y", f"_ws.expert.group == {_MALFORMED}",
    "-e", "ip.src", "-e", "_ws.expert.group", "-e", "_ws.expert.message", "-e", "tcp.payload",
]  # fmt: skip
#: What the column with the summary leaves out and people look for, with a short name for it.
_DETAILS = {
    "mqtt.conflag.cleansess": "clean session", "mqtt.conack.flags.sp": "session present", "mqtt.conack.val": "code",
    "mqtt.dupflag": "DUP", "mqtt.qos": "QoS", "mqtt.retain": "retain",
    "mqtt.connack.reason_code": "reason", "mqtt.disconnect.reason_code": "reason",
    "amqp.method.arguments.delivery_tag": "delivery", "amqp.method.arguments.redelivered": "redelivered",
    "amqp.method.arguments.multiple": "multiple",
    "amqp.method.arguments.reply_code": "code", "amqp.method.arguments.reply_text": "text",
    "kafka.correlation_id": "correlation", "kafka.error": "error",
    # Payloads, and what WebSocket has that is no MQTT.
    "data.data[0:4]": "data begins",
}  # fmt: skip
#: The summary last, because it has what crates sent.
_READING = [
    *_ARGUMENTS, "-e", "_ws.col.protocol", *(word for name in _DETAILS for word in ("-e", name)), "-e", "_ws.col.info",
]  # fmt: skip
#: What tshark says of AMQP's protocol header, which reads as if the crate had sent a wrong one, and what that means.
_HEADER = ("AMQP (unknown version)", "before a version is agreed")
#: What it says of sequence numbers before the summary: the relay made them up, and packets are left out of the batch.
_SEQUENCE = re.compile(r"^(\[TCP [^\]]*\][ ,]*)+")
#: Characters of a summary and of one value of a detail, and how many values are told.
_SUMMARY, _VALUE, _VALUES = 200, 60, 10


@dataclass(frozen=True)
class Doubt:
    """What tshark says of a packet; `end` is who sent it, `a` the client and `b` the server."""

    packet: int
    end: str
    says: str


@dataclass(frozen=True)
class Reading:
    """What tshark makes of a packet: the protocol, and a summary in its words."""

    protocol: str
    summary: str


@dataclass(frozen=True)
class Examination:
    """The version of tshark, what it objects to in each capture, and what it reads there by the packet's number."""

    version: str
    doubts: dict[str, list[Doubt]] = field(default_factory=dict)
    readings: dict[str, dict[int, Reading]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where a capture is in the batch: its first packet there, and how many are missing in its middle."""

    start: int
    name: str
    left_out: int

    def number(self, packet: int) -> int:
        """The number that a packet of the batch has in its own capture."""
        own = packet - self.start + 1
        return own if own <= _PACKETS else own + self.left_out


def examine(folder: Path, captures: Iterable[str], say: Callable[[str], None]) -> Examination:
    """What tshark says of each capture.

    Args:
        folder: of the run.
        captures: relative to that folder.
        say: told about work that takes long.

    Raises:
        Unavailable: there is no tshark of 4.4 or newer and none can be had, or it fails.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="iotyet-oracle-") as name:
            batch = Path(name) / "batch.pcapng"
            places = _write_batch(batch, folder, captures)
            if not places:
                return Examination("had nothing to read")
            version, findings, reading = _on_this_machine(batch) or _in_a_container(batch, say)
    except OSError as error:
        raise Unavailable(f"the captures cannot be put together for tshark: {error.strerror}") from error
    return Examination(version, _doubts(findings, places), _readings(reading, places))


def _write_batch(batch: Path, folder: Path, captures: Iterable[str]) -> list[_Place]:
    """Write the beginning and the end of every capture to one file; returns where each one is."""
    places, number = [], 1
    with batch.open("wb") as file:
        for name in captures:
            if not (folder / name).is_file():
                continue
            head, packets, left_out = packet_blocks(as_plain_tcp(folder / name), _PACKETS, _LAST)
            # All captures have the same interface, so that the first one's header serves for all.
            if number == 1:
                file.write(head)
            file.write(b"".join(packets))
            places.append(_Place(number, name, left_out))
            number += len(packets)
    return places


def _lines(output: str, places: list[_Place]) -> Iterator[tuple[_Place, int, str]]:
    """Of every line that is a packet's: its capture, its number there, and what follows the number."""
    starts = [place.start for place in places]
    for line in output.split("\n")[:-1]:
        number, _, rest = line.partition("\t")
        if not number.isdecimal():
            continue
        place = places[bisect_right(starts, int(number)) - 1]
        yield place, place.number(int(number)), rest


def _doubts(output: str, places: list[_Place]) -> dict[str, list[Doubt]]:
    found: dict[str, list[Doubt]] = {}
    for place, number, rest in _lines(output, places):
        source, groups, messages, payload = rest.split("\t")
        # At a capture's end tshark may begin in the middle of a frame.
        if number > _PACKETS or _GUESSES in messages or any(known.fullmatch(payload) for known in _MISREADINGS):
            continue
        said = [
            message
            for group, message in zip(groups.split(_SEPARATOR), messages.split(_SEPARATOR), strict=False)
            if group == _MALFORMED
        ]
        doubt = Doubt(number, "b" if source == "127.0.0.1" else "a", "; ".join(said))
        found.setdefault(place.name, []).append(doubt)
    return found


def _readings(output: str, places: list[_Place]) -> dict[str, dict[int, Reading]]:
    found: dict[str, dict[int, Reading]] = {place.name: {} for place in places}
    for place, number, rest in _lines(output, places):
        columns = rest.split("\t", len(_DETAILS) + 1)
        if len(columns) != len(_DETAILS) + 2:
            continue
        protocol, *details, summary = columns
        told = ", ".join(filter(None, map(_detail, _DETAILS.values(), details)))
        short = shortened(_SEQUENCE.sub("", summary).strip().replace(*_HEADER), _SUMMARY)
        found[place.name][number] = Reading(protocol, f"{short} ({told})" if told else short)
    return found


def _detail(name: str, values: str) -> str:
    """What a packet has of one field, each value once; of a flag only that it is set."""
    several = [value for value in dict.fromkeys(values.split(_SEPARATOR)) if value not in ("", "False")]
    if several == ["True"]:
        return name
    more = ["…"] if len(several) > _VALUES else []
    return f"{name} {','.join([shortened(value, _VALUE) for value in several[:_VALUES]] + more)}" if several else ""


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, and a sign where there were more."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def _on_this_machine(batch: Path) -> tuple[str, str, str] | None:
    """Version, findings and readings of this machine's tshark; null where it has none, or one that is too old."""
    if shutil.which("tshark") is None:
        return None
    with contextlib.suppress(CommandFailed):
        version = _version(run(["tshark", "--version"], timeout=60).stdout)
        if _numbers(version) < _OLDEST:
            return None
        findings, reading = (
            run(["tshark", "-r", str(batch), *arguments], timeout=_LIMIT).stdout for arguments in (_FINDINGS, _READING)
        )
        return version, findings, reading
    return None


def _in_a_container(batch: Path, say: Callable[[str], None]) -> tuple[str, str, str]:
    asked = (shlex.join(["tshark", "-r", f"/tmp/{batch.name}", *arguments]) for arguments in (_FINDINGS, _READING))  # noqa: S108 - inside the container
    script = f" && echo {_BEGIN.strip()} && ".join(
        ["tshark --version", *(f"{command} 2>/dev/null" for command in asked)]
    )
    client = connect()
    try:
        image = images.tool(client, "tshark", Suite.TRIXIE, say)
        container = client.containers.create(
            image,
            entrypoint=["sh", "-c", script],
            command=[],
            network_mode="none",
            labels={LABEL: os.environ.get(RUN_MARK, "")},
        )
        try:
            with _archive(batch) as archive:
                container.put_archive("/tmp", archive)  # noqa: S108 - inside the container
            container.start()
            status = container.wait(timeout=_LIMIT)["StatusCode"]
            output = container.logs(stdout=True, stderr=False).decode("utf-8", "replace")
        finally:
            container.remove(force=True, v=True)
    except (docker.errors.DockerException, OSError) as error:
        raise Unavailable(f"tshark's container failed: {error}") from error
    finally:
        client.close()
    if status:
        raise Unavailable(f"tshark exited with {status} in its container")
    about, findings, reading = output.split(_BEGIN, 2)
    return _version(about), findings, reading


@contextlib.contextmanager
def _archive(batch: Path) -> Iterator[object]:
    """The batch in a tar file, as Docker takes files."""
    path = batch.with_suffix(".tar")
    with tarfile.open(path, "w") as tar:
        tar.add(batch, arcname=batch.name)
    with path.open("rb") as file:
        yield file


def _version(text: str) -> str:
    found = re.search(r"TShark \(Wireshark\) (\d+\.\d+\.\d+)", text)
    return found[1] if found else "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
