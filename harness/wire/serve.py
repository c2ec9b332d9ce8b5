"""The probe's side of the contract in Python: for control clients, and for the wrong clients that tests use.

A client object has one method per operation, named like it, that takes the parsed request and returns the parsed
reply; it raises `ProbeFailure` for an error reply. `wait` is the server's own: it takes events from `Events`.
"""

from __future__ import annotations

import json
import queue
import sys
import time
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from harness.wire.messages import (
    WIRE_VERSION,
    ErrorCode,
    Failure,
    HelloReply,
    HelloRequest,
    Setting,
    WaitReply,
    WaitRequest,
)
from harness.wire.operations import Vocabulary


class ProbeFailure(Exception):
    """An error reply."""

    def __init__(self, code: ErrorCode, text: str, *, definite: bool = True, feature: str | None = None) -> None:
        super().__init__(text)
        self.failure = Failure(code=code, text=text, definite=definite, feature=feature)


class Events:
    """What happened to the client, kept until a `wait`; any thread may add."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def add(self, name: str, fields: BaseModel) -> None:
        """Keep an event for the next `wait`."""
        self._queue.put({"event": name, **fields.model_dump(mode="json")})

    def take(self, timeout: float) -> dict[str, Any] | None:
        """The oldest event, waiting up to `timeout` seconds; null where none came."""
        try:
            return self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None


class Server:
    """Answers the commands of one conversation until standard input ends."""

    def __init__(
        self,
        *,
        crate: str,
        version: str,
        vocabulary: Vocabulary,
        dialects: list[str],
        client: object,
        events: Events,
        settings: list[Setting] | None = None,
        source: IO[str] = sys.stdin,
        sink: IO[str] = sys.stdout,
    ) -> None:
        self._vocabulary = vocabulary
        self._client = client
        self._events = events
        self._source = source
        self._sink = sink
        operations = [op.name for op in vocabulary.operations if hasattr(client, op.name)]
        self._hello = HelloReply(
            wire=WIRE_VERSION,
            crate=crate,
            version=version,
            dialects=dialects,
            ops=[*operations, "wait"],
            settings=settings or [],
        )

    def run(self) -> int:
        """Serve until the end of input; returns the exit status."""
        for line in self._source:
            command = json.loads(line)
            self.write(self.answer(command))
        return 0

    def write(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self._sink.write(json.dumps(message) + "\n")
        self._sink.flush()

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """The reply to one command."""
        number, name = command.pop("id"), command.pop("op")
        try:
            return {"re": number, **self._perform(name, command)}
        except ProbeFailure as error:
            return {"re": number, "error": error.failure.model_dump(mode="json", exclude_none=True)}

    def _perform(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        operation = self._vocabulary.operation(name)
        if operation is None:
            raise ProbeFailure(ErrorCode.UNKNOWN, f"no operation {name!r}")
        request = self._parse(operation.request, fields)
        if isinstance(request, HelloRequest):
            return self._hello.model_dump(mode="json")
        if isinstance(request, WaitRequest):
            return {"ok": self._wait(request).model_dump(mode="json")}
        method = getattr(self._client, name, None)
        if method is None:
            raise ProbeFailure(ErrorCode.NOT_WRITTEN, f"this probe has no {name!r} yet")
        return {"ok": method(request).model_dump(mode="json")}

    @staticmethod
    def _parse(shape: type[BaseModel], fields: dict[str, Any]) -> BaseModel:
        try:
            return shape.model_validate(fields)
        except ValidationError as error:
            unknown = any(item["type"] == "extra_forbidden" for item in error.errors())
            code = ErrorCode.UNKNOWN if unknown else ErrorCode.BAD_VALUE
            raise ProbeFailure(code, str(error)) from error

    def _wait(self, request: WaitRequest) -> WaitReply:
        end = time.monotonic() + request.timeout_ms / 1000
        written = 0
        while written < request.count:
            event = self._events.take(end - time.monotonic())
            if event is None:
                break
            self.write(event)
            written += 1
        return WaitReply(events=written)
