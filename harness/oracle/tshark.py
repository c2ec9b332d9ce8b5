"""tshark as a source: one batch for a whole run, in an image of ours where this machine has none that is new enough.

It is never believed alone: it misreads versions of Kafka's requests that it does not know, and tokens without a header.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tarfile
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker.errors

from harness.brokers import images
from harness.brokers.containers import LABEL, connect
from harness.commands import RUN_MARK, run
from harness.errors import CommandFailed, Unavailable
from harness.model import Suite
from harness.oracle.captures import packet_blocks

#: The first release that reads ZMTP, and Kafka as it is spoken today.
_OLDEST = (4, 4)
#: Packets of each capture that are read: a cell that sends a hundred thousand sends the same again and again.
_PACKETS = 300
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
#: Between the version and the findings.
_BEGIN = "=====\n"
#: ZMTP has no port of its own; the one that captures have (`harness.cells.zmtp.CANONICAL_PORT`) is told.
_ARGUMENTS = [
    "-n", "-d", "tcp.port==5556,zmtp", "-Y", f"_ws.expert.group == {_MALFORMED}", "-T", "fields",
    "-e", "frame.number", "-e", "ip.src", "-e", "_ws.expert.group", "-e", "_ws.expert.message", "-e", "tcp.payload",
    "-E", f"aggregator={_SEPARATOR}",
]  # fmt: skip


@dataclass(frozen=True)
class Doubt:
    """What tshark says of a packet; `end` is who sent it, `a` the client and `b` the server."""

    packet: int
    end: str
    says: str


def examine(folder: Path, captures: Iterable[str], say: Callable[[str], None]) -> tuple[str, dict[str, list[Doubt]]]:
    """The version of tshark, and what it says of each capture.

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
                return "had nothing to read", {}
            version, output = _on_this_machine(batch) or _in_a_container(batch, say)
    except OSError as error:
        raise Unavailable(f"the captures cannot be put together for tshark: {error.strerror}") from error
    return version, _doubts(output, places)


def _write_batch(batch: Path, folder: Path, captures: Iterable[str]) -> list[tuple[int, str]]:
    """Write the beginning of every capture to one file; returns the number of each one's first packet, and its name."""
    places, number = [], 1
    with batch.open("wb") as file:
        for name in captures:
            if not (folder / name).is_file():
                continue
            head, packets = packet_blocks((folder / name).read_bytes(), _PACKETS)
            # All captures have the same interface, so that the first one's header serves for all.
            if number == 1:
                file.write(head)
            file.write(b"".join(packets))
            places.append((number, name))
            number += len(packets)
    return places


def _doubts(output: str, places: list[tuple[int, str]]) -> dict[str, list[Doubt]]:
    found: dict[str, list[Doubt]] = {}
    starts = [start for start, _ in places]
    for line in output.split("\n")[:-1]:
        number, source, groups, messages, payload = line.split("\t")
        if _GUESSES in messages or any(known.fullmatch(payload) for known in _MISREADINGS):
            continue
        first, name = places[bisect_right(starts, int(number)) - 1]
        said = [
            message
            for group, message in zip(groups.split(_SEPARATOR), messages.split(_SEPARATOR), strict=False)
            if group == _MALFORMED
        ]
        doubt = Doubt(int(number) - first + 1, "b" if source == "127.0.0.1" else "a", "; ".join(said))
        found.setdefault(name, []).append(doubt)
    return found


def _on_this_machine(batch: Path) -> tuple[str, str] | None:
    """Version and output of this machine's tshark; null where it has none, or one that is too old."""
    if shutil.which("tshark") is None:
        return None
    with contextlib.suppress(CommandFailed):
        version = _version(run(["tshark", "--version"], timeout=60).stdout)
        if _numbers(version) < _OLDEST:
            return None
        return version, run(["tshark", "-r", str(batch), *_ARGUMENTS], timeout=_LIMIT).stdout
    return None


def _in_a_container(batch: Path, say: Callable[[str], None]) -> tuple[str, str]:
    client = connect()
    try:
        image = images.tool(client, "tshark", Suite.TRIXIE, say)
        container = client.containers.create(
            image,
            entrypoint=[
                "sh",
                "-c",
                f'tshark --version && echo {_BEGIN.strip()} && tshark -r /tmp/batch.pcapng "$@" 2>/tmp/errors',
                "-",
            ],
            command=_ARGUMENTS,
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
    about, _, found = output.partition(_BEGIN)
    return _version(about), found


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
