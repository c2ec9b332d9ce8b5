"""What the rules of every protocol share: a reader of fields that knows where a frame ends, and an objection."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Wrong(Exception):
    """A frame breaks `rule`, an id of the table in `rules`; `detail` says what was found."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(rule, detail)
        self.rule = rule
        self.detail = detail


class Unjudged(Exception):
    """No rule is sure of this frame; `str()` says why."""


@dataclass(frozen=True)
class Objection:
    """A frame that breaks a rule; `end` is the offset in what was sent at which the frame ends."""

    rule: str
    detail: str
    end: int


@dataclass
class Outcome:
    """What was said of everything that one end of a connection sent."""

    frames: int = 0
    objections: list[Objection] = field(default_factory=list)
    #: Offsets at which frames end that nobody could judge, and why.
    unjudged: list[tuple[str, int]] = field(default_factory=list)
    #: Bytes at the end that are no whole frame.
    rest: int = 0

    @contextmanager
    def frame(self, end: int) -> Iterator[None]:
        """Count a frame and note what the block objects to."""
        self.frames += 1
        try:
            yield
        except Wrong as wrong:
            self.objections.append(Objection(wrong.rule, wrong.detail, end))
        except Unjudged as gap:
            self.unjudged.append((str(gap), end))


class Fields:
    """Reads the fields of one frame in order; big endian. What lies beyond the frame's end breaks the rule `short`."""

    def __init__(self, data: bytes, short: str, offset: int = 0) -> None:
        self.data = data
        self.offset = offset
        self._short = short

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self.data) - self.offset

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        if size > self.left:
            raise Wrong(self._short, f"a field of {size} bytes where {self.left} are left")
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def number(self, layout: str) -> int:
        """The next number, as `struct` describes it in one letter."""
        value: int = struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))[0]
        return value

    def byte(self) -> int:
        """The next byte."""
        if self.offset >= len(self.data):
            raise Wrong(self._short, "a field of 1 byte where none is left")
        self.offset += 1
        return self.data[self.offset - 1]

    def finish(self, rule: str) -> None:
        """Nothing may be left; bytes that no field explains break `rule`."""
        if self.left:
            raise Wrong(rule, f"{self.left} bytes that belong to no field")


def text(data: bytes, rule: str, what: str) -> str:
    """Bytes that have to be UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Wrong(rule, f"{what} is no UTF-8: {error.reason} at byte {error.start}") from None


def demand(condition: object, rule: str, detail: str = "") -> None:
    """Object by `rule` unless the condition holds."""
    if not condition:
        raise Wrong(rule, detail)
