"""Imports point one way: what each part of the project may know of the others, as docs/design.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.paths import ROOT

#: What every module may know.
NOUNS = ("harness.model", "harness.errors")
#: Helpers below brokers, probes and references.
TOOLS = (*NOUNS, "harness.commands", "harness.paths", "harness.liveness", "harness.streams", "harness.wire")

#: Module or package -> all that it may import of ours, beside itself. The longest name that fits decides.
ALLOWED: dict[str, tuple[str, ...]] = {
    "harness.model": (),
    "harness.advisories": (),
    "harness.paths": (),
    "harness.streams": (),
    "harness.pcapng": (),
    "harness.bisect": (),
    "harness.errors": ("harness.model",),
    "harness.commands": ("harness.errors",),
    "harness.certificates": (),
    "harness.tls": (),
    "harness.resolver": ("harness.errors",),
    "harness.capture": ("harness.pcapng", "harness.tls"),
    "harness.datagrams": ("harness.capture", "harness.pcapng"),
    "harness.liveness": ("harness.commands", "harness.errors"),
    "harness.leases": ("harness.errors",),
    "harness.wire": ("harness.model",),
    "harness.catalog": (*NOUNS, "harness.paths"),
    "harness.expectations": (*NOUNS, "harness.paths", "harness.catalog"),
    "harness.rewriting": (*NOUNS, "harness.diff", "harness.expectations"),
    "harness.scenario": NOUNS,
    "harness.progress": (),
    "harness.turns": ("harness.model",),
    "harness.snapshot": (*NOUNS, "harness.paths"),
    "harness.authors": (*NOUNS, "harness.paths"),
    "harness.store": (*NOUNS, "harness.authors", "harness.snapshot", "harness.wellformed"),
    "harness.diff": (*NOUNS, "harness.matrix", "harness.snapshot"),
    "harness.brokers": TOOLS,
    "harness.probes": (*TOOLS, "harness.advisories"),
    "harness.references": TOOLS,
    "harness.peers": TOOLS,
    "harness.bench": (
        *TOOLS,
        "harness.brokers",
        "harness.capture",
        "harness.certificates",
        "harness.leases",
        "harness.probes",
        "harness.store",
    ),
    "harness.cells": (
        *NOUNS,
        "harness.bench",
        "harness.brokers.base",
        "harness.capture",
        "harness.certificates",
        "harness.commands",
        "harness.datagrams",
        "harness.pcapng",
        "harness.peers",
        "harness.probes.footprint",
        "harness.probes.talk",
        "harness.probes.transcript",
        "harness.references",
        "harness.resolver",
        "harness.wire",
    ),
    "harness.oracle": (
        *NOUNS,
        "harness.brokers.containers",
        "harness.brokers.images",
        "harness.commands",
        "harness.paths",
        "harness.pcapng",
        "harness.wellformed",
    ),
    "harness.standing": ("harness.model", "harness.wellformed"),
    "harness.wellformed": ("harness.model",),
    "harness.judge": (*NOUNS, "harness.bench", "harness.cells", "harness.standing"),
    "harness.matrix": (
        "harness.model",
        "harness.advisories",
        "harness.authors",
        "harness.snapshot",
        "harness.store",
        "harness.wellformed",
    ),
    "harness.tabulating": (
        *NOUNS,
        "harness.advisories",
        "harness.matrix",
        "harness.standing",
        "harness.store",
        "harness.wellformed",
    ),
    "harness.reasons": (*NOUNS, "harness.matrix"),
    "harness.advice": (*NOUNS, "harness.advisories", "harness.matrix", "harness.reasons"),
    "harness.claims": (*NOUNS, "harness.advice", "harness.matrix", "harness.reasons"),
    "harness.report": (
        *NOUNS,
        "harness.advice",
        "harness.advisories",
        "harness.authors",
        "harness.claims",
        "harness.diff",
        "harness.matrix",
        "harness.paths",
        "harness.reasons",
        "harness.snapshot",
        "harness.store",
        "harness.wellformed",
    ),
    "harness.asked": (*NOUNS, "harness.report"),
    "harness.shards": (*NOUNS, "harness.store", "harness.wellformed"),
    "harness.export": (
        *NOUNS,
        "harness.matrix",
        "harness.paths",
        "harness.pcapng",
        "harness.probes.cargo",
        "harness.report",
    ),
    "harness.export.replay": (),
    "harness.guide": (*NOUNS, "harness.advice", "harness.matrix", "harness.report"),
    "harness.session": (
        *NOUNS,
        "harness.brokers.providers",
        "harness.commands",
        "harness.leases",
        "harness.liveness",
        "harness.paths",
        "harness.store",
    ),
    "harness.setup": (
        "harness.brokers.containers",
        "harness.commands",
        "harness.errors",
        "harness.references.libcoap",
        "harness.resolver",
    ),
    "harness.plugin": ("harness",),
    "harness.cli": ("harness",),
    "scenarios": (
        *NOUNS,
        "harness.cells",
        "harness.certificates",
        "harness.peers",
        "harness.references",
        "harness.scenario",
        "harness.wire",
    ),
    "conftest": ("harness.plugin",),
}
#: Where something starts; nobody imports these, except who names them for pytest or as entry point.
ENTRIES = ("harness.plugin", "harness.cli")

FILES = [
    path.relative_to(ROOT)
    for path in (
        ROOT / "conftest.py",
        *sorted((ROOT / "harness").rglob("*.py")),
        *sorted((ROOT / "scenarios").rglob("*.py")),
    )
]


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(file) for file in FILES}


def _within(module: str, names: tuple[str, ...]) -> bool:
    """True where `module` is one of `names` or below one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and module of everything of ours that is imported, in whatever form and wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def _wrong(file: Path, source: str) -> list[str]:
    module = _module(file)
    rule = max((name for name in ALLOWED if _within(module, (name,))), key=len, default="")
    assert rule or module == "harness", f"{file}: no line in ALLOWED says what it may import"
    allowed = (rule, *ALLOWED.get(rule, ()))
    return [
        f"{file}:{line} imports {imported}; allowed for {rule}: {', '.join(allowed)}"
        for line, imported in _imports(source)
        if _within(imported, ("harness", "scenarios", "tests")) and not _within(imported, allowed)
    ]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_only_what_the_table_allows(file: Path) -> None:
    assert _wrong(file, (ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", FILES, ids=str)
def test_nobody_imports_an_entry_point(file: Path) -> None:
    """Only conftest.py (by name, for pytest) and the packaged script (by name, in pyproject.toml) lead to them."""
    imported = [name for _, name in _imports((ROOT / file).read_text(encoding="utf-8"))]
    others = tuple(entry for entry in ENTRIES if not _within(_module(file), (entry,)))
    assert [name for name in imported if _within(name, others)] == []


@pytest.mark.parametrize(("one", "other"), [("brokers", "probes"), ("probes", "references"), ("references", "brokers")])
def test_neighbours_stay_apart(one: str, other: str) -> None:
    """The table itself must not be widened by accident: brokers, probes and references never know each other."""
    assert not _within(f"harness.{one}", ALLOWED[f"harness.{other}"])
    assert not _within(f"harness.{other}", ALLOWED[f"harness.{one}"])


def test_every_line_of_the_table_is_about_something() -> None:
    assert [name for name in ALLOWED if not any(_within(module, (name,)) for module in MODULES)] == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("harness/model.py", "import harness.errors"),
        ("harness/wire/mqtt.py", "from harness.errors import IotyetError"),
        ("harness/brokers/mosquitto.py", "def late():\n    from harness.probes import talk"),
        ("harness/report/html.py", "from harness import bench"),
        ("harness/matrix.py", "import harness.plugin as p"),
        ("scenarios/mqtt/test_connect.py", "from harness.probes.talk import ProbeProcess"),
    ],
)
def test_a_wrong_import_is_named_with_its_file(file: str, source: str) -> None:
    (message,) = _wrong(Path(file), source)
    assert message.startswith(f"{file}:{len(source.splitlines())} imports harness.")
