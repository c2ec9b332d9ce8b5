"""Publishing to a peer that stops reading: what a client takes over before it holds its application up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.capture import Relay
from harness.cells.peer import PeerCell, PeerClient
from harness.errors import CrateTimeout, RefusedByCrate

#: Seconds for one batch, after which the crate has held its application up.
PATIENCE = 5.0
#: Messages that are handed over to a peer which reads nothing, and bytes of each: 100 MB in all.
_BATCHES, _EACH, _SIZE = 200, 500, 1000
#: Bytes by which the client's process may grow meanwhile: far more than a queue of some thousand messages takes.
_MORE_MEMORY = 64 * 2**20


def expect_held_up(
    cell: PeerCell, client: PeerClient, relay: Relay, publish_all: Callable[[Sequence[bytes]], object]
) -> None:
    """A client is held up or told before it has taken 100 MB over, and its process grows by 64 MiB at most.

    Args:
        cell: the attempt.
        client: the client that is judged.
        relay: through which it is connected; reads nothing from now on.
        publish_all: publishes these messages, and ends within `PATIENCE` seconds.

    Raises:
        Mismatch: it took everything over, or too much.
    """
    bodies = [cell.payload(_SIZE) for _ in range(_EACH)]
    publish_all(bodies)
    before = client.footprint()
    relay.stop_reading()
    handed, end = 0, ""
    try:
        for _ in range(_BATCHES):
            publish_all(bodies)
            handed += _EACH
    except CrateTimeout:
        end = "the next were held up"
    except RefusedByCrate as error:
        end = error.observed
    observed = f"{handed} messages of {_SIZE} bytes were taken over; {end or 'nothing held it up'}"
    cell.remark(observed)
    grown = client.footprint().memory - before.memory
    cell.expect(
        bool(end) and grown <= _MORE_MEMORY,
        expected=f"the client is held up or told, and its process grows by at most {_MORE_MEMORY >> 20} MiB",
        observed=f"it grew by {grown >> 20} MiB: {observed}",
    )
