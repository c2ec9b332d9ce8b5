"""Confirms of several messages at once, which pika's blocking channel has one by one: each publish waits for its own.

So the channel below it publishes here, and its confirms come to callbacks of ours meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pika
from pika import spec
from pika.adapters.blocking_connection import BlockingChannel


class Batch:
    """Messages with the tags from `first` on, and what became of them."""

    def __init__(self, channel: Any, first: int, count: int, settled: Callable[..., Collection[int]]) -> None:
        self._channel = channel
        self._accepted: dict[int, bool | None] = dict.fromkeys(range(first, first + count))
        self._settled = settled

    def publish(self, exchange: str, key: str, body: bytes) -> None:
        """Hand the next message over."""
        self._channel._impl.basic_publish(exchange, key, body)

    def take(self, frame: Any) -> None:
        """A basic.ack or a basic.nack came."""
        waiting = [tag for tag, accepted in self._accepted.items() if accepted is None]
        for tag in self._settled(frame.method.delivery_tag, multiple=frame.method.multiple, waiting=waiting):
            self._accepted[tag] = isinstance(frame.method, spec.Basic.Ack)

    def await_all(self, connection: pika.BlockingConnection, within: float) -> bool:
        """Drive pika until each message has an outcome; false where one has none after `within` seconds.

        Raises:
            AMQPError: the channel or the connection ended before.
        """
        end = time.monotonic() + within
        waking = connection.call_later(within, lambda: None)
        self._channel._flush_output(lambda: self._is_complete() or time.monotonic() >= end)
        connection.remove_timeout(waking)
        return self._is_complete()

    def _is_complete(self) -> bool:
        return None not in self._accepted.values()

    def told(self) -> list[bool]:
        """Whether each message was accepted, in the order in which they were published."""
        return [bool(accepted) for accepted in self._accepted.values()]


@contextlib.contextmanager
def awaiting_confirms(
    channel: BlockingChannel, first: int, count: int, settled: Callable[..., Collection[int]]
) -> Iterator[Batch]:
    """Take the channel's confirms until the end of the block.

    Args:
        channel: in confirm mode.
        first: the tag of the first message that is published in the block.
        count: how many messages that are.
        settled: given a confirm's tag, `multiple` and the tags `waiting`, those which it is about.
    """
    batch = Batch(channel, first, count, settled)
    below: Any = channel._impl  # type: ignore[attr-defined]
    own = channel._message_confirmation_result.set_value_once  # type: ignore[attr-defined]
    _exchange(below, own, batch.take)
    try:
        yield batch
    finally:
        _exchange(below, batch.take, own)


def _exchange(below: Any, old: Callable[..., None], new: Callable[..., None]) -> None:
    """Have `new` called with the channel's confirms, and `old` no more."""
    for method in (spec.Basic.Ack, spec.Basic.Nack):
        below.callbacks.remove(below.channel_number, method, old)
        below.callbacks.add(below.channel_number, method, new, one_shot=False)
