"""What was said in one attempt at a cell: to the probe by the transcript, and by the peer by the capture."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError
from harness.pcapng import FIN, RST, SYN

_LINE = re.compile(r"\s*(\d+\.\d+) ([><!#]) (.*)")
_NAMED = re.compile(r"\s*\d+\.\d+ \S+ [><] \{")
#: What the relay writes beside bytes that it did not pass on when they came.
_HELD = "held back by the scenario"
#: What it writes where it ended a connection because the attempt was over.
_OVER = "closed at the end of the attempt"
#: Type of a block that holds a packet, and codes of its options.
_PACKET, _COMMENT = 6, 1


@dataclass(frozen=True)
class _Segment:
    """A piece of one connection; `client` is its port on the crate's side."""

    at: float
    client: int
    from_peer: bool
    flags: int
    payload: bytes
    comment: str


def conversation(transcript: str, capture: bytes, canonical_port: int) -> dict[str, Any]:
    """The whole conversation as `conversation.json` has it; replay.py beside it says what it means.

    Args:
        transcript: text of the attempt's transcript.
        capture: the attempt's only pcapng file, as the relay wrote it.
        canonical_port: the peer's port in the capture.

    Raises:
        UsageError: it cannot be played again; why.
    """
    lines = list(_said(transcript))
    commands = [line["message"] for line in lines if line["from"] == "harness"]
    if sum(command.get("op") == "hello" for command in commands) != 1:
        raise UsageError("the cell has more than one client, and a copy plays one")
    if any(command.get("tls") for command in commands):
        raise UsageError("the cell is about TLS, of whose keys the recording has none")
    addresses = {address for command in commands for address in _addresses(command)}
    if len(addresses) != 1:
        raise UsageError(f"the cell has {len(addresses)} addresses to connect to, and a copy plays one")
    host, _, port = addresses.pop().rpartition(":")
    return {
        "lines": lines,
        "peer": {"host": host, "port": int(port), "connections": _connections(capture, canonical_port)},
    }


def _said(transcript: str) -> Iterator[dict[str, Any]]:
    for line in transcript.splitlines():
        found = _LINE.fullmatch(line)
        if found is None and _NAMED.match(line):
            raise UsageError("the cell has more than one client, and a copy plays one")
        if found is None or found[2] not in "><":
            continue
        try:
            message = json.loads(found[3])
        except json.JSONDecodeError as error:
            if '"ops":' in line:
                continue  # the reply to hello, which nobody compares
            raise UsageError(
                "a message of the cell is too long for its transcript, so that it cannot be sent again"
            ) from error
        yield {"at": float(found[1]), "from": "harness" if found[2] == ">" else "probe", "message": message}


def _addresses(command: dict[str, Any]) -> list[str]:
    bootstrap = command.get("bootstrap") or []
    return [*bootstrap, f"{command['host']}:{command['port']}"] if "port" in command else [*bootstrap]


def _connections(capture: bytes, canonical_port: int) -> list[list[dict[str, Any]]]:
    """Each connection's pieces, in order and with their time in seconds since the first one was opened."""
    found: dict[int, list[dict[str, Any]]] = {}
    start = 0.0
    for segment in _segments(capture, canonical_port):
        start = start or segment.at
        at = round(segment.at - start, 4)
        if segment.comment == _HELD:
            raise UsageError("the scenario held bytes back, and the capture does not tell when it let them go")
        if segment.flags & SYN:
            found.setdefault(segment.client, [])
        elif segment.comment != _OVER:
            pieces = found.setdefault(segment.client, [])
            if segment.payload:
                end, data = "peer" if segment.from_peer else "crate", base64.b64encode(segment.payload).decode()
                pieces.append({"from": end, "at": at, "bytes": data})
            if segment.from_peer and segment.flags & (FIN | RST):
                pieces.append({"from": "peer", "at": at, "end": "reset" if segment.flags & RST else "close"})
    return list(found.values())


def _segments(capture: bytes, canonical_port: int) -> Iterator[_Segment]:
    """Every packet of a capture that harness.pcapng wrote: IPv4 without options, TCP without options."""
    offset = 0
    while offset < len(capture):
        kind, length = struct.unpack_from("<II", capture, offset)
        if kind == _PACKET:
            high, low, size = struct.unpack_from("<III", capture, offset + 12)
            packet = capture[offset + 28 : offset + 28 + size]
            rest = capture[offset + 28 + size + -size % 4 : offset + length - 4]
            source, target = struct.unpack_from(">HH", packet, 20)
            yield _Segment(
                at=((high << 32) + low) / 1e9,
                client=target if source == canonical_port else source,
                from_peer=source == canonical_port,
                flags=packet[33],
                payload=packet[40:],
                comment=_comment(rest),
            )
        offset += length


def _comment(options: bytes) -> str:
    if len(options) < 4:
        return ""
    code, length = struct.unpack_from("<HH", options)
    return options[4 : 4 + length].decode("utf-8", "replace") if code == _COMMENT else ""
