"""The help of every command and group, as click has it: what it does, and an example that its own parser takes."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from harness.cli import COMMANDS
from harness.cli.group import cli

_EXAMPLE = re.compile(r"^Example: iotyet (.+)$", re.MULTILINE)


def _all(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _all(child, (*path, name))


EVERY = dict(_all(cli))


def _named(arguments: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The command that arguments begin with, and the rest."""
    path: tuple[str, ...] = ()
    while arguments and (*path, arguments[0]) in EVERY:
        path, arguments = (*path, arguments[0]), arguments[1:]
    return path, arguments


def test_the_tree_has_every_module() -> None:
    assert len(EVERY) > len(COMMANDS)
    assert ("baseline", "accept") in EVERY


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_has_an_example_that_works(monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]) -> None:
    command = EVERY[path]
    assert command.help
    found = _EXAMPLE.search(inspect.cleandoc(command.help))
    assert found, f"iotyet {' '.join(path)} has no example"
    named, rest = _named(shlex.split(found[1].partition(" | ")[0]))
    assert named[: len(path)] == path, "the example is of another command"
    leaf = EVERY[named]
    assert not isinstance(leaf, click.Group), "the example names no command"
    # Arguments that name files need not be there, only fit.
    for parameter in leaf.params:
        if isinstance(parameter.type, click.Path):
            monkeypatch.setattr(parameter.type, "exists", False)
    leaf.make_context(" ".join(named), rest)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    # What an option takes says enough of these.
    plain = {"--profile", "--format", "--kind", "--help", "--version"}
    for parameter in EVERY[path].params:
        if isinstance(parameter, click.Option) and not plain & set(parameter.opts):
            assert parameter.help, f"iotyet {' '.join(path)} {parameter.opts[0]} has no help"
