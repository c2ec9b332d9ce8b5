"""A probe for another version of its crate: what the copy changes, and whose fault a misfit is."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from harness.catalog import load_crates
from harness.errors import HarnessFault, NotWritten
from harness.model import Crate, Role
from harness.paths import PROBES
from harness.probes import registry
from harness.probes.registry import Release
from harness.probes.versions import cfgs_for, numbers, source_of, with_requirement

CRATES = [crate for crate in load_crates() if crate.role is not Role.CONTROL and crate.git is None]
MANIFEST = """\
[package]
name = "probe-one"

[dependencies]
kit = { path = "../kit" }
one-more = "=1.0.0"
one = { version = "=1.2.3", features = ["x"] }

[lints.rust]
unexpected_cfgs = { level = "warn", check-cfg = ['cfg(before, values("1.2.0", "1.10.0"))', 'cfg(x, values("9.0.0"))'] }
"""


def _crate(version: str) -> Crate:
    (crate,) = (crate for crate in CRATES if crate.name == "mqttc")
    return crate.at(version)


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_every_probe_can_be_had_for_another_version(crate: Crate) -> None:
    """Only the requirement changes, and where path dependencies are."""
    text = (PROBES / crate.name / "Cargo.toml").read_text(encoding="utf-8")
    own, other = tomllib.loads(text), tomllib.loads(with_requirement(text, crate.at("0.0.1")))
    assert str(other["dependencies"]).count("=0.0.1") == 1
    assert other["dependencies"]["kit"]["path"] == str(PROBES / "kit")
    back = with_requirement(text, crate).replace(f'"{PROBES}/', '"../')
    assert tomllib.loads(back) == own


def test_a_probe_that_does_not_pin_its_crate_once_is_our_fault() -> None:
    for manifest in (MANIFEST.replace("=1.2.3", "1.2"), MANIFEST + 'mqttc = "=1.0.0"\nmqttc = "=1.0.0"\n'):
        with pytest.raises(HarnessFault, match="the probe mqttc has to pin mqttc"):
            with_requirement(manifest, _crate("0.1.0"))


@pytest.mark.parametrize(
    ("version", "cfgs"),
    [
        ("1.1.9", ('before="1.2.0"', 'before="1.10.0"')),
        ("1.2.0", ('before="1.10.0"',)),
        ("1.9.3", ('before="1.10.0"',)),
        ("1.10.0", ()),
    ],
)
def test_the_copy_is_compiled_with_every_later_change_of_the_api(version: str, cfgs: tuple[str, ...]) -> None:
    assert cfgs_for(MANIFEST, version) == cfgs


def test_a_probe_without_changes_declares_none() -> None:
    assert cfgs_for("[dependencies]\n", "1.0.0") == ()


def test_versions_are_compared_by_number() -> None:
    assert sorted(["0.10.0", "0.9.1", "0.9.0-rc.1", "1.0.0+4"], key=numbers) == [
        "0.9.0-rc.1", "0.9.1", "0.10.0", "1.0.0+4",
    ]  # fmt: skip


@pytest.mark.parametrize("crate", [crate for crate in CRATES if crate.also_versions], ids=lambda crate: crate.name)
def test_a_copy_has_the_lock_file_that_is_kept_for_its_version(
    crate: Crate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IOTYET_CACHE", str(tmp_path))
    for version in crate.also_versions:
        source = source_of(crate.at(version), os.environ)
        kept = PROBES / crate.name / "locks" / f"{version}.lock"
        assert (source.folder / "Cargo.lock").read_bytes() == kept.read_bytes()
        assert source.folder.is_relative_to(tmp_path)
        lock = tomllib.loads(kept.read_text(encoding="utf-8"))
        assert version in [package["version"] for package in lock["package"] if package["name"] == crate.package]
    assert source_of(crate, os.environ).folder == PROBES / crate.name


def test_a_version_that_there_is_not_is_not_the_crates_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOTYET_CACHE", str(tmp_path))
    with pytest.raises(NotWritten, match=r"^our probe asks for what cannot be had with mqttc@99\.0\.0: "):
        source_of(_crate("99.0.0"), os.environ)


# -- the registry -------------------------------------------------------------------------------------


def test_releases_are_read_from_cargos_copy_of_the_index() -> None:
    """As cargo keeps it: a head, then version and entry in turn, between zero bytes."""
    parts = [
        b"\x03\x02\x00\x00\x00etag",
        b"0.10.0",
        b'{"name":"one","vers":"0.10.0","yanked":false,"pubtime":"2025-01-02T03:04:05Z"}',
        b"0.9.0",
        b'{"name":"one","vers":"0.9.0","yanked":true}',
    ]
    found = registry.entries(b"\0".join(parts))
    assert found == (Release("0.9.0", "", yanked=True), Release("0.10.0", "2025-01-02", yanked=False))
    assert [release.is_plain for release in found] == [False, True]
    assert not Release("1.0.0-rc.1", "", yanked=False).is_plain


@pytest.mark.parametrize(("name", "shelf"), [("a", "1"), ("ab", "2"), ("abc", "3/a"), ("abcd", "ab/cd")])
def test_packages_are_looked_for_where_an_index_has_them(name: str, shelf: str) -> None:
    assert registry.shelf(name) == shelf
