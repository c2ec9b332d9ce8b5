"""Connecting over and over: what a client keeps of connections that are over, and how often it tries."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.capture import Relay
from harness.cells.peer import PeerCell, PeerClient

#: Connections one after the other, and seconds after which those that were made have to do.
ROUNDS, CONNECTING = 200, 30.0
#: Connections after which a client has what it keeps for good, and those at the end that are looked at.
_EARLY, _LATE = 20, 10
#: Bytes of memory that allocators and caches may take beside.
_MORE_MEMORY = 16 * 2**20
#: Seconds for which every connection is refused.
OUTAGE = 5.0
#: Attempts in that time that are no tight loop yet, which makes hundreds; a second's pause makes five.
MANY_ATTEMPTS = 50


def expect_freed(
    cell: PeerCell, client: PeerClient, one_round: Callable[[], object], what: str = "connections"
) -> None:
    """After 200 rounds the process has hardly more file descriptors, threads and memory than in the first twenty.

    One of four connections may leave something behind. What is freed at leisure, such as garbage, goes up and down: the
    most of early is compared with the least of late. A client that takes long is judged by the connections that it
    makes in 30 seconds.

    Args:
        cell: the attempt.
        client: the client that is judged.
        one_round: connects, does something and disconnects; or tries to connect, in vain.
        what: such rounds, for the report.

    Raises:
        Mismatch: it keeps more.
    """
    taken, end = [client.footprint()], time.monotonic() + CONNECTING
    while len(taken) <= ROUNDS and time.monotonic() < end:
        one_round()
        taken.append(client.footprint(told=False))
    made, early, late = len(taken) - 1, taken[: _EARLY + 1], taken[-_LATE:]
    client.footprint()
    some, first = 2 + max(0, made - _EARLY) // 4, f"the first {_EARLY} {what}"
    files, more_files = max(took.files for took in early), min(took.files for took in late)
    threads, more_threads = max(took.threads for took in early), min(took.threads for took in late)
    cell.expect(
        more_files <= files + some and more_threads <= threads + some,
        expected=f"at most {some} more than in {first}: {files} file descriptors and {threads} threads",
        observed=f"at least {more_files} and {more_threads} after {made} {what}",
    )
    memory, more_memory = max(took.memory for took in early), min(took.memory for took in late)
    cell.expect(
        more_memory <= memory + _MORE_MEMORY,
        expected=f"at most {_MORE_MEMORY >> 20} MiB more than in {first}: {memory / 2**20:.1f} MiB",
        observed=f"at least {more_memory / 2**20:.1f} MiB after {made} {what}",
    )


def expect_pauses(cell: PeerCell, relay: Relay, idle: Callable[[float], object], at_most: int = MANY_ATTEMPTS) -> None:
    """While every connection is refused, the client pauses between its attempts.

    A client that does not try at all passes: that it comes back is another scenario's.

    Args:
        cell: the attempt.
        relay: through which the client is connected; refuses from now on.
        idle: lets the client work for so many seconds, whatever it reports.
        at_most: attempts in `OUTAGE` seconds.

    Raises:
        Mismatch: it does not.
    """
    relay.refuse(True)
    relay.cut()
    before = relay.accepted
    idle(OUTAGE)
    attempts = relay.accepted - before
    cell.expect(
        attempts <= at_most,
        expected=f"at most {at_most} connection attempts in {OUTAGE:g} s of outage",
        observed=f"{attempts} attempts",
    )
