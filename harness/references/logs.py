"""Where the log of a reference client goes: into the evidence of the attempt, and never over the terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Lines that one attempt keeps: a client that lost its broker repeats itself many times a second.
_KEPT = 50


class _Keeper(logging.Handler):
    """Passes the first lines on, and says where it stops."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._write = write
        self._left = _KEPT

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one line on."""
        self._left -= 1
        if self._left >= 0:
            self._write(f"{record.name} {record.levelname}: {record.getMessage()}")
        elif self._left == -1:
            self._write(f"{record.name} logged more than {_KEPT} lines; the rest is left out")


def silence(name: str) -> None:
    """Keep what the library `name` logs off the terminal, also between two attempts."""
    logger = logging.getLogger(name)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())


@contextmanager
def kept_log(name: str, write: Callable[[str], None]) -> Iterator[None]:
    """Hand warnings and errors of the library `name` to `write` for the duration."""
    logger, keeper = logging.getLogger(name), _Keeper(write)
    logger.addHandler(keeper)
    try:
        yield
    finally:
        logger.removeHandler(keeper)
