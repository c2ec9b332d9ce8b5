"""What the mutants of all protocols are: a stream that is right, the same stream with one thing wrong, and the rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`wrong` is `valid` but for one thing, which breaks `rule` and no other."""

    rule: str
    valid: bytes
    wrong: bytes


def edited(data: bytes, offset: int, new: bytes) -> bytes:
    """`data` with `new` written over it at `offset`, which counts from the end where it is negative."""
    start = offset % len(data)
    return data[:start] + new + data[start + len(new) :]
