"""A capture as lines for people: who sent what and when, what the relay did with it, and who objects to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.oracle.captures import Packet, Recording
from harness.oracle.tshark import Reading, shortened
from harness.pcapng import ACK, FIN, RST, SYN
from harness.wellformed import ENCRYPTED, Finding

#: Packets that are shown of a longer conversation: so many of its beginning and of its end.
_FIRST, _LAST = 60, 20
#: What the relay did is shown wherever it is, but not more often than this: some scenarios hold everything back.
_FAULTS = 20
#: Characters of one objection.
_LONGEST = 300
#: What these packets are about, where they carry no data.
_EVENTS = ((SYN, "opens the connection"), (RST, "resets the connection"), (FIN, "ends the connection"))
_ENCRYPTED = ("TLS", "DTLS", "SSL")


def conversation(
    name: str, recording: Recording, crate: str, readings: Mapping[int, Reading], findings: Iterable[Finding]
) -> str:
    """The text of one capture, in lines that end in a line feed and hold nothing invisible.

    Args:
        name: of the capture's file.
        recording: what is in it.
        crate: the end that the crate was.
        readings: by the packet's number, of those that tshark read.
        findings: the oracle's, about this file.
    """
    packets = [packet for packet in recording.packets if packet.comment or packet.size or _event(packet)]
    said: dict[int, list[Finding]] = {}
    for finding in findings:
        said.setdefault(finding.packet, []).append(finding)
    lines = [f"{name}: packets, seconds since the first, who sends"]
    if any(reading.protocol.startswith(_ENCRYPTED) for reading in readings.values()):
        lines.append(ENCRYPTED)
    if not packets:
        lines.append("Nothing was sent.")
    lines += _rows(recording, packets, crate, readings, said)
    return "".join(f"{_plain(line)}\n" for line in lines)


def _rows(
    recording: Recording,
    packets: Sequence[Packet],
    crate: str,
    readings: Mapping[int, Reading],
    said: Mapping[int, Iterable[Finding]],
) -> Iterator[str]:
    connections = _connections(recording.packets)
    several = max(connections.values(), default=0)
    start = recording.packets[0].at if recording.packets else 0
    shown = _shown(packets, said)
    for index, before in zip(shown, [-1, *shown], strict=False):
        packet = packets[index]
        if index > before + 1:
            unread = any(left.number not in readings for left in packets[before + 1 : index])
            note = "; tshark reads what follows without them" if unread and packet.number in readings else ""
            number = index - before - 1
            yield f"{'…':>6} {number} packet{'' if number == 1 else 's'} left out{note}"
        who = "crate" if packet.end == crate else "peer"
        which = f"#{connections[packet.number]}".ljust(len(str(several)) + 3) if several > 1 else ""
        seconds = (packet.at - start) / 1e9
        note = f"  [{packet.comment}]" if packet.comment else ""
        yield f"{packet.number:>6} {seconds:>9.3f}  {who:<6}{which}{_what(packet, readings)}{note}"
        for finding in said.get(packet.number, ()):
            kind = "malformed" if finding.certain else "in doubt"
            yield f"{'^':>18} {kind}: {shortened(finding.says, _LONGEST)} ({finding.clause or finding.source})"


def _connections(packets: Iterable[Packet]) -> dict[int, int]:
    """Which connection each packet is of, counted from 1; datagrams are told apart by their client."""
    last, open_now, found = 0, dict[bytes, int](), dict[int, int]()
    for packet in packets:
        # A port may be used again.
        if packet.client not in open_now or packet.flags & (SYN | ACK) == SYN:
            last += 1
            open_now[packet.client] = last
        found[packet.number] = open_now[packet.client]
    return found


def _shown(packets: Sequence[Packet], said: Mapping[int, object]) -> list[int]:
    """The beginning and the end, what somebody objects to, and what the relay did."""
    every = range(len(packets))
    faults = [index for index in every if packets[index].comment]
    objected = [index for index in every if packets[index].number in said]
    return sorted({*every[:_FIRST], *every[max(0, len(every) - _LAST) :], *faults[:_FAULTS], *objected})


def _event(packet: Packet) -> str:
    """What a packet without data does to the connection; empty where that is nothing, as in acknowledgements."""
    if packet.size or packet.flags & (SYN | ACK) == SYN | ACK:
        return ""
    return next((does for flag, does in _EVENTS if packet.flags & flag), "")


def _what(packet: Packet, readings: Mapping[int, Reading]) -> str:
    event = _event(packet)
    if event:
        return event
    size = f"{packet.size} byte{'' if packet.size == 1 else 's'}"
    reading = readings.get(packet.number)
    if reading is None:
        return size
    if reading.protocol in ("TCP", "UDP"):
        # tshark's summary has sequence numbers there, which the relay made up.
        return f"{reading.protocol:<10}{size} in which no message ends that tshark reads"
    return f"{reading.protocol:<9} {reading.summary}"


def _plain(text: str) -> str:
    """Whatever is invisible or changes the direction of what follows as an escape: tshark quotes what crates sent."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
