"""Set-up: every refusal names what is missing, why, and the command that helps. Nothing is installed here."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from harness import setup
from harness.commands import Completed
from harness.errors import CommandFailed, Unavailable, UsageError
from harness.setup import Need, needs, set_up

GIT = Need("git", "crates that are published on git alone", ("git",), present=False)
DEBOOTSTRAP = Need("debootstrap", "local images", ("debootstrap", "debian-archive-keyring"), present=False)


class Machine:
    """A made-up machine: what it lacks, and what was run on it."""

    def __init__(self) -> None:
        self.programs = {"cargo", "rustc", "apt-get"}
        self.missing: list[Need] = []
        self.user = 0
        self.docker: list[bool | Exception] = [True]
        self.ran: list[list[str]] = []
        self.failing = ""
        self.answer = ""

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: Sequence[str], **_options: Any) -> Completed:
        self.ran.append(list(argv))
        if self.failing and self.failing in argv:
            raise CommandFailed(list(argv), 100, "", "E: Unable to locate package")
        return Completed(0, "", "")

    def connect(self) -> SimpleNamespace:
        state = self.docker.pop(0) if len(self.docker) > 1 else self.docker[0]
        if isinstance(state, Exception):
            raise state
        if not state:
            raise Unavailable("there is no Docker daemon to talk to")
        return SimpleNamespace(close=lambda: None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)

    def ask(_question: str) -> str:
        return made.answer

    def no_program(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a test of the set-up must not start anything")

    monkeypatch.setattr(setup, "needs", lambda: made.missing)
    monkeypatch.setattr(setup, "run", made.run)
    monkeypatch.setattr(setup, "connect", made.connect)
    monkeypatch.setattr("harness.setup.shutil.which", made.which)
    monkeypatch.setattr("harness.setup.os.geteuid", lambda: made.user)
    monkeypatch.setattr("harness.setup.subprocess.Popen", no_program)
    monkeypatch.setattr("harness.setup.sys.stdin", terminal)
    monkeypatch.setattr("builtins.input", ask)
    return made


def test_a_complete_machine_is_left_alone(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(yes=False)
    set_up(yes=False)
    assert machine.ran == []
    shown = capsys.readouterr().err.splitlines()
    assert [line.startswith("iotyet: set-up complete") for line in shown] == [True, True]


@pytest.mark.parametrize("program", ["cargo", "rustc"])
def test_without_rust_it_says_how_rust_is_installed(machine: Machine, program: str) -> None:
    machine.programs.remove(program)
    with pytest.raises(
        UsageError, match=r"cargo and rustc are missing, and no crate can be built.*https://sh\.rustup\.rs"
    ):
        set_up(yes=True)


def test_what_is_missing_is_installed_in_one_go(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.missing = [GIT, DEBOOTSTRAP, Need("C", "c", ("gcc",), present=True)]
    set_up(yes=True)
    assert [argv[1] for argv in machine.ran] == ["update", "install"]
    assert machine.ran[1][-3:] == ["git", "debootstrap", "debian-archive-keyring"]
    assert "iotyet: missing: git (crates that are published on git alone): git\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "installed"), [("", True), ("y", True), ("Yes", True), ("n", False), ("what", False)]
)
def test_on_a_terminal_it_asks_once_and_no_means_no(machine: Machine, answer: str, installed: bool) -> None:
    machine.missing, machine.answer = [GIT], answer
    if installed:
        set_up(yes=False)
        assert machine.ran[-1][-1] == "git"
        return
    message = "nothing was installed; missing: git (for crates that are published on git alone). `apt-get install git`"
    with pytest.raises(UsageError, match=re.escape(message)):
        set_up(yes=False)
    assert machine.ran == []


def test_without_apt_it_lists_what_to_install_by_other_means(machine: Machine) -> None:
    machine.missing = [GIT, DEBOOTSTRAP]
    machine.programs.remove("apt-get")
    message = (
        r"has no apt-get; install these with its own package manager: git \(for crates .*\); debootstrap \(for local"
    )
    with pytest.raises(UsageError, match=message):
        set_up(yes=True)
    assert machine.ran == []


def test_without_root_it_gives_the_command_for_sudo(machine: Machine) -> None:
    machine.missing, machine.user = [GIT], 1000
    with pytest.raises(
        UsageError, match=r"installing needs root; run `sudo apt-get install git` and then this command"
    ):
        set_up(yes=True)
    assert machine.ran == []


def test_an_installation_that_fails_shows_why_and_the_command(machine: Machine) -> None:
    machine.missing, machine.failing = [GIT], "install"
    with pytest.raises(UsageError, match=r"E: Unable to locate package; run `apt-get install git` by hand"):
        set_up(yes=True)


# -- Docker -------------------------------------------------------------------------------------------


def test_a_daemon_that_refuses_this_user_is_not_started_a_second_time(machine: Machine) -> None:
    machine.docker = [Unavailable("Docker refuses this user (permission denied on its socket); run `sudo usermod`")]
    with pytest.raises(UsageError, match=r"permission denied on its socket\); run `sudo usermod`"):
        set_up(yes=True)
    assert machine.ran == []


def test_without_root_docker_is_started_by_the_user(machine: Machine) -> None:
    machine.docker, machine.user = [False], 1000
    with pytest.raises(UsageError, match="start it with `sudo systemctl start docker`"):
        set_up(yes=True)


def test_without_a_service_manager_the_daemon_is_started_and_awaited(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.docker = [False, False, True]
    started: list[list[str]] = []

    def popen(argv: list[str], **_options: Any) -> SimpleNamespace:
        started.append(argv)
        return SimpleNamespace(pid=1)

    monkeypatch.setattr("harness.setup.subprocess.Popen", popen)
    monkeypatch.setattr(setup, "_DOCKERD_LOG", tmp_path / "log")
    monkeypatch.setattr(setup, "_DOCKERD_PID", tmp_path / "docker.pid")
    monkeypatch.setattr("harness.setup.Path.is_dir", lambda _path: False)
    set_up(yes=True)
    assert started == [["dockerd"]]


def test_a_daemon_that_does_not_answer_in_time_is_told_with_its_log(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.docker = [False]
    monkeypatch.setattr(setup, "_DOCKERD_LIMIT", 0.0)
    monkeypatch.setattr(setup, "_start_dockerd", lambda: None)
    monkeypatch.setattr("harness.setup.Path.is_dir", lambda _path: False)
    with pytest.raises(UsageError, match=r"Docker does not answer after 0 s; see /var/log/iotyet-dockerd\.log"):
        set_up(yes=True)


@pytest.mark.parametrize(("text", "stays"), [("dead", False), ("not a number", True), ("other program", False)])
def test_only_a_pid_file_of_a_dead_daemon_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, stays: bool
) -> None:
    pid = {"dead": str(2**22 - 1), "other program": str(psutil.Process().pid)}.get(text, text)
    (file := tmp_path / "docker.pid").write_text(pid)
    monkeypatch.setattr(setup, "_DOCKERD_PID", file)
    setup._remove_stale_pid_file()
    assert file.exists() is stays


# -- what is needed -----------------------------------------------------------------------------------


def test_every_need_says_what_why_and_which_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_docker_answers", lambda: False)
    for need in needs():
        assert need.what
        assert need.why
        assert need.packages


def test_a_program_that_is_not_there_is_a_need(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr(setup, "_docker_answers", lambda: False)
    monkeypatch.setattr("harness.setup.shutil.which", lambda name: None if name == "git" else real(name))
    assert [need.present for need in needs() if need.what == "git"] == [False]
