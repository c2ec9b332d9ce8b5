"""How a dialect's vocabulary is written down: operations, each with request and reply, and events."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from pydantic import BaseModel

from harness.model import Dialect
from harness.wire.messages import Empty, HelloReply, HelloRequest, WaitReply, WaitRequest


@dataclass(frozen=True)
class Operation:
    """One command: its name, the fields it takes and the fields of `ok`."""

    name: str
    request: type[BaseModel]
    reply: type[BaseModel] = Empty

    @property
    def description(self) -> str:
        """What the operation does; the docstring of its request."""
        return inspect.getdoc(self.request) or ""


@dataclass(frozen=True)
class Event:
    """Something that happened to the client, written during a `wait`."""

    name: str
    fields: type[BaseModel] = Empty

    @property
    def description(self) -> str:
        """When the event is written; the docstring of its fields."""
        return inspect.getdoc(self.fields) or ""


@dataclass(frozen=True)
class Vocabulary:
    """All operations and events of the dialects that share them."""

    title: str
    dialects: tuple[Dialect, ...]
    operations: tuple[Operation, ...]
    events: tuple[Event, ...]

    def operation(self, name: str) -> Operation | None:
        """The operation called `name`, the common ones included."""
        return next((op for op in (*COMMON, *self.operations) if op.name == name), None)

    def event(self, name: str) -> Event | None:
        """The event called `name`."""
        return next((event for event in self.events if event.name == name), None)


#: Operations of every dialect.
COMMON = (
    Operation("hello", HelloRequest, HelloReply),
    Operation("wait", WaitRequest, WaitReply),
)
