"""A stand-in for cargo-audit: a script that prints what the test says, and refuses to fetch a database."""

from __future__ import annotations

import json
from pathlib import Path

#: An advisory as cargo-audit 0.22 reports it, without what nobody reads.
ENTRY = {
    "advisory": {"id": "RUSTSEC-2020-0001", "title": "it leaks", "url": None},
    "package": {"name": "one", "version": "1.0.0"},
    "versions": {"patched": [">=0.9.9, <1.0.0", ">=1.0.1"], "unaffected": []},
}


def report(*vulnerabilities: object, **warnings: list[object]) -> str:
    """What cargo-audit prints; where it fetches nothing, it tells no commit."""
    database = {"advisory-count": 734, "last-commit": None, "last-updated": None}
    return json.dumps({"database": database, "vulnerabilities": {"list": vulnerabilities}, "warnings": warnings})


def install(folder: Path, answer: str, *, status: int = 0) -> None:
    """Put the program into `folder`; it prints `answer` and exits with `status`."""
    program = folder / "cargo-audit"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *"--no-fetch"*) ;; *) exit 9 ;; esac\ncat <<\\END\n{answer}\nEND\nexit {status}\n'
    )
    program.chmod(0o755)
