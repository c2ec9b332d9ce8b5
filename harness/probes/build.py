"""Builds crates: as published, and as repaired (our probe with its lock file).

Finished probes are kept by content (sources, lock, kit, compiler, flags) in the cache, so that nothing is built twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.advisories import Advisories
from harness.commands import environment
from harness.errors import BuildFailed, HarnessFault
from harness.model import Crate
from harness.paths import cache
from harness.probes import audit, registry
from harness.probes.cargo import GIT, PROFILE, compile_package, resolve, rustc_version
from harness.probes.versions import source_of

#: Folders of a source that do not go into what is built.
_GENERATED = frozenset({"target", ".git"})


@dataclass(frozen=True)
class ProbeBuild:
    """A probe that can be started."""

    binary: str
    lock: str
    lock_sha256: str
    rustc: str
    seconds: float
    cached: bool

    def to_json(self) -> dict[str, Any]:
        """As a lease stores it."""
        return asdict(self)


@dataclass(frozen=True)
class PublishedBuild:
    """How a crate compiles as published; `failure` is empty where it does."""

    repository: str
    licence: str
    #: All that come with it, at any depth; null where that could not be resolved.
    dependencies: int | None
    lock: str
    rustc: str
    failure: str
    seconds: float
    cached: bool
    #: A release that is newer than what is measured; empty where there is none.
    newer: str = ""
    #: The newest release and its date, as ISO 8601; empty where cargo's copy of the index does not tell.
    last_release: str = ""
    last_released: str = ""
    #: About what the lock file has.
    advisories: Advisories = audit.UNRESOLVED

    def to_json(self) -> dict[str, Any]:
        """As a lease stores it."""
        return asdict(self)


def build_probe(crate: Crate, mark: str, say: Callable[[str], None]) -> ProbeBuild:
    """Build the probe of `crate`, which is the crate as repaired.

    Args:
        crate: whose probe.
        mark: of the run, for the processes that are started.
        say: told about progress.

    Raises:
        BuildFailed: the crate does not compile.
        ContractViolation: our probe or kit does not compile.
        NotWritten: our probe does not fit this version of the crate, which is not the catalogue's.
        Unavailable: a source cannot be reached, or there is no cargo.
    """
    started = time.monotonic()
    rustc = rustc_version()
    env = _environment(mark)
    with FileLock(_cargo_lock()):
        source = source_of(crate, env)
        kept = cache() / "probes" / _content_key(source.folder, rustc) / f"probe-{crate.name}"
        lock = (source.folder / "Cargo.lock").read_text(encoding="utf-8")
        cached = kept.exists()
        if not cached:
            built = compile_package(source.build_command(), env, f"building {crate.id}", say)
            if built is None:
                raise HarnessFault(f"{source.folder / 'Cargo.toml'} made no executable; a probe has a src/main.rs")
            _keep(built, kept)
    return ProbeBuild(
        binary=str(kept),
        lock=lock,
        lock_sha256=hashlib.sha256(lock.encode()).hexdigest(),
        rustc=rustc,
        seconds=time.monotonic() - started,
        cached=cached,
    )


def check_published(crate: Crate, mark: str, say: Callable[[str], None]) -> PublishedBuild:
    """Compile the crate as a new user would: its own manifest, newest dependencies, today's compiler.

    The dependencies are resolved anew each time; only the compilation is cached, by the resolved lock.

    Raises:
        Unavailable: a source cannot be reached, or there is no cargo.
    """
    started = time.monotonic()
    rustc = rustc_version()
    what = f"{crate.package} {crate.version}"
    with _scratch_package(crate) as folder:
        env = _environment(mark)
        try:
            resolve(["cargo", "generate-lockfile"], folder, env, what)
            described = resolve(["cargo", "metadata", "--format-version=1", "--locked"], folder, env, what)
        except BuildFailed as error:
            return PublishedBuild("", "", None, "", rustc, error.observed, time.monotonic() - started, cached=False)
        lock = (folder / "Cargo.lock").read_text(encoding="utf-8")
        packages = json.loads(described.stdout)["packages"]
        package = next(p for p in packages if p["name"] == crate.package and p["version"] == crate.package_version)
        # A lock file tells nothing of what is in a folder.
        content = _content_key(Path(crate.path), rustc) if crate.path else ""
        result = cache() / "published" / f"{_digest(lock, rustc, *([content] if content else []))}.json"
        with FileLock(_cargo_lock()):
            cached = result.exists()
            if not cached:
                result.parent.mkdir(parents=True, exist_ok=True)
                result.write_text(json.dumps(_check(crate, folder, env, say)), encoding="utf-8")
    from_registry = not crate.git and not crate.path
    known = registry.kept(crate.package, env) if from_registry else ()
    later, last = registry.newer(known, crate.version), registry.latest(known)
    return PublishedBuild(
        repository=package.get("repository") or "",
        licence=package.get("license") or "",
        dependencies=len(packages) - 2,
        lock=lock,
        rustc=rustc,
        failure=json.loads(result.read_text(encoding="utf-8")),
        seconds=time.monotonic() - started,
        cached=cached,
        newer=later.version if later else "",
        last_release=last.version if last else "",
        last_released=last.released if last else "",
        advisories=audit.look_up(lock, env),
    )


def _check(crate: Crate, folder: Path, env: dict[str, str], say: Callable[[str], None]) -> str:
    """`cargo check`; the compiler's first error, or nothing."""
    argv = ["cargo", "check", "--locked", "--message-format=json", "--manifest-path", str(folder / "Cargo.toml")]
    try:
        compile_package(argv, env, f"checking {crate.id} as published", say)
    except BuildFailed as error:
        return error.observed
    return ""


@contextlib.contextmanager
def _scratch_package(crate: Crate) -> Iterator[Path]:
    """An empty package that depends on the crate and on nothing else."""
    features = ", ".join(json.dumps(feature) for feature in crate.features)
    if crate.git:
        origin = f'git = "{crate.git.url}", rev = "{crate.git.rev}"'
    else:
        origin = f'path = "{crate.path}"' if crate.path else f'version = "={crate.version}"'
    default = "" if crate.default_features else ", default-features = false"
    manifest = (
        '[package]\nname = "scratch"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
        f'[dependencies]\n"{crate.package}" = {{ {origin}, features = [{features}]{default} }}\n'
    )
    with tempfile.TemporaryDirectory(prefix="iotyet-published-") as name:
        folder = Path(name)
        (folder / "src").mkdir()
        (folder / "src" / "lib.rs").touch()
        (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
        yield folder


def _environment(mark: str) -> dict[str, str]:
    return environment(mark, {**PROFILE, **GIT, "CARGO_TARGET_DIR": str(cache() / "target")})


def _keep(built: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    staged = kept.with_suffix(".tmp")
    shutil.copy2(built, staged)
    staged.rename(kept)


def _content_key(folder: Path, rustc: str) -> str:
    """Names everything that the binary is made from: the probe's folder and the path dependencies beside it."""
    digest = hashlib.sha256(json.dumps([rustc, PROFILE, os.environ.get("RUSTFLAGS", "")]).encode())
    for source in (folder, *_path_dependencies(folder)):
        for path in sorted(source.rglob("*")):
            if path.is_file() and not _GENERATED.intersection(path.relative_to(source).parts):
                digest.update(f"{source.name}/{path.relative_to(source)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


def _path_dependencies(folder: Path) -> list[Path]:
    manifest = tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))
    tables = [manifest.get("dependencies", {}), *manifest.get("patch", {}).values()]
    entries = [entry for table in tables for entry in table.values() if isinstance(entry, dict)]
    return sorted((folder / entry["path"]).resolve() for entry in entries if "path" in entry)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _cargo_lock() -> Path:
    """One build at a time on this machine: cargo uses all cores by itself, and the target folder is shared."""
    folder = cache() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "cargo.lock"
