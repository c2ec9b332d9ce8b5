"""Connecting over and over: what a client keeps of connections that are over."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.cells.peer import PeerCell, PeerClient

#: Connections one after the other, and seconds after which those that were made have to do.
ROUNDS, CONNECTING = 200, 30.0
#: Connections after which a client has what it keeps for good.
_FIRST = 10
#: Bytes of memory that allocators and caches may take beside.
_MORE_MEMORY = 16 * 2**20


def expect_freed(cell: PeerCell, client: PeerClient, one_round: Callable[[], None]) -> None:
    """After 200 rounds the process has hardly more file descriptors, threads and memory than after ten.

    One of four connections may leave something behind, because garbage is collected at leisure. A client that takes
    long is judged by the connections that it makes in 30 seconds.

    Args:
        cell: the attempt.
        client: the client that is judged.
        one_round: connects, does something and disconnects.

    Raises:
        Mismatch: it keeps more.
    """
    made, end = 0, time.monotonic() + CONNECTING
    before = client.footprint()
    while made < ROUNDS and time.monotonic() < end:
        one_round()
        made += 1
        if made == _FIRST:
            before = client.footprint()
    after, some = client.footprint(), 2 + max(0, made - _FIRST) // 4
    cell.expect(
        after.files <= before.files + some and after.threads <= before.threads + some,
        expected=f"at most {some} more file descriptors and threads than after {_FIRST} connections: {before}",
        observed=f"after {made} connections: {after}",
    )
    cell.expect(
        after.memory <= before.memory + _MORE_MEMORY,
        expected=f"at most {_MORE_MEMORY >> 20} MiB more than after {_FIRST} connections: {before}",
        observed=f"after {made} connections: {after}",
    )
