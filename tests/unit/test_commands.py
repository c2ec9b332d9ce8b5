"""Commands: a deadline that the whole process tree keeps, and errors that carry both streams."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.commands import RUN_MARK, environment, kill_tree, run
from harness.errors import CommandFailed
from tests.processes import ends


def test_returns_both_streams() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2"], timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_a_failure_carries_status_and_both_streams() -> None:
    with pytest.raises(CommandFailed, match=r"^`sh -c .*` exited with 3: the reason$") as error:
        run(["sh", "-c", "echo out; echo the reason >&2; exit 3"], timeout=10)
    assert (error.value.returncode, error.value.stdout, error.value.stderr) == (3, "out\n", "the reason\n")


def test_a_failure_without_standard_error_shows_standard_output() -> None:
    with pytest.raises(CommandFailed, match="exited with 1: told on stdout"):
        run(["sh", "-c", "echo told on stdout; exit 1"], timeout=10)


def test_only_the_end_of_a_long_error_is_in_the_message() -> None:
    with pytest.raises(CommandFailed, match=r": 96 \| 97 \| 98 \| 99 \| 100$") as error:
        run(["sh", "-c", "seq 100 >&2; exit 1"], timeout=10)
    assert len(error.value.stderr.splitlines()) == 100


def test_without_check_the_status_is_returned() -> None:
    assert run(["sh", "-c", "exit 7"], timeout=10, check=False).returncode == 7


def test_a_missing_program_is_named() -> None:
    with pytest.raises(CommandFailed, match=r"`no-such-program-here x` exited with 127: .*No such file") as error:
        run(["no-such-program-here", "x"], timeout=10)
    assert error.value.returncode == 127


def test_a_file_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no program")
    with pytest.raises(CommandFailed, match="Permission denied"):
        run([str(tmp_path / "data")], timeout=10)


def test_the_deadline_kills_the_tree_and_what_was_printed_is_kept() -> None:
    """The child holds the streams open, so that killing the parent alone would wait for it for a minute."""
    with pytest.raises(CommandFailed, match="ran out of time: about to hang") as error:
        run(["sh", "-c", "sleep 60 & echo $!; echo about to hang >&2; wait"], timeout=0.5)
    assert error.value.returncode is None
    assert ends(int(error.value.stdout))


def test_an_interrupt_kills_the_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[int] = []

    def interrupted(process: object, timeout: float | None = None) -> tuple[str, str]:
        started.append(process.pid)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(["sleep", "60"], timeout=10, cwd=tmp_path)
    assert ends(started[0])


def test_output_that_is_no_utf8_is_no_error() -> None:
    assert run(["printf", r"\377x"], timeout=10).stdout == "\ufffdx"


def test_arguments_reach_the_program_as_they_are() -> None:
    strange = ["$HOME", "a b", "'", '"', "*", ";", "\n", ""]
    echo = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *strange]
    assert run(echo, timeout=20).stdout == '["$HOME", "a b", "\'", "\\"", "*", ";", "\\n", ""]\n'


def test_standard_input_is_empty() -> None:
    """A command that asks gets the end of input, and cannot wait for a person who is not there."""
    assert run(["cat"], timeout=10).stdout == ""


def test_children_carry_the_run_and_what_else_is_asked() -> None:
    env = environment("run@/lock", {"EXTRA": "1"})
    assert run(["sh", "-c", f'echo "${RUN_MARK} $EXTRA $PATH"'], timeout=10, env=env).stdout == (
        f"run@/lock 1 {os.environ['PATH']}\n"
    )


def test_killing_what_is_gone_is_no_error() -> None:
    kill_tree(2**22 - 1)
