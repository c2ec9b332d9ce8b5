"""What the cells of every protocol share: the crate's clients behind relays, and the broker's log beside them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from pydantic import BaseModel

from harness.bench import Bench
from harness.capture import Relay
from harness.cells.base import Cell
from harness.cells.doors import PLAIN, Door
from harness.errors import Mismatch, RefusedByCrate
from harness.model import Crate, Duty, Scenario
from harness.probes.footprint import Footprint, footprint
from harness.probes.talk import ProbeProcess
from harness.resolver import knowing
from harness.wire.messages import CALL_DEADLINE

#: Seconds in which a message that nothing holds up has to arrive.
DELIVERY = 10.0
#: Seconds in which a client has to work again after its connection was lost.
RECOVERY = 60.0
#: Messages of a sequence that a sentence names.
_NAMED = 4


class Message(Protocol):
    """A message as a scenario compares it."""

    def agrees_with(self, wanted: Self, /) -> bool:
        """True where nothing that is told differs from `wanted`."""

    def is_same(self, wanted: Self, /) -> bool:
        """True where this is the message `wanted`, whatever became of it on its way."""


AnyMessage = TypeVar("AnyMessage", bound=Message)


def described(data: bytes) -> str:
    """Bytes for a sentence: their number, and what tells them apart."""
    if len(data) <= 16:
        return f"{len(data)} bytes ({data.hex(' ')})" if data else "0 bytes"
    return f"{len(data)} bytes (SHA-256 {hashlib.sha256(data).hexdigest()[:8]})"


def listed(messages: Sequence[object], first: int = _NAMED) -> str:
    """The `first` messages of a sequence, and how many there are."""
    shown = " · ".join(map(str, messages[:first]))
    return (shown if len(messages) <= first else f"{shown} · … ({len(messages)} in all)") or "nothing"


class PeerClient:
    """The crate's client: one probe process."""

    def __init__(self, cell: PeerCell, process: ProbeProcess, name: str) -> None:
        self._cell = cell
        self._process = process
        #: How the client calls itself, where its protocol lets it.
        self.id = f"{cell.token}-{name}"

    def call(self, op: str, request: BaseModel, expected: str, within: float = 0) -> dict[str, Any]:
        """One operation, as `ProbeProcess.call` has it; `within` seconds, twice an ordinary call's where it is 0."""
        deadline = self._cell.remaining(within or CALL_DEADLINE * 2, expected)
        return self._process.call(request, op=op, deadline=deadline, expected=expected)

    def begin(self, op: str, request: BaseModel, expected: str) -> Callable[[float], dict[str, Any]]:
        """Ask for an operation and return at once: with a function that waits for its end, given seconds."""
        self._process.begin(request, op=op)

        def finish(within: float) -> dict[str, Any]:
            return self._process.finish(op=op, deadline=self._cell.remaining(within, expected), expected=expected)

        return finish

    def next_event(self, name: str, within: float, expected: str) -> dict[str, Any] | None:
        """The next event of this name; null where none came within `within` seconds."""
        left = self._cell.remaining(within, expected)
        return self._process.take_event(lambda event: event["event"] == name, left, expected=expected)

    def until_it_works(self, act: Callable[[], object], within: float = 0) -> None:
        """Do what an application does that was told of an error: try again once a second.

        Args:
            act: what it tries.
            within: seconds; `RECOVERY` where it is 0.

        Raises:
            RefusedByCrate: the last error, after that time.
        """
        within = within or RECOVERY
        end = time.monotonic() + within
        while True:
            try:
                act()
                return
            except RefusedByCrate as error:
                if time.monotonic() > end:
                    raise
                self._cell.remark(f"trying again, as an application would: {error.observed}")
                time.sleep(self._cell.remaining(1.0, f"the client works again within {within:g} s"))

    def is_left_to_application(self, duty: Duty, what: str) -> bool:
        """True where crates.toml says that `duty` is the application's; the transcript then tells why."""
        left = self._cell.crate.leaves(duty)
        if left is not None:
            self._cell.remark(f"{what}, which is the application's: {left.reason} ({left.source})")
        return left is not None

    def footprint(self, *, told: bool = True) -> Footprint:
        """What the client's process takes now, which the transcript tells where it is to."""
        taken = footprint(self._process.pid)
        if told:
            self._cell.remark(f"the client takes {taken}")
        return taken

    def close(self) -> None:
        """End the client's process."""
        self._process.close(grace=1.0)


class PeerCell(Cell):
    """One attempt at a scenario whose crate talks to a peer through relays."""

    #: Whether a crate that reports that it gave up waiting has reported an error.
    giving_up_is_an_error = False

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, folder: Path) -> None:
        super().__init__(bench, scenario, crate)
        self._folder = folder
        self._argv = bench.probe_command(crate)
        self._relays: dict[str, Relay] = {}
        self._closing = contextlib.ExitStack()
        self._clients = 0

    def payload(self, size: int = 32) -> bytes:
        """Bytes that the probe cannot know."""
        return os.urandom(size)

    # -- who takes part ----------------------------------------------------------------------------

    def _open_relay(
        self,
        name: str,
        port: int,
        server_port: int,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
        served_by_crate: bool = False,
    ) -> Relay:
        """A relay of the attempt's own, until its end.

        Args:
            name: part of the capture's name; empty for the usual one.
            port: the peer's port on 127.0.0.1.
            server_port: the protocol's canonical port, for the capture.
            listen, tls, served_by_crate: as `Relay` has them.
        """
        self._relays[name] = Relay(
            self._bench.relays,
            ("127.0.0.1", port),
            self._capture_file(name),
            client_address=self._client_address(),
            server_port=server_port,
            listen=listen,
            tls=tls,
            served_by_crate=served_by_crate,
        )
        return self._relays[name]

    def _capture_file(self, name: str) -> Path:
        return self._folder / (f"wire-{name}.pcapng" if name else "wire.pcapng")

    def _client_address(self) -> str:
        """The client's address in captures, which is the attempt's own."""
        number = int(hashlib.sha256(self.token.encode()).hexdigest(), 16)
        return f"127.1.{number % 256}.{number // 256 % 254 + 1}"

    def _start_client(self, door: Door = PLAIN) -> tuple[ProbeProcess, str]:
        """A probe that has introduced itself and can resolve the door's host, and a name for its client."""
        extra = knowing(door.host, door.addresses, self._folder / "hosts") if door.addresses else {}
        process = self._bench.start_probe(self.crate, self._argv, self.transcript, extra)
        self._closing.push(process)
        process.hello()
        return process, self._new_name("crate")

    def _new_name(self, who: str) -> str:
        self._clients += 1
        return f"{who}{self._clients}"

    @contextlib.contextmanager
    def meanwhile(self, act: Callable[[], None]) -> Iterator[None]:
        """Do something that takes long while the scenario drives the client: a blocking one must not be left alone."""
        with ThreadPoolExecutor(1) as pool:
            doing = pool.submit(act)
            yield
            doing.result()

    # -- what can be observed ----------------------------------------------------------------------

    def expect_refused(self, act: Callable[[], object], *, expected: str) -> RefusedByCrate:
        """`act` ends in an error that the crate reports, within the deadline; returns it."""
        try:
            act()
        except RefusedByCrate as error:
            reported = error.code != "timeout" or self.giving_up_is_an_error
            self.expect(reported, expected=expected, observed=error.observed)
            return error
        raise Mismatch("the crate reported success", expected=expected)

    def expect_sequence(
        self,
        wanted: Sequence[AnyMessage],
        take: Callable[[float], AnyMessage | None],
        *,
        expected: str,
        who: str,
    ) -> list[AnyMessage]:
        """Exactly these messages come, in this order; the last one is the barrier. Returns them.

        Args:
            wanted: the messages, at least one.
            take: the next message, given the seconds that it may take; null where none came.
            expected: the sentence for the report.
            who: who gets them, for the report.

        Raises:
            Mismatch: others came, or for `DELIVERY` seconds none.
        """
        got: list[AnyMessage] = []
        end = time.monotonic() + DELIVERY
        while not (got and got[-1].is_same(wanted[-1])):
            message = take(max(0.0, self.remaining(end - time.monotonic(), expected)))
            if message is None:
                break
            got.append(message)
            end = time.monotonic() + DELIVERY
        complete = bool(got) and got[-1].is_same(wanted[-1])
        missing = "" if complete else f", and nothing more within {DELIVERY:g} s"
        self.expect(
            len(got) == len(wanted) and all(a.agrees_with(b) for a, b in zip(got, wanted, strict=True)),
            expected=f"{expected}: {listed(wanted)}",
            observed=f"{who} got {listed(got)}{missing}",
        )
        return got

    def expect_soon(self, check: Callable[[], str], *, expected: str, within: float = 0) -> None:
        """`check` returns an empty text before `within` seconds are over; until then it says what is in the way.

        Where `within` is 0 it is `DELIVERY`.
        """
        within = within or DELIVERY
        end = time.monotonic() + within
        while observed := check():
            left = self.remaining(end - time.monotonic(), expected)
            self.expect(left > 0, expected=expected, observed=f"{observed} after {within:g} s")
            time.sleep(0.05)
        self.remark(f"as expected: {expected}")

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the clients, the references and the relays."""
        with contextlib.ExitStack() as stack:
            for relay in self._relays.values():
                stack.callback(relay.close)
            stack.push(self._closing)
