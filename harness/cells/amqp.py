"""The `cell` of AMQP scenarios: the crate's client behind a relay, pika beside it, the broker's log."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from harness.cells.amqp_client import AmqpClient, Delivered, from_reference
from harness.cells.broker import BrokerCell
from harness.cells.doors import PLAIN, SCRIPTED, Door
from harness.errors import BrokerFailed, Mismatch
from harness.peers.amqp import Script, ScriptedBroker
from harness.references.amqp import AmqpReference

#: An account that may use the virtual host `VHOST` alone (compose/rabbitmq/definitions.json).
USERNAME, PASSWORD, VHOST = "probe", "open-sesame", "workshop"
#: Seconds in which the broker has to act on rabbitmqctl.
_ALARM = 10.0


class AmqpCell(BrokerCell):
    """One attempt at an AMQP scenario."""

    # -- names and data ----------------------------------------------------------------------------

    def name(self, part: str) -> str:
        """A name of a queue or an exchange that belongs to this attempt alone."""
        return f"{self.token}.{part}"

    # -- who takes part ----------------------------------------------------------------------------

    def client(self, door: Door = PLAIN) -> AmqpClient:
        """Another client of the crate, which can go through `door` and is not connected yet."""
        return AmqpClient(self, *self._start_client(door))

    def connected(self, **options: Any) -> AmqpClient:
        """Another client of the crate, connected; `options` as `AmqpClient.connect` has them."""
        client = self.client(options.get("door", PLAIN))
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

    def scripted(self, script: Script) -> ScriptedBroker:
        """A peer that acts by `script`, behind the door `SCRIPTED`."""
        self.meet_script()
        peer = ScriptedBroker(script)
        self._closing.callback(peer.close)
        self._open_relay(SCRIPTED.name, peer.port, self.peer.canonical_port)
        return peer

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

    # -- what becomes of the broker ----------------------------------------------------------------

    def raise_memory_alarm(self) -> None:
        """Have the broker take no more from who publishes, as if it were low on memory. Needs a broker of its own."""
        self._set_memory_limit("0", "memory resource limit alarm set")

    def clear_memory_alarm(self) -> None:
        """Have the broker take everything again."""
        self._set_memory_limit("0.4", "memory resource limit alarm cleared")

    def _set_memory_limit(self, share: str, logged: str) -> None:
        """Set the share of the machine's memory above which the broker blocks who publishes; 0 blocks them at once."""
        position = self.peer.log.position()
        self.peer.control.run("rabbitmqctl", "set_vm_memory_high_watermark", share)
        if self.peer.log.await_line([logged], position, _ALARM) is None:
            raise BrokerFailed(f"the broker did not log {logged!r} within {_ALARM:g} s")
        self.remark(f"the broker logged: {logged}")

    # -- what can be observed ----------------------------------------------------------------------

    def expect_received(self, reference: AmqpReference, wanted: Sequence[Delivered], *, expected: str) -> None:
        """The reference's consumer gets exactly these messages, in this order; the last one is the barrier."""

        def take(within: float) -> Delivered | None:
            message = reference.take(within)
            return None if message is None else from_reference(message)

        self.expect_sequence(wanted, take, expected=expected, who="the consumer")

    def expect_delivered(
        self, client: AmqpClient, wanted: Sequence[Delivered], *, expected: str, ack: bool = False
    ) -> list[Delivered]:
        """The crate delivers exactly these messages, in this order; the last one is the barrier. Returns them."""

        def take(within: float) -> Delivered | None:
            message = client.next_delivery(within, expected)
            if message is not None and ack:
                client.ack(message)
            return message

        return self.expect_sequence(wanted, take, expected=expected, who="the crate")

    def expect_message(self, message: Delivered | None, wanted: Delivered, *, expected: str) -> Delivered:
        """One message is as wanted; returns it."""
        observed = "no message" if message is None else str(message)
        if message is None or not message.agrees_with(wanted):
            raise Mismatch(observed, expected=f"{expected}: {wanted}")
        self.remark(f"as expected: {expected}")
        return message

    def await_ready(self, reference: AmqpReference, queue: str, count: int, expected: str) -> None:
        """Wait until `queue` has `count` messages that nobody holds.

        Raises:
            Mismatch: it has another number after `DELIVERY` seconds.
        """

        def check() -> str:
            ready = reference.ready(queue)
            return "" if ready == count else f"{ready} messages are ready in the queue, not {count},"

        self.expect_soon(check, expected=expected)
