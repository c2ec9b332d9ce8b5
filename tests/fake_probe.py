"""A probe without a crate that misbehaves on request: python tests/fake_probe.py BEHAVIOUR.

Standard library only, so that it starts in no time. What a behaviour does not touch follows the wire contract.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

Command = dict[str, Any]

#: Operations with their fields; no operation of this probe needs any of them.
FIELDS = {
    "hello": {"wire"},
    "publish": {"topic", "payload", "qos", "retain"},
    "disconnect": set[str](),
    "wait": {"count", "timeout_ms"},
}
MESSAGE: Command = {"event": "message", "topic": "t", "payload": "aGk="}
PANIC_SINCE_1_73 = """
thread 'main' panicked at /home/me/.cargo/registry/src/index-1949cf8c6b5b557f/some-0.1.0/src/lib.rs:7:9:
index out of bounds: the len is 0 but the index is 0
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
PANIC_BEFORE_1_73 = """
thread 'main' panicked at 'called `Option::unwrap()` on a `None` value', src/main.rs:12:34
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
PANIC_AND_ITS_ECHO = """
thread 'client' panicked at /home/me/.cargo/registry/src/index-1949cf8c6b5b557f/some-0.1.0/src/lib.rs:7:9:
attempt to subtract with overflow
thread 'main' panicked at src/main.rs:40:5:
the client's thread is gone
"""


def write(message: Command) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def log(text: str) -> None:
    """Write to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Honest:
    """Follows the contract; whatever is published comes back as an event."""

    hello: ClassVar[Command] = {"wire": 1, "crate": "some", "version": "0.1.0", "dialects": ["mqtt-3.1.1"]}
    ops: tuple[str, ...] = ("publish", "disconnect", "wait")

    def __init__(self) -> None:
        self.published: list[Command] = []

    def run(self) -> None:
        """Serve until standard input ends."""
        for line in sys.stdin:
            self.handle(json.loads(line))

    def handle(self, command: Command) -> None:
        """Answer one command."""
        number, op = command.pop("id"), command.pop("op")
        if op not in FIELDS or (op not in self.ops and op != "hello"):
            write({"re": number, "error": {"code": "unknown", "text": f"no operation {op!r}"}})
        elif strange := set(command) - FIELDS[op]:
            write({"re": number, "error": {"code": "unknown", "text": f"unknown field {strange}"}})
        else:
            getattr(self, f"on_{op}")(number, command)

    def on_hello(self, number: int, _fields: Command) -> None:
        """Introduce itself."""
        write({"re": number, **self.hello, "ops": list(self.ops)})

    def on_publish(self, number: int, fields: Command) -> None:
        """Remember the message."""
        self.published.append({"event": "message", "topic": fields["topic"], "payload": fields["payload"]})
        write({"re": number, "ok": {"confirmed": True}})

    def on_disconnect(self, number: int, _fields: Command) -> None:
        """Do nothing."""
        write({"re": number, "ok": {}})

    def on_wait(self, number: int, fields: Command) -> None:
        """Write what was published."""
        events, self.published = self.published[: fields["count"]], self.published[fields["count"] :]
        for event in events:
            write(event)
        if not events:
            time.sleep(fields["timeout_ms"] / 1000)
        write({"re": number, "ok": {"events": len(events)}})


class AtPublish(Honest):
    """Misbehaves when asked to publish, by what `act` does before the honest reply."""

    def __init__(self, act: Callable[[int], object]) -> None:
        super().__init__()
        self.act = act

    def on_publish(self, number: int, fields: Command) -> None:
        """Misbehave, then go on."""
        self.act(number)
        super().on_publish(number, fields)


def _endless(line: str, pause: float = 0.0) -> None:
    # Many lines a write: noise that is faster than who reads it, unless there is a pause.
    batch = line + "\n" if pause else (line + "\n") * 1000
    while True:
        sys.stdout.write(batch)
        sys.stdout.flush()
        time.sleep(pause)


def _closes_stdout(_number: int) -> None:
    os.close(1)
    time.sleep(60)


def _floods_stderr(_number: int) -> None:
    for index in range(200_000):
        sys.stderr.write(f"log line {index} {'.' * 80}\n")
    sys.stderr.flush()


def _dies(text: str, status: int) -> Callable[[int], None]:
    def act(_number: int) -> None:
        log(text)
        os._exit(status)

    return act


def _killed(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGABRT)


def _replies(fields: Command) -> Callable[[int], None]:
    """Replies in its own words; the honest reply that would follow is never written."""

    def act(number: int) -> None:
        write({"re": number, **fields})
        for line in sys.stdin:
            write({"re": json.loads(line)["id"], **fields})
        raise SystemExit(0)

    return act


def _error(code: str, **more: Any) -> Callable[[int], None]:
    return _replies({"error": {"code": code, "text": "so it is", **more}})


class IgnoresEnd(Honest):
    """Goes on after the end of its input, and so does its child."""

    def run(self) -> None:
        """Never return."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        log(f"child {child.pid}")
        super().run()
        time.sleep(60)


class EndsBadly(Honest):
    """Exits with status 3 after the end of its input."""

    def run(self) -> None:
        """Fail at the end."""
        super().run()
        raise SystemExit(3)


class TakesAnything(Honest):
    """Says ok to every operation."""

    def handle(self, command: Command) -> None:
        """Never refuse."""
        if command["op"] in FIELDS:
            super().handle(command)
        else:
            write({"re": command["id"], "ok": {}})


class IgnoresFields(Honest):
    """Does not look at fields that it does not know, in the operations named by `tolerant`."""

    tolerant = frozenset(FIELDS)

    def handle(self, command: Command) -> None:
        """Drop what is unknown."""
        known = FIELDS.get(command["op"])
        if known is not None and command["op"] in self.tolerant:
            command = {key: value for key, value in command.items() if key in known | {"id", "op"}}
            command = {"count": 1, "timeout_ms": 1, **command} if command["op"] == "wait" else command
            command = {"topic": "t", "payload": "", **command} if command["op"] == "publish" else command
        super().handle(command)


class IgnoresFieldsOfDisconnect(IgnoresFields):
    """The same in one operation of three."""

    tolerant = frozenset({"disconnect"})


class ClaimsStrangeOperations(Honest):
    """Its hello lists an operation that no dialect has."""

    ops = (*Honest.ops, "teleport")


class SetsWhatItDoesNotSpeak(Honest):
    """Its hello has a setting for a dialect that it does not list."""

    _setting: ClassVar[Command] = {"name": "n", "value": "1", "default": "2", "source": "", "dialects": ["mqtt-5"]}
    hello: ClassVar[Command] = {**Honest.hello, "settings": [_setting]}


class ClaimsNothing(Honest):
    """Its hello lists no operation at all."""

    ops = ()


class OldWire(Honest):
    """Speaks another version of the contract."""

    hello: ClassVar[Command] = {**Honest.hello, "wire": 0}


class Nameless(Honest):
    """Its hello lacks a field."""

    hello: ClassVar[Command] = {key: value for key, value in Honest.hello.items() if key != "crate"}


class SilentAtHello(Honest):
    """Never says anything."""

    def on_hello(self, number: int, _fields: Command) -> None:
        """Say nothing."""


class DiesAtHello(Honest):
    """Cannot even start, as with a shared library that is missing."""

    def on_hello(self, number: int, _fields: Command) -> None:
        """Exit."""
        log("error while loading shared libraries: libzmq.so.5: cannot open shared object file")
        os._exit(127)


class Deaf(Honest):
    """Introduces itself and then never reads again."""

    def on_hello(self, number: int, fields: Command) -> None:
        """The last thing that it does."""
        super().on_hello(number, fields)
        time.sleep(60)


class EagerWait(Honest):
    """Its wait returns at once, without an event."""

    def on_wait(self, number: int, _fields: Command) -> None:
        """Do not wait."""
        write({"re": number, "ok": {"events": 0}})


class WaitNotWritten(Honest):
    """Claims `wait` and does not have it."""

    def on_wait(self, number: int, _fields: Command) -> None:
        """Refuse."""
        write({"re": number, "error": {"code": "not_written", "text": "later"}})


class WaitWithoutOk(Honest):
    """Its wait is answered with neither ok nor error."""

    def on_wait(self, number: int, fields: Command) -> None:
        """Say nothing of use, after the time."""
        time.sleep(fields["timeout_ms"] / 1000)
        write({"re": number})


class WaitFails(Honest):
    """The crate fails while the client is driven."""

    def on_wait(self, number: int, _fields: Command) -> None:
        """Report the crate's error."""
        write({"re": number, "error": {"code": "io", "text": "connection reset by peer", "definite": False}})


BEHAVIOURS: dict[str, Callable[[], Honest]] = {
    "honest": Honest,
    # noise
    "text": lambda: AtPublish(lambda _: sys.stdout.write("connected to the broker\n")),
    "json-list": lambda: AtPublish(lambda _: sys.stdout.write("[1]\n")),
    "endless-text": lambda: AtPublish(lambda _: _endless("retrying")),
    "endless-events": lambda: AtPublish(lambda _: _endless(json.dumps(MESSAGE))),
    "trickling-events": lambda: AtPublish(lambda _: _endless(json.dumps(MESSAGE), 0.02)),
    "long-line": lambda: AtPublish(lambda _: sys.stdout.write("x" * 10_000)),
    "floods-stderr": lambda: AtPublish(_floods_stderr),
    # silence
    "silent": lambda: AtPublish(lambda _: time.sleep(60)),
    "silent-at-hello": SilentAtHello,
    "deaf": Deaf,
    # ends
    "exits": lambda: AtPublish(_dies("", 3)),
    "killed": lambda: AtPublish(_killed),
    "panics": lambda: AtPublish(_dies(PANIC_SINCE_1_73, 101)),
    "panics-old": lambda: AtPublish(_dies(PANIC_BEFORE_1_73, 101)),
    "panics-twice": lambda: AtPublish(_dies(PANIC_AND_ITS_ECHO, 101)),
    "closes-stdout": lambda: AtPublish(_closes_stdout),
    "dies-at-hello": DiesAtHello,
    "ignores-end": IgnoresEnd,
    "ends-badly": EndsBadly,
    # wrong words
    "unknown-id": lambda: AtPublish(lambda number: write({"re": number + 7, "ok": {"confirmed": True}})),
    "answers-twice": lambda: AtPublish(lambda number: write({"re": number, "ok": {"confirmed": True}})),
    "unknown-event": lambda: AtPublish(lambda _: write({"event": "telepathy"})),
    "wrong-event": lambda: AtPublish(lambda _: write({"event": "message", "topic": "t"})),
    "empty-reply": lambda: AtPublish(_replies({})),
    "wrong-reply": lambda: AtPublish(_replies({"ok": {"confirmed": "maybe"}})),
    "wrong-code": lambda: AtPublish(_error("kaputt")),
    "old-wire": OldWire,
    "nameless": Nameless,
    # errors
    "refuses": lambda: AtPublish(_error("io", definite=False)),
    "not-written": lambda: AtPublish(_error("not_written")),
    "not-written-field": lambda: AtPublish(_error("not_written", feature="mixed-qos")),
    "unsupported": lambda: AtPublish(_error("unsupported", feature="qos2")),
    "bad-value": lambda: AtPublish(_error("bad_value")),
    # wait
    "eager-wait": EagerWait,
    "wait-not-written": WaitNotWritten,
    "wait-without-ok": WaitWithoutOk,
    "wait-fails": WaitFails,
    # what vetting is for
    "takes-anything": TakesAnything,
    "ignores-fields": IgnoresFields,
    "ignores-fields-of-disconnect": IgnoresFieldsOfDisconnect,
    "claims-strange-operations": ClaimsStrangeOperations,
    "sets-what-it-does-not-speak": SetsWhatItDoesNotSpeak,
    "claims-nothing": ClaimsNothing,
}


if __name__ == "__main__":
    BEHAVIOURS[sys.argv[1]]().run()
