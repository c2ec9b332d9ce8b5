"""What tests ask of processes that were killed."""

from __future__ import annotations

import time

import psutil


def ends(pid: int) -> bool:
    """True where a killed process is gone, or a zombie that init has not reaped, within five seconds."""
    end = time.monotonic() + 5.0
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False
