"""The `cell` of AMQP scenarios: the crate's client behind a relay, pika beside it, the broker's log."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.bench import Bench, Peer
from harness.capture import Relay
from harness.cells.amqp_client import DELIVERY, AmqpClient, Delivered, from_reference
from harness.cells.base import Cell
from harness.errors import BrokerFailed, CrateTimeout, Mismatch, RefusedByCrate
from harness.model import Crate, Scenario
from harness.references.amqp import AmqpReference

#: Seconds in which the broker has to log what a client made it do.
_LOGGED = 10.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

#: An account that may use the virtual host `VHOST` alone (compose/rabbitmq/definitions.json).
USERNAME, PASSWORD, VHOST = "probe", "open-sesame", "workshop"


class AmqpCell(Cell):
    """One attempt at an AMQP scenario."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: Peer, folder: Path) -> None:
        super().__init__(bench, scenario, crate)
        self.peer = peer
        self._folder = folder
        self._argv = bench.probe_command(crate)
        self._relay: Relay | None = None
        self._closing = contextlib.ExitStack()
        self._started_log = peer.log.position()

    # -- names and data ----------------------------------------------------------------------------

    def name(self, part: str) -> str:
        """A name of a queue or an exchange that belongs to this attempt alone."""
        return f"{self.token}.{part}"

    def body(self, size: int = 32) -> bytes:
        """Bytes that the probe cannot know."""
        return os.urandom(size)

    # -- who takes part ----------------------------------------------------------------------------

    def endpoint(self) -> tuple[str, int]:
        """Where the crate's client connects to: the relay."""
        return self.relay().endpoint

    def relay(self) -> Relay:
        """The relay in front of the broker; records from its first use on."""
        if self._relay is None:
            number = int(hashlib.sha256(self.token.encode()).hexdigest(), 16)
            self._relay = Relay(
                self._bench.relays,
                ("127.0.0.1", self.peer.broker.ports["plain"]),
                self._folder / "wire.pcapng",
                client_address=f"127.1.{number % 256}.{number // 256 % 254 + 1}",
                server_port=self.peer.canonical_port,
            )
        return self._relay

    def client(self) -> AmqpClient:
        """Another client of the crate, not connected yet."""
        process = self._bench.start_probe(self.crate, self._argv, self.transcript)
        self._closing.push(process)
        process.hello()
        return AmqpClient(self, process)

    def connected(self, **options: Any) -> AmqpClient:
        """Another client of the crate, connected; `options` as `AmqpClient.connect` has them."""
        client = self.client()
        client.connect(**options)
        return client

    def reference(self, *, queue: str = "", **options: Any) -> AmqpReference:
        """A connected pika client, straight at the broker; with `queue` it declares that one and consumes from it."""
        reference = AmqpReference("127.0.0.1", self.peer.broker.ports["plain"], **options)
        try:
            reference.connect()
        except Exception as error:
            raise BrokerFailed(f"the reference client could not connect: {error!r}") from error
        self._closing.callback(reference.close)
        if queue:
            reference.declare(queue, durable=True)
            self._remove_at_end(reference, queue)
            reference.consume(queue)
        return reference

    def queue(self, reference: AmqpReference, part: str = "queue", **options: Any) -> str:
        """A durable queue of this attempt, declared by the reference and deleted at the end; returns its name."""
        name = self.name(part)
        reference.declare(name, durable=True, **options)
        self._remove_at_end(reference, name)
        return name

    def _remove_at_end(self, reference: AmqpReference, queue: str) -> None:
        def remove() -> None:
            with contextlib.suppress(Exception):  # the broker goes away with the run in any case
                reference.channel(9).queue_delete(queue)

        self._closing.callback(remove)

    # -- what can be observed ----------------------------------------------------------------------

    def expect_received(self, reference: AmqpReference, wanted: Iterable[Delivered], *, expected: str) -> None:
        """The reference's consumer gets exactly these messages, in this order; the last one is the barrier."""

        def take(within: float) -> Delivered | None:
            message = reference.take(within)
            return None if message is None else from_reference(message)

        self._expect_sequence(list(wanted), expected, take, "the consumer")

    def expect_delivered(
        self, client: AmqpClient, wanted: Iterable[Delivered], *, expected: str, ack: bool = False
    ) -> list[Delivered]:
        """The crate delivers exactly these messages, in this order; the last one is the barrier. Returns them."""

        def take(within: float) -> Delivered | None:
            message = client.next_delivery(within, expected)
            if message is not None and ack:
                client.ack(message)
            return message

        return self._expect_sequence(list(wanted), expected, take, "the crate")

    def expect_message(self, message: Delivered | None, wanted: Delivered, *, expected: str) -> Delivered:
        """One message is as wanted; returns it."""
        observed = "no message" if message is None else str(message)
        if message is None or not message.agrees_with(wanted):
            raise Mismatch(observed, expected=f"{expected}: {wanted}")
        self.remark(f"as expected: {expected}")
        return message

    def expect_refused(self, act: Callable[[], Any], *, expected: str) -> RefusedByCrate:
        """`act` ends in an error that the crate reports, within the deadline; returns it."""
        try:
            act()
        except RefusedByCrate as error:
            self.expect(error.code != "timeout", expected=expected, observed=error.observed)
            return error
        raise Mismatch("the crate reported success", expected=expected)

    def await_ready(self, reference: AmqpReference, queue: str, count: int, expected: str) -> None:
        """Wait until `queue` has `count` messages that nobody holds.

        Raises:
            Mismatch: it has another number after `DELIVERY` seconds.
        """
        end = time.monotonic() + DELIVERY
        while (ready := reference.ready(queue)) != count:
            left = self.remaining(end - time.monotonic(), expected)
            self.expect(
                left > 0,
                expected=expected,
                observed=f"{ready} messages are ready in the queue after {DELIVERY:g} s, not {count}",
            )
            time.sleep(0.05)
        self.remark(f"as expected: {expected}")

    def await_log(self, part: str, position: int, expected: str) -> str:
        """Wait until the broker logs a line with `part`.

        Raises:
            CrateTimeout: it did not, so the crate did not send what makes it.
        """
        line = self.peer.log.await_line((part,), position, self.remaining(_LOGGED, expected))
        if line is None:
            if not self.peer.control.is_running():
                raise BrokerFailed(f"the broker died while the scenario waited for {part!r} in its log")
            raise CrateTimeout(f"the broker did not log {part!r} within {_LOGGED:g} s", expected=expected)
        self.remark(f"the broker logged: {line}")
        return line

    def _expect_sequence(
        self, wanted: list[Delivered], expected: str, take: Callable[[float], Delivered | None], who: str
    ) -> list[Delivered]:
        got: list[Delivered] = []
        end = time.monotonic() + DELIVERY
        while not (got and got[-1].body == wanted[-1].body):
            message = take(max(0.0, self.remaining(end - time.monotonic(), expected)))
            if message is None:
                break
            got.append(message)
        complete = bool(got) and got[-1].body == wanted[-1].body
        right = len(got) == len(wanted) and all(a.agrees_with(b) for a, b in zip(got, wanted, strict=True))
        missing = "" if complete else f", and nothing more within {DELIVERY:g} s"
        self.expect(
            right,
            expected=f"{expected}: {_listed(wanted)}",
            observed=f"{who} got {_listed(got)}{missing}",
        )
        return got

    # -- the end -----------------------------------------------------------------------------------

    def broker_log(self) -> str:
        """What the broker logged during this attempt: all of it, or on a shared broker what names its queues."""
        lines = [_COLOUR.sub("", line) for line in self.peer.log.since(self._started_log)]
        if self.scenario.own_broker:
            return "\n".join(lines)
        return "\n".join(line for line in lines if self.token in line)

    def close(self) -> None:
        """End the clients, the reference and the relay, and write the broker's log down."""
        self._closing.close()
        if self._relay is not None:
            self._relay.close()
        (self._folder / "broker.log").write_text(self.broker_log() + "\n", encoding="utf-8")


def _listed(messages: list[Delivered]) -> str:
    """The first messages of a sequence, and how many there are."""
    if not messages:
        return "nothing"
    shown = " · ".join(map(str, messages[:4]))
    return shown if len(messages) <= 4 else f"{shown} · … ({len(messages)} messages)"
