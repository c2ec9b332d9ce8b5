"""Talks to a probe over its standard streams: one call at a time, each with one deadline.

What a probe does wrong is told apart here: an error reply is the crate's answer, an exit is a crash, silence is a
timeout, and anything that the contract forbids is `ContractViolation`, with a message that teaches.
"""

from __future__ import annotations

import contextlib
import json
import math
import queue
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from harness.commands import kill_tree
from harness.errors import (
    ContractViolation,
    CrateCrash,
    CrateTimeout,
    FeatureUnsupported,
    NotWritten,
    RefusedByCrate,
)
from harness.probes.transcript import Transcript
from harness.wire.messages import (
    CALL_DEADLINE,
    EXIT_GRACE,
    MAX_LINE,
    WIRE_VERSION,
    ErrorCode,
    HelloReply,
    Reply,
)
from harness.wire.operations import Vocabulary

#: Where cargo keeps sources on this machine, before the crate's own path.
_CARGO_HOME = re.compile(r"\S*/(?:registry/src/[^/]+|git/checkouts/[^/]+/[^/]+)/")
#: Lines that may wait to be read; a probe that writes more is held up, as by any full pipe.
_QUEUED_LINES = 10_000
#: Events that may be kept for the scenario before the probe counts as endless noise.
_KEPT_EVENTS = 200_000
#: Seconds by which a wait may end late: a blocking client that connects again is busy for a keep-alive or longer.
_LATE = 3 * CALL_DEADLINE
#: Seconds by which a wait without events may end early.
_EARLY = 0.1


class _End:
    """Queued after the probe's last line."""


class ProbeProcess:
    """A running probe. Use as a context manager: leaving it ends the process and its children."""

    def __init__(
        self,
        argv: Sequence[str],
        vocabulary: Vocabulary,
        transcript: Transcript,
        env: dict[str, str],
        cwd: Path | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self.transcript = transcript
        self._lines: queue.Queue[bytes | _End] = queue.Queue(_QUEUED_LINES)
        self._events: deque[dict[str, Any]] = deque()
        self._log: deque[str] = deque(maxlen=200)
        self._next_id = 0
        self._claimed: frozenset[str] = frozenset()
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self._outgoing: queue.SimpleQueue[bytes | _End] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read_lines, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True),
        ]
        self._writer = threading.Thread(target=self._write_lines, args=(self._process.stdin,), daemon=True)
        self._writer.start()
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> ProbeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(grace=1.0)

    # -- threads on the streams --------------------------------------------------------------------

    def _write_lines(self, stream: IO[bytes]) -> None:
        """Write until the end of the conversation; a probe that is gone shows at the end of its output."""
        with contextlib.suppress(OSError):
            while not isinstance(line := self._outgoing.get(), _End):
                stream.write(line)
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()

    def _read_lines(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):
            while line := stream.readline(MAX_LINE + 1):
                self._lines.put(line)
        self._lines.put(_End())

    def _read_log(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):
            while line := stream.readline(64 * 1024):
                text = line.decode("utf-8", "replace").rstrip("\n")
                self._log.append(text)
                self.transcript.add("!", text)

    # -- calls -------------------------------------------------------------------------------------

    def hello(self) -> HelloReply:
        """The probe's own description.

        Raises:
            ContractViolation: it is no valid `hello` reply, or of another version of the contract.
        """
        try:
            reply = self.exchange("hello", {"wire": WIRE_VERSION}, CALL_DEADLINE * 2)
        except (CrateCrash, CrateTimeout) as error:
            # No line of the crate has run yet.
            raise ContractViolation(f"the probe cannot introduce itself: {error.observed}") from error
        if reply.error is not None:
            raise ContractViolation(f"the probe answered hello with an error: {reply.error.text}")
        fields = reply.model_dump(exclude={"re", "ok", "error"})
        try:
            hello = HelloReply.model_validate(fields)
        except ValidationError as error:
            raise ContractViolation(f"hello's reply is not as WIRE.md has it: {_first(error)}") from error
        self._claimed = frozenset(hello.ops)
        if hello.wire != WIRE_VERSION:
            raise ContractViolation(f"the probe speaks wire version {hello.wire}, the harness {WIRE_VERSION}")
        return hello

    def call(self, request: BaseModel, *, op: str, deadline: float = CALL_DEADLINE, expected: str) -> dict[str, Any]:
        """Perform one operation and return the fields of `ok`.

        Args:
            request: the operation's fields.
            op: the operation's name.
            deadline: seconds for the whole call.
            expected: what the scenario expects, for the report.

        Raises:
            RefusedByCrate, CrateTimeout, CrateCrash, FeatureUnsupported, NotWritten, ContractViolation: as named.
        """
        self.begin(request, op=op)
        return self.finish(op=op, deadline=deadline, expected=expected)

    def begin(self, request: BaseModel, *, op: str) -> None:
        """Write a command and return at once; `finish` has to follow before anything else is asked."""
        self._write(op, request.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def finish(self, *, op: str, deadline: float = CALL_DEADLINE, expected: str) -> dict[str, Any]:
        """The reply to what `begin` wrote; arguments and errors are `call`'s."""
        return self._settle(op, self._await_reply(op, deadline, expected), expected)

    def _settle(self, op: str, reply: Reply, expected: str) -> dict[str, Any]:
        """The fields of `ok`, or the exception that a reply stands for."""
        operation = self._vocabulary.operation(op)
        if operation is None:
            raise KeyError(op)
        if reply.error is None:
            if reply.ok is None:
                raise ContractViolation(f"the reply to {op} has neither ok nor error")
            try:
                operation.reply.model_validate(reply.ok)
            except ValidationError as error:
                raise ContractViolation(f"the reply to {op} is not as WIRE.md has it: {_first(error)}") from error
            return reply.ok
        failure = reply.error
        match failure.code:
            case ErrorCode.UNSUPPORTED:
                raise FeatureUnsupported(failure.feature or "", failure.text)
            case ErrorCode.NOT_WRITTEN if op in self._claimed and failure.feature is None:
                raise ContractViolation(f"hello claims {op}, and {op} replied not_written: {failure.text}")
            case ErrorCode.NOT_WRITTEN:
                raise NotWritten(f"the probe has no {op} yet: {failure.text}")
            case ErrorCode.UNKNOWN | ErrorCode.BAD_VALUE | ErrorCode.STATE:
                raise ContractViolation(f"the probe refused {op} as {failure.code}: {failure.text}")
            case _:
                maybe = "" if failure.definite else " (it may have happened nevertheless)"
                how = f"{op} ended with the error {failure.code!s}{maybe}: {failure.text}"
                raise RefusedByCrate(
                    f"the client failed while waiting: {failure.code!s}: {failure.text}" if op == "wait" else how,
                    expected=expected,
                    code=failure.code,
                    definite=failure.definite,
                )

    def take_event(
        self, wanted: Callable[[dict[str, Any]], bool], timeout: float, *, expected: str
    ) -> dict[str, Any] | None:
        """The oldest event that `wanted` accepts, driving the client up to `timeout` seconds; null where none came.

        Events that `wanted` does not accept are kept.
        """
        end = time.monotonic() + timeout
        checked = 0
        while True:
            for index in range(checked, len(self._events)):
                if wanted(self._events[index]):
                    event = self._events[index]
                    del self._events[index]
                    return event
            checked = len(self._events)
            remaining = end - time.monotonic()
            if remaining <= 0:
                return None
            fields = {"count": 1, "timeout_ms": math.ceil(remaining * 1000)}
            reply = self.exchange("wait", fields, remaining + _LATE, expected)
            self._settle("wait", reply, expected)
            if len(self._events) == checked and end - time.monotonic() > _EARLY:
                raise ContractViolation(
                    f"the probe ended a wait of {remaining:.1f} s early and without an event; "
                    "wait drives the client until an event came or the time is over"
                )

    def exchange(self, op: str, fields: dict[str, Any], deadline: float, expected: str = "an answer") -> Reply:
        """Write one command and read up to its reply."""
        self._write(op, fields)
        return self._await_reply(op, deadline, expected)

    def _write(self, op: str, fields: dict[str, Any]) -> None:
        self._next_id += 1
        line = json.dumps({"id": self._next_id, "op": op, **fields})
        self.transcript.add(">", line)
        # By a thread: a probe that does not read must not hold the harness up, and the reply has the deadline.
        self._outgoing.put(line.encode() + b"\n")

    def _await_reply(self, op: str, deadline: float, expected: str) -> Reply:
        end = time.monotonic() + deadline
        while True:
            try:
                # Looked at even where a line is waiting: noise does not prolong a call.
                if (left := end - time.monotonic()) <= 0:
                    raise queue.Empty
                item = self._lines.get(timeout=left)
            except queue.Empty:
                limit = f"{deadline:.1f} s"
                raise CrateTimeout(
                    f"no answer to {op} within {limit}", expected=f"{expected}, within {limit}"
                ) from None
            if isinstance(item, _End):
                self._lines.put(item)  # who asks again gets the same answer
                raise self._crash(op, expected)
            message = self._parse(item)
            if "event" in message:
                self._keep(message)
            else:
                return self._reply(message)

    def _parse(self, line: bytes) -> dict[str, Any]:
        text = line.decode("utf-8", "replace").rstrip("\n")
        self.transcript.add("<", text)
        if len(line) > MAX_LINE:
            raise ContractViolation(f"the probe wrote a line of more than {MAX_LINE} bytes")
        try:
            message = json.loads(text)
        except json.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            raise ContractViolation(
                f"the probe printed {text[:200]!r} on standard output, which is no JSON object. Standard output "
                "carries the wire contract alone (rust-probes/WIRE.md); logs belong on standard error"
            )
        return message

    def _keep(self, message: dict[str, Any]) -> None:
        event = self._vocabulary.event(str(message["event"]))
        if event is None:
            raise ContractViolation(f"the probe wrote the event {message['event']!r}, which WIRE.md does not have")
        try:
            event.fields.model_validate({key: value for key, value in message.items() if key != "event"})
        except ValidationError as error:
            raise ContractViolation(f"the event {event.name} is not as WIRE.md has it: {_first(error)}") from error
        self._events.append(message)
        if len(self._events) > _KEPT_EVENTS:
            raise ContractViolation(f"the probe wrote more than {_KEPT_EVENTS} events that nobody asked for")

    def _reply(self, message: dict[str, Any]) -> Reply:
        try:
            reply = Reply.model_validate(message)
        except ValidationError as error:
            raise ContractViolation(f"a reply is not as WIRE.md has it: {_first(error)}") from error
        if reply.re != self._next_id:
            raise ContractViolation(f"the probe answered command {reply.re}, which was not asked; {self._next_id} was")
        return reply

    def _crash(self, op: str, expected: str) -> CrateCrash:
        """What to say of a probe that is gone."""
        try:
            status: int | None = self._process.wait(EXIT_GRACE)
        except subprocess.TimeoutExpired:
            status = None
        for thread in self._threads:
            thread.join(1.0)
        how = "closed its standard output" if status is None else f"exited with status {status}"
        if status is not None and status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        panic = panic_message(list(self._log))
        return CrateCrash(f"the probe {how} during {op}" + (f": {panic}" if panic else ""), expected=expected)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    # -- the end -----------------------------------------------------------------------------------

    def close(self, *, grace: float = EXIT_GRACE) -> int | None:
        """End the conversation.

        Returns:
            The exit status, or null where the probe did not exit within `grace` seconds and was killed.
        """
        status: int | None = None
        self._outgoing.put(_End())
        end = time.monotonic() + grace
        # The reader may be held up by a full queue; nobody reads what comes after the end.
        while status is None and time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._lines.get_nowait()
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(0.02)
        kill_tree(self._process.pid)
        self._process.wait()
        self._writer.join(1.0)
        with contextlib.suppress(queue.Empty):
            while True:
                self._lines.get_nowait()
        for stream, thread in zip((self._process.stdout, self._process.stderr), self._threads, strict=True):
            thread.join(1.0)
            if stream is not None and not thread.is_alive():
                stream.close()
        self.transcript.add("#", f"exit status {status}" if status is not None else f"killed after {grace:g} s")
        return status


def panic_message(log: Sequence[str]) -> str:
    """The first panic in a Rust program's standard error, as one line; empty where there is none.

    Later ones are mostly its echo: a channel or a lock that the first left behind.

    Since Rust 1.73 the place is on the first line and the message on the next; before, both are on one.
    """
    for index in range(len(log)):
        found = re.search(r"panicked at (.*)", log[index])
        if found:
            following = log[index + 1].strip() if index + 1 < len(log) else ""
            place = _CARGO_HOME.sub("", found.group(1))
            return f"panicked at {place} {following}".strip() if place.endswith(":") else f"panicked at {place}"
    return ""


def _first(error: ValidationError) -> str:
    item = error.errors()[0]
    return f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
