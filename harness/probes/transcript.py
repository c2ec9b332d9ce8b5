"""The conversation with a probe, as evidence."""

from __future__ import annotations

import time

#: Characters of one line that the transcript keeps.
_TRANSCRIPT_WIDTH = 2_000
#: Lines of standard error that the transcript keeps.
_KEPT_LOG = 2_000


class Transcript:
    """The conversation with time stamps, as text lines; any thread may add.

    Each line: seconds since the start, then `>` to the probe, `<` from the probe, `!` its log, `#` our remark.
    """

    def __init__(self, name: str = "") -> None:
        self._prefix = f"{name} " if name else ""
        self._start = time.monotonic()
        self._lines: list[str] = []
        self._logged = 0

    def add(self, mark: str, text: str) -> None:
        """Add one line; long ones are shortened, and so is an endless log."""
        if mark == "!":
            self._logged += 1
            if self._logged > _KEPT_LOG:
                return
        shown = text if len(text) <= _TRANSCRIPT_WIDTH else f"{text[:_TRANSCRIPT_WIDTH]}… ({len(text)} characters)"
        self._lines.append(f"{time.monotonic() - self._start:8.3f} {self._prefix}{mark} {shown}")

    def text(self) -> str:
        """All lines."""
        return "".join(f"{line}\n" for line in self._lines)
