"""Installs and starts what a fresh machine lacks: Docker Engine, debootstrap, the libraries that crates link to.

On Debian and Ubuntu, as root. Elsewhere it says what is missing and the command that would install it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import resolver
from harness.brokers.containers import connect
from harness.commands import run
from harness.errors import CommandFailed, Unavailable, UsageError
from harness.references import libcoap

_RUST_ADVICE = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
_DOCKERD_LOG = Path("/var/log/iotyet-dockerd.log")
_DOCKERD_PID = Path("/var/run/docker.pid")
#: Seconds that a Docker daemon may take to answer.
_DOCKERD_LIMIT = 60.0


@dataclass(frozen=True)
class Need:
    """Something that a machine must have."""

    what: str
    why: str
    packages: tuple[str, ...]
    present: bool


def needs() -> list[Need]:
    """What this project needs beside Python and Rust, and whether it is there."""

    def has(*programs: str) -> bool:
        return all(shutil.which(program) for program in programs)

    return [
        Need("C toolchain, cmake", "crates that compile C", ("build-essential", "cmake"), has("cc", "c++", "cmake")),
        Need("pkg-config and OpenSSL headers", "crates that use OpenSSL", ("pkg-config", "libssl-dev"),
             has("pkg-config") and _has_library("openssl")),
        Need("Paho MQTT C library", "rust-mqtt links to it", ("libpaho-mqtt-dev",), _has_header("MQTTAsync.h")),
        Need("git", "crates that are published on git alone", ("git",), has("git")),
        Need("Docker Engine", "the brokers", ("docker.io", "iptables"), _docker_answers() or has("dockerd")),
        Need("debootstrap", "local broker images, where no registry answers", ("debootstrap", "debian-archive-keyring"),
             has("debootstrap")),
        Need("nss_wrapper", "host names with several addresses", ("libnss-wrapper",), resolver.is_installed()),
        Need("libcoap's programs", "CoAP over DTLS", ("libcoap3-bin",), libcoap.is_installed()),
        Need("Maven", "Kafka's jars, where no registry answers", ("maven",), has("mvn")),
    ]  # fmt: skip


#: The Debian package of the browser that tests/browser use. It is not installed by set-up: the report needs none.
BROWSER_PACKAGE = "chromium"


def find_browser() -> str | None:
    """The program of a Chromium or Chrome on this machine; nothing where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((program for name in names if (program := shutil.which(name))), None)


def set_up(*, yes: bool) -> None:
    """Install and start what is missing; a second call does nothing.

    Args:
        yes: do not ask.

    Raises:
        UsageError: something is missing and cannot be installed here; says what, why, and the command that would.
    """
    started = time.monotonic()
    if not shutil.which("cargo") or not shutil.which("rustc"):
        raise UsageError(
            f"cargo and rustc are missing, and no crate can be built without them; install: {_RUST_ADVICE}"
        )
    missing = [need for need in needs() if not need.present]
    if missing:
        _install(missing, yes=yes)
    if not _docker_answers():
        _start_docker()
    print(f"iotyet: set-up complete: {time.monotonic() - started:.1f} s", file=sys.stderr)


def _install(missing: Sequence[Need], *, yes: bool) -> None:
    packages = [package for need in missing for package in need.packages]
    command = f"apt-get install {' '.join(packages)}"
    for need in missing:
        print(f"iotyet: missing: {need.what} ({need.why}): {' '.join(need.packages)}", file=sys.stderr)
    if shutil.which("apt-get") is None:
        raise UsageError(f"this system has no apt-get; install these with its own package manager: {_listed(missing)}")
    if os.geteuid() != 0:
        raise UsageError(f"installing needs root; run `sudo {command}` and then this command again")
    if not yes and sys.stdin.isatty():
        answer = input(f"Run `{command}`? [Y/n] ").strip().lower()
        if answer not in ("", "y", "yes"):
            raise UsageError(f"nothing was installed; missing: {_listed(missing)}. `{command}` installs it")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for argv in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "--yes", "--no-install-recommends", *packages],
    ):
        try:
            run(argv, timeout=1200, env=env)
        except CommandFailed as error:
            raise UsageError(f"{error}; run `{command}` by hand, then this command again") from error


def _listed(missing: Sequence[Need]) -> str:
    return "; ".join(f"{need.what} (for {need.why})" for need in missing)


def _has_library(name: str) -> bool:
    try:
        run(["pkg-config", "--exists", name], timeout=30)
    except CommandFailed:
        return False
    return True


def _has_header(name: str) -> bool:
    return any((Path(folder) / name).exists() for folder in ("/usr/include", "/usr/local/include"))


def _docker_answers() -> bool:
    try:
        connect().close()
    except Unavailable as error:
        # A daemon that refuses us is there: a second one would not help.
        if "permission denied" in str(error):
            raise UsageError(str(error)) from error
        return False
    return True


def _start_docker() -> None:
    if os.geteuid() != 0:
        raise UsageError("Docker is installed and does not run; start it with `sudo systemctl start docker`")
    if Path("/run/systemd/system").is_dir():
        try:
            run(["systemctl", "start", "docker"], timeout=120)
        except CommandFailed as error:
            raise UsageError(f"the Docker service did not start: {error}; see `journalctl -u docker`") from error
    else:
        _start_dockerd()
    end = time.monotonic() + _DOCKERD_LIMIT
    while not _docker_answers():
        if time.monotonic() > end:
            raise UsageError(f"Docker does not answer after {_DOCKERD_LIMIT:g} s; see {_DOCKERD_LOG}")
        time.sleep(0.2)


def _start_dockerd() -> None:
    """Start the daemon by hand, where no service manager does. It goes on running, as a service would."""
    _remove_stale_pid_file()
    with _DOCKERD_LOG.open("ab") as log:
        daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # noqa: S607
    print(f"iotyet: started the Docker daemon (process {daemon.pid}, log {_DOCKERD_LOG}); it stays", file=sys.stderr)


def _remove_stale_pid_file() -> None:
    """A daemon that was killed leaves its pid file, and the next one refuses to start while it is there."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_DOCKERD_PID.read_text(encoding="ascii"))
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).name() == "dockerd":
                return
        _DOCKERD_PID.unlink()
