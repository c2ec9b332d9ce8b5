"""The probe of another version of a crate than the catalogue's: a copy in which that one requirement is changed.

Where the crate's API differs, the probe has `#[cfg(before = "1.2.0")]`, and its manifest declares the values:

    [lints.rust]
    unexpected_cfgs = { level = "warn", check-cfg = ['cfg(before, values("1.2.0", "1.4.0"))'] }

The copy is compiled with those that are later than the version.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildFailed, HarnessFault, NotWritten
from harness.model import Crate, Role
from harness.paths import PROBES, copied_probes
from harness.probes.cargo import resolve


@dataclass(frozen=True)
class ProbeSource:
    """The folder of a probe, and what its own package is compiled with."""

    folder: Path
    cfgs: tuple[str, ...] = ()

    def build_command(self) -> list[str]:
        """How cargo makes it."""
        # `cargo rustc` hands the cfgs to the probe alone: as RUSTFLAGS they would have every dependency compiled anew.
        argv = ["cargo", "rustc" if self.cfgs else "build", "--locked", "--message-format=json"]
        argv += ["--manifest-path", str(self.folder / "Cargo.toml")]
        return argv + (["--", *(part for cfg in self.cfgs for part in ("--cfg", cfg))] if self.cfgs else [])


def source_of(crate: Crate, env: Mapping[str, str]) -> ProbeSource:
    """The source of the probe of `crate`; of another version than the catalogue's a copy, resolved for it.

    The copy's lock file is the probe's `locks/<version>.lock` where there is one; else the probe's own, in which cargo
    changes only what it has to. One caller at a time: the folder of a copy is used again.

    Raises:
        NotWritten: what the probe asks for cannot be had with this version.
        Unavailable: a source cannot be reached, or there is no cargo.
        HarnessFault: the manifest does not pin the crate as docs/adding-a-crate.md says.
    """
    own = PROBES / crate.name
    if crate.role is not Role.VERSION:
        return ProbeSource(own)
    folder = copied_probes() / crate.handle
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(own, folder, ignore=shutil.ignore_patterns("target", "locks"))
    manifest = folder / "Cargo.toml"
    text = with_requirement((own / "Cargo.toml").read_text(encoding="utf-8"), crate)
    manifest.write_text(text, encoding="utf-8")
    kept = own / "locks" / f"{crate.version}.lock"
    if kept.exists():
        shutil.copy2(kept, folder / "Cargo.lock")
    else:
        what = f"the probe of {crate.id}"
        try:
            resolve(["cargo", "update", "--workspace"], folder, env, what)
        except BuildFailed as error:
            raise NotWritten(f"our probe asks for what cannot be had with {crate.id}: {error.observed}") from error
    return ProbeSource(folder, cfgs_for(text, crate.version))


def with_requirement(manifest: str, crate: Crate) -> str:
    """The text of a probe's manifest with another version or source required, and path dependencies where they are.

    Raises:
        HarnessFault: the crate is not pinned in one place.
    """
    pin = re.compile(rf'^("?{re.escape(crate.package)}"?\s*=.*?")=[^"]+"', re.MULTILINE)
    changed, places = pin.subn(rf'\g<1>={crate.package_version}"', manifest)
    if places != 1:
        raise HarnessFault(f"the probe {crate.name} has to pin {crate.package} as '= VERSION' in one line; {places} do")
    changed = changed.replace('path = "../', f'path = "{PROBES}/')
    return _patched(changed, crate) if crate.path else changed


def _patched(manifest: str, crate: Crate) -> str:
    """With the crate taken from a folder, wherever it is asked for."""
    head, patch = "[patch.crates-io]\n", f"{json.dumps(crate.package)} = {{ path = {json.dumps(crate.path)} }}\n"
    return manifest.replace(head, head + patch) if head in manifest else f"{manifest}\n{head}{patch}"


def cfgs_for(manifest: str, version: str) -> tuple[str, ...]:
    """What a probe for `version` is compiled with, of the cfgs that its manifest declares."""
    declared = tomllib.loads(manifest).get("lints", {}).get("rust", {}).get("unexpected_cfgs", {})
    values = [
        value
        for entry in declared.get("check-cfg", [])
        if entry.startswith("cfg(before,")
        for value in re.findall(r'"([^"]+)"', entry)
    ]
    return tuple(f"before={json.dumps(value)}" for value in values if numbers(version) < numbers(value))


def numbers(version: str) -> tuple[int, ...]:
    """MAJOR, MINOR and PATCH of a version, to be compared; what follows them is passed over."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
