"""The `cell` of ZeroMQ scenarios: the crate's sockets, pyzmq as the other side, a relay between them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.bench import Bench, ReferencePeer
from harness.capture import Relay
from harness.cells.doors import PLAIN, Door
from harness.cells.peer import DELIVERY, PeerCell
from harness.cells.zmtp_client import Message, ZmtpClient, ZmtpSocket
from harness.errors import CrateTimeout, FeatureUnsupported, Mismatch
from harness.model import Crate, Scenario
from harness.references.zmtp import Context, Socket
from harness.references.zmtp_raw import ProtocolError, RawPeer
from harness.wire.zmtp import SocketType

#: The port of the guide's second example (`tcp://*:5556`), for captures. ZMTP has no port of its own; Wireshark takes
#: the first example's, 5555, for SigComp, and this one for nothing.
CANONICAL_PORT = 5556

#: Who binds; the other side connects.
Side = Literal["crate-binds", "crate-connects"]
SIDES: tuple[Side, ...] = ("crate-binds", "crate-connects")


_Result = TypeVar("_Result")

#: Seconds for which one side waits before the other one is driven again.
_SLICE = 0.2


@dataclass(frozen=True)
class Link:
    """A socket of the crate and one of the reference, joined through a relay."""

    crate: ZmtpSocket
    reference: Socket
    relay: Relay


class ZmtpCell(PeerCell):
    """One attempt at a ZeroMQ scenario."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: ReferencePeer, folder: Path) -> None:
        super().__init__(bench, scenario, crate, folder)
        self.peer = peer
        #: The reference's context, in this process.
        self.reference = Context()
        #: Endpoints that the crate's sockets bound: captures say on which side of a relay the crate is.
        self.bound_by_crate: set[str] = set()

    def new_name(self, who: str) -> str:
        """A name that is unique in this attempt."""
        return self._new_name(who)

    # -- who takes part ----------------------------------------------------------------------------

    def client(self, door: Door = PLAIN) -> ZmtpClient:
        """Another process of the crate, which knows the host of `door`."""
        return ZmtpClient(self, *self._start_client(door))

    def raw_peer(self) -> RawPeer:
        """A peer that was written from the specification, and shares no code with the crate or the reference."""
        self.meet_script()
        return self._raw_peer()

    def _raw_peer(self) -> RawPeer:
        peer = RawPeer()
        self._closing.callback(peer.close)
        return peer

    def link(
        self,
        crate: SocketType | ZmtpSocket,
        reference: SocketType | Socket,
        side: Side,
        *,
        crate_options: dict[str, Any] | None = None,
        reference_options: dict[str, Any] | None = None,
    ) -> Link:
        """A socket of the crate and one of the reference, joined through a relay; both may be open already."""
        if isinstance(crate, str):
            crate = self.client().open(crate, **crate_options or {})
        if isinstance(reference, str):
            reference = self.reference.open(reference, **reference_options or {})
        if side == "crate-binds":
            relay = self.relay_to(crate.bind())
            reference.connect(endpoint_of(relay))
        else:
            relay = self.relay_to(reference.bind())
            crate.connect(endpoint_of(relay))
        return Link(crate, reference, relay)

    def relay_to(self, endpoint: str) -> Relay:
        """A relay to whoever is, or will be, bound at this tcp endpoint on 127.0.0.1."""
        port = int(endpoint.rpartition(":")[2])
        name = f"{len(self._relays) + 1}" if self._relays else ""
        return self._open_relay(name, port, CANONICAL_PORT, served_by_crate=endpoint in self.bound_by_crate)

    def ipc_endpoint(self) -> str:
        """A Unix socket of the attempt's own; its path keeps far below the 107 characters that the system allows."""
        folder = tempfile.mkdtemp(prefix="iotyet-")
        self._closing.callback(shutil.rmtree, folder, ignore_errors=True)
        return f"ipc://{folder}/s"

    # -- meeting -----------------------------------------------------------------------------------

    def require_ping(self) -> None:
        """Go on only where the crate greets as ZMTP 3.1 or later: 3.0 has neither PING nor PONG (23/ZMTP).

        Raises:
            FeatureUnsupported: it greets as an older version.
        """
        # Which version the crate speaks is no part of what the scenario states.
        peer = self._raw_peer()
        self.client().open("DEALER").begin_connect(peer.endpoint)
        step("the crate connects", peer.accept)
        major, minor = step("the crate greets", lambda: peer.greet(1)).version
        if (major, minor) < (3, 1):
            raise FeatureUnsupported("ping", f"the crate greets as ZMTP {major}.{minor}")

    def send_first(self, sender: ZmtpSocket, *frames: bytes) -> None:
        """The crate sends one message while its first peer may still be on its way.

        With no peer there a socket "SHALL block on sending, or return a suitable error" (28/REQREP, 30/PIPELINE): after
        an error it is asked again.
        """
        sender.client.until_it_works(lambda: sender.send(*frames), DELIVERY)

    def send(self, reference: Socket, *frames: bytes) -> None:
        """The reference sends one message.

        Raises:
            CrateTimeout: the crate's side is not there to take it.
        """
        expected = "the crate's socket takes messages"
        if not reference.send(*frames, within=self.remaining(DELIVERY, expected)):
            raise CrateTimeout(f"the reference could send nothing within {DELIVERY:g} s", expected=expected)

    def await_subscription(self, link: Link, prefix: bytes, *, on: bool = True, after_cut: bool = False) -> None:
        """Wait until the reference, an XPUB, reads that the crate subscribes to `prefix`, or unsubscribes.

        Meanwhile the crate polls: libzmq attaches a peer that connects, and tells it subscriptions, only within calls
        on the socket. `after_cut` as `ZmtpSocket.take` has it.
        """
        wanted = bytes([on]) + prefix
        expected = f"the crate's {'subscription' if on else 'cancellation'} to {prefix!r} arrives"
        end = time.monotonic() + DELIVERY
        seen = []
        while time.monotonic() < end:
            message = link.reference.receive(_SLICE)
            if message == (wanted,):
                self.remark(f"as expected: {expected}")
                return
            if message is not None:
                seen.append(message)
            early = link.crate.take(0, after_cut=after_cut)
            self.expect(early is None, expected="nothing arrives before the subscription", observed=f"{early} came")
        raise CrateTimeout(f"the reference's XPUB read {seen or 'nothing'} within {DELIVERY:g} s", expected=expected)

    def await_subscriber(self, publisher: ZmtpSocket, reference: Socket, prefix: bytes) -> None:
        """Publish a knock with `prefix` until the reference, a SUB, gets one: from then on it misses nothing.

        A PUB cannot read subscriptions. The reference drops further knocks that are under way; `expect_received` starts
        with the first message that is none.
        """
        expected = "what the crate publishes reaches the subscriber"
        end = time.monotonic() + DELIVERY
        knock = prefix + b"knock-" + self.token.encode()
        knocks = 0
        while time.monotonic() < end:
            publisher.send(knock)
            knocks += 1
            if reference.receive(0.05) is not None:
                break
        else:
            raise CrateTimeout(f"none of {knocks} messages arrived within {DELIVERY:g} s", expected=expected)
        done = prefix + b"done-" + self.token.encode()
        publisher.send(done)
        while (message := reference.receive(self.remaining(end - time.monotonic(), expected))) != (done,):
            if message is None:
                raise CrateTimeout("the messages after the first did not arrive", expected=expected)

    # -- what can be observed ----------------------------------------------------------------------

    def expect_received(self, reference: Socket, wanted: Sequence[Message], *, expected: str) -> None:
        """The reference gets exactly these messages, in this order; the last one is the barrier."""

        def take(within: float) -> Message | None:
            frames = reference.receive(within)
            return None if frames is None else Message(frames)

        self.expect_sequence(wanted, take, expected=expected, who="the reference")

    def expect_delivered(
        self, socket: ZmtpSocket, wanted: Sequence[Message], *, expected: str, after_cut: bool = False
    ) -> None:
        """The crate delivers exactly these messages, in this order; the last one is the barrier.

        `after_cut` as `ZmtpSocket.take` has it.
        """

        def take(within: float) -> Message | None:
            end = time.monotonic() + within
            while (message := socket.take(min(within, _SLICE), after_cut=after_cut)) is None:
                if time.monotonic() >= end:
                    break
                self.reference.drive()
            return message

        self.expect_sequence(wanted, take, expected=expected, who="the crate")

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the clients, the reference and the relays."""
        with contextlib.ExitStack() as stack:
            stack.callback(super().close)
            stack.callback(self.reference.close)


def endpoint_of(relay: Relay) -> str:
    """Where sockets connect to that go through `relay`."""
    return f"tcp://127.0.0.1:{relay.endpoint[1]}"


def step(expected: str, act: Callable[[], _Result]) -> _Result:
    """What `act` of a raw peer returns.

    Raises:
        Mismatch: the other side, which is the crate, does not do what `expected` says.
    """
    try:
        return act()
    except ProtocolError as error:
        raise Mismatch(str(error), expected=expected) from error
