"""What the registry has of a package: its releases, with their dates.

cargo has no command that lists releases. Asked about a package it brings its copy of the registry's index up
to date, and then that copy is read: entries of the index, which are documented, between zero bytes, which are not.
Nothing here names a registry: cargo's configuration decides which one that is.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BuildFailed, Unavailable, UsageError
from harness.model import Crate
from harness.probes.cargo import resolve
from harness.probes.versions import numbers

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_PLAIN = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Release:
    """One version of a package; `released` is an ISO 8601 date, empty where the index does not tell."""

    version: str
    released: str
    yanked: bool

    @property
    def is_plain(self) -> bool:
        """True where cargo may pick it for whoever names no version: neither withdrawn nor a preview."""
        return not self.yanked and bool(_PLAIN.fullmatch(self.version.partition("+")[0]))


def releases(package: str, env: Mapping[str, str]) -> tuple[Release, ...]:
    """All releases of `package`, the oldest version first.

    Raises:
        UsageError: the registry has no such package.
        Unavailable: the registry cannot be reached, or cargo keeps its index in another way than is known here.
    """
    if not _NAME.fullmatch(package):
        raise UsageError(f"{package!r} is no name of a package; expected letters, digits, - and _")
    with tempfile.TemporaryDirectory(prefix="iotyet-registry-") as outside_of_any_package:
        try:
            resolve(["cargo", "info", "--quiet", package], Path(outside_of_any_package), env, package)
        except BuildFailed as error:
            raise UsageError(
                f"the registry has no package {package!r}: {error.observed}; is the name right?"
            ) from error
    found = kept(package, env)
    if not found:
        raise Unavailable(f"cargo's copy of the index has no entry of {package} that can be read")
    return found


def kept(package: str, env: Mapping[str, str]) -> tuple[Release, ...]:
    """The releases in cargo's copy of the index as it is; a resolution brings it up to date. Empty without one."""
    folder = Path(env.get("CARGO_HOME") or os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    files = list(folder.glob(f"registry/index/*/.cache/{shelf(package.lower())}/{package.lower()}"))
    return entries(max(files, key=lambda path: path.stat().st_mtime).read_bytes()) if files else ()


def newer(known: Iterable[Release], version: str) -> Release | None:
    """The newest release that cargo would pick, where it is newer than `version`."""
    found = latest(known)
    return found if found is not None and numbers(found.version) > numbers(version) else None


def latest(known: Iterable[Release]) -> Release | None:
    """The newest release that cargo would pick; null where there is none."""
    plain = [release for release in known if release.is_plain]
    return max(plain, key=lambda release: numbers(release.version), default=None)


def require(crate: Crate, env: Mapping[str, str]) -> None:
    """Make sure that the registry has a crate in this version, where it can be asked.

    Raises:
        UsageError: it has not; names the newest ones.
    """
    try:
        known = [release.version for release in releases(crate.package, env)]
    except Unavailable:
        return  # the crate's cells will say so
    if crate.version not in known:
        newest = ", ".join(known[-5:])
        raise UsageError(f"there is no {crate.package} {crate.version}; of {len(known)} releases the last are {newest}")


def shelf(name: str) -> str:
    """The folder of a package in an index (https://doc.rust-lang.org/cargo/reference/registry-index.html)."""
    return {1: "1", 2: "2", 3: f"3/{name[0]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")


def entries(data: bytes) -> tuple[Release, ...]:
    """The releases in cargo's copy of a package's page of the index, the oldest version first."""
    found = []
    for part in data.split(b"\0"):
        if part.startswith(b"{"):
            entry: dict[str, Any] = json.loads(part)
            found.append(Release(entry["vers"], str(entry.get("pubtime") or "")[:10], bool(entry.get("yanked"))))
    return tuple(sorted(found, key=lambda release: numbers(release.version)))
