"""What a crate's author looks for first: how the probe uses the crate, and what an author had to say of the cells.

A statement is `statements/<crate>.md`: a first line with date, author and the address where it was made, an empty line,
and the text. It is shown beside the advice and changes no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ConfigError, UsageError
from harness.paths import PROBES, STATEMENTS

_HEAD = re.compile(r"(\d{4}-\d{2}-\d{2}), (.+), (https?://\S+)")


@dataclass(frozen=True)
class Statement:
    """What somebody had to say of a crate's cells, and where."""

    crate: str
    date: str
    author: str
    link: str
    text: str


@dataclass(frozen=True)
class ProbeSource:
    """The source of a crate's probe by the names of its files; `follows` says which documentation it follows."""

    crate: str
    follows: str
    files: dict[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return sum(len(text.splitlines()) for text in self.files.values())


def load_statements(crates: Iterable[str], folder: Path = STATEMENTS) -> tuple[Statement, ...]:
    """All statements, by the names of their crates.

    Raises:
        ConfigError: a file is of no crate, or has not the form.
    """
    known = set(crates)
    return tuple(_statement(path, known) for path in sorted(folder.glob("*.md")))


def _statement(path: Path, known: set[str]) -> Statement:
    if path.stem not in known:
        raise ConfigError(path, "the name", "is no crate's; `iotyet list crates` shows all")
    try:
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "the file", f"cannot be read: {error}") from error
    found = _HEAD.fullmatch(head.strip())
    if found is None or not text.strip():
        problem = f"is {head!r}; expected `YYYY-MM-DD, author, https://…`, and the text below an empty line"
        raise ConfigError(path, "line 1", problem)
    return Statement(path.stem, found[1], found[2], found[3], text.strip())


def load_probes(crates: Iterable[str], folder: Path = PROBES) -> tuple[ProbeSource, ...]:
    """The source of the probe of every crate that has one.

    Raises:
        UsageError: a file cannot be read.
    """
    return tuple(
        _probe(name, folder / name / "src") for name in crates if (folder / name / "src" / "main.rs").is_file()
    )


def _probe(name: str, folder: Path) -> ProbeSource:
    try:
        files = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in _sources(folder)}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder} cannot be read: {error}") from error
    return ProbeSource(name, _header(files), files)


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.rs"), key=lambda path: (path.name != "main.rs", path))


def _header(files: Mapping[str, str]) -> str:
    """What a probe's first lines say of it."""
    head = []
    for line in files["main.rs"].splitlines():
        if not line.startswith("//!"):
            break
        head.append(line.removeprefix("//!").removeprefix(" "))
    return "\n".join(head)
