"""The command line called in the process of the test: for what starts nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import cli

#: Called with arguments: exit code, standard output, standard error.
CommandLine = Callable[..., tuple[int, str, str]]


def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A function that calls `iotyet`, as the installed script does."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["iotyet", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return call
