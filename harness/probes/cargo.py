"""Runs cargo: progress from its JSON messages, one sentence from its errors, unreachable told apart from wrong."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.commands import Completed, kill_tree, run
from harness.errors import BuildFailed, CommandFailed, ContractViolation, NotWritten, Unavailable
from harness.paths import PROBES, copied_probes

#: Seconds that one build may take; the slowest candidate seen needs 430.
_BUILD_LIMIT = 1800.0
#: Seconds between two lines of progress.
_PROGRESS_EVERY = 10.0
#: What the system refused cargo; that a file is not there (2) may be the package's fault.
_REFUSED = re.compile(r"\(os error (?!2\))\d+\)")
#: What it refuses anybody, compilers and build scripts too: there is no space left.
_FULL = "(os error 28)"
_NO_CARGO = "cargo was not found; install a Rust toolchain (https://rustup.rs) and run again"

#: Probes behave as in a release build (no overflow checks, no debug assertions) and compile as fast as a debug build.
PROFILE = {
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_DEV_DEBUG_ASSERTIONS": "false",
    "CARGO_PROFILE_DEV_OVERFLOW_CHECKS": "false",
    "CARGO_INCREMENTAL": "0",
}
#: cargo's own git library ignores parts of git's configuration, which decides where a source is found.
GIT = {"CARGO_NET_GIT_FETCH_WITH_CLI": "true", "GIT_TERMINAL_PROMPT": "0"}

#: What cargo and git print when a source cannot be reached, as opposed to found wanting.
_UNREACHABLE = (
    "could not resolve host",
    "couldn't resolve host",
    "failed to download",
    "failed to fetch",
    "failed to clone",
    "network failure",
    "unable to access",
    "spurious network error",
    "connection refused",
    "could not connect",
)


@dataclass
class _Seen:
    """What cargo's messages have told so far."""

    compiled: int = 0
    executable: Path | None = None
    first_error: str = ""
    manifest: str = ""


def rustc_version() -> str:
    """What `rustc --version` prints.

    Raises:
        Unavailable: there is no Rust toolchain.
    """
    try:
        return run(["rustc", "--version"], timeout=60).stdout.strip()
    except CommandFailed as error:
        raise Unavailable(_NO_CARGO.replace("cargo", "rustc", 1)) from error


def resolve(argv: Sequence[str], folder: Path, env: Mapping[str, str], what: str) -> Completed:
    """Run a cargo command that resolves dependencies.

    Args:
        argv: the command.
        folder: of the package.
        env: the whole environment.
        what: whose dependencies, for messages.

    Raises:
        BuildFailed: they cannot be resolved.
        Unavailable: a source cannot be reached, there is no cargo, or the system refuses it something.
    """
    try:
        return run(argv, timeout=300, cwd=folder, env=env)
    except CommandFailed as error:
        if error.returncode == 127:
            raise Unavailable(_NO_CARGO) from error
        reason = _last_cause(error.stderr)
        if error.returncode is None or _is_unreachable(error.stderr):
            raise Unavailable(f"the source of {what} cannot be reached: {reason}") from error
        if _REFUSED.search(reason):
            raise Unavailable(f"cargo failed on this machine: {reason}") from error
        raise BuildFailed(reason, expected=f"the dependencies of {what} resolve") from error


def compile_package(argv: Sequence[str], env: Mapping[str, str], what: str, say: Callable[[str], None]) -> Path | None:
    """Run `cargo build` or `cargo check` with `--message-format=json`.

    Args:
        argv: the command.
        env: the whole environment.
        what: what is compiled, for messages.
        say: told about progress every ten seconds.

    Returns:
        The executable; null where none was made.

    Raises:
        BuildFailed: somebody else's source does not compile; carries the compiler's first error.
        ContractViolation: our own source does not compile.
        NotWritten: the copy of a probe does not compile against another version of its crate.
        Unavailable: a source cannot be reached, there is no cargo, or the system refuses it something.
    """
    seen = _Seen()
    started = said = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        with _running(argv, env, log) as process:
            for message in _messages(process):
                _note(seen, message)
                if time.monotonic() - said >= _PROGRESS_EVERY:
                    said = time.monotonic()
                    say(f"{what}: {seen.compiled} packages compiled")
        log.seek(0)
        stderr = log.read()
    if process.returncode == 0:
        return seen.executable
    if time.monotonic() - started > _BUILD_LIMIT:
        raise Unavailable(f"{what} did not finish within {_BUILD_LIMIT:g} s on this machine")
    if _is_unreachable(stderr) and not seen.first_error and not seen.compiled:
        raise Unavailable(f"the source of {what} cannot be reached: {_last_cause(stderr)}")
    of_the_source = seen.first_error or _build_script_error(stderr)
    reason = of_the_source or _last_cause(stderr)
    if _FULL in seen.first_error + stderr or (not of_the_source and _REFUSED.search(reason)):
        raise Unavailable(f"cargo failed on this machine: {reason}")
    if _is_below(seen.manifest, copied_probes()):
        raise NotWritten(f"our probe is not written for this version and does not compile against it: {reason}")
    if _is_below(seen.manifest, PROBES):
        raise ContractViolation(f"our own source does not compile: {reason}")
    raise BuildFailed(reason, expected=f"{what} compiles")


@contextlib.contextmanager
def _running(argv: Sequence[str], env: Mapping[str, str], log: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """cargo as a context: killed with its children where the caller is interrupted or time runs out."""
    try:
        process = subprocess.Popen(
            list(argv), env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            encoding="utf-8", start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Unavailable(_NO_CARGO) from error
    limit = threading.Timer(_BUILD_LIMIT, kill_tree, [process.pid])
    limit.start()
    try:
        yield process
        process.wait()
    except BaseException:
        kill_tree(process.pid)
        process.wait()
        raise
    finally:
        limit.cancel()
        if process.stdout is not None:
            process.stdout.close()


def _messages(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    if process.stdout is not None:
        yield from (json.loads(line) for line in process.stdout if line.startswith("{"))


def _note(seen: _Seen, message: dict[str, Any]) -> None:
    if message.get("reason") == "compiler-artifact":
        seen.compiled += 1
        if message.get("executable"):
            seen.executable = Path(message["executable"])
    elif message.get("reason") == "compiler-message" and not seen.first_error:
        seen.first_error = _error_in(message)
        seen.manifest = (message.get("manifest_path") or "") if seen.first_error else ""


def _error_in(message: dict[str, Any]) -> str:
    """A compiler error as one sentence; empty for a warning."""
    inner = message["message"]
    if inner.get("level") != "error":
        return ""
    code = (inner.get("code") or {}).get("code", "")
    address, _, package = message["package_id"].rpartition("#")
    if "@" not in package:  # cargo leaves a name out that the address ends in
        package = f"{address.rpartition('/')[2]}@{package}"
    span = next((span for span in inner.get("spans", []) if span.get("is_primary")), None)
    place = f" ({Path(span['file_name']).name}:{span['line_start']})" if span else ""
    return f"error{f'[{code}]' if code else ''} in {package}{place}: {inner['message']}"


def _is_below(manifest: str, folder: Path) -> bool:
    """True where an error is in a package below `folder`: of ours, a probe, the kit or a substitute."""
    return bool(manifest) and Path(manifest).is_relative_to(folder)


def _build_script_error(stderr: str) -> str:
    """What a failed build script says: which one failed, and the first error in its output."""
    lines = [line.strip() for line in stderr.splitlines()]
    head = next((line for line in lines if "failed to run custom build command" in line), "")
    if not head:
        return ""
    detail = next((line for line in lines if line != head and ("error:" in line or "panicked at" in line)), "")
    return f"{head}: {detail}" if detail else head


def _is_unreachable(stderr: str) -> bool:
    lowered = stderr.lower()
    return any(sign in lowered for sign in _UNREACHABLE)


def _last_cause(stderr: str) -> str:
    """The innermost cause in cargo's error chain; git's own words where there are any."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    gits = [line for line in lines if line.startswith("fatal: ")]
    return (gits or lines or ["cargo gave no reason"])[-1]
