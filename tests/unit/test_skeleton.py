"""A new probe's files: every operation of the dialect is there and refused, and the catalogue takes the entry."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog import load_crates
from harness.model import Crate, Dialect, Kind, Profile, Role
from harness.paths import CRATES_TOML, PROBES
from harness.probes import skeleton
from harness.wire.dialects import VOCABULARIES
from harness.wire.operations import Vocabulary


def _crate(*dialects: Dialect) -> Crate:
    return Crate("one", Role.CANDIDATE, Kind.CLIENT, dialects, "one-rs", "1.2.3", "MIT", profile=Profile.FULL)


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.dialects[0])
def test_every_operation_has_a_method_that_refuses(vocabulary: Vocabulary) -> None:
    """Those with a default in the kit's trait, such as `publish_all`, are left to it."""
    text = skeleton.source(_crate(*vocabulary.dialects))
    written = set(re.findall(r"fn (\w+)\(&mut self", text)) - {"poll"}
    assert written
    assert {operation.name for operation in vocabulary.operations} - written <= {"publish_all", "echo"}
    assert written <= {operation.name for operation in vocabulary.operations}
    assert text.count("Err(Failure::not_written(") == len(written)
    assert 'const OPS: &[&str] = &["wait"];' in text


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.dialects[0])
def test_each_type_is_imported_from_the_module_that_declares_it(vocabulary: Vocabulary) -> None:
    text = skeleton.source(_crate(*vocabulary.dialects))
    imports = re.findall(r"^use kit::(\w+)::(?:\{([^}]*)\}|(\w+));", text, re.MULTILINE)
    assert imports
    for module, several, one in imports:
        kit = PROBES / "kit" / "src"
        files = [path for path in (kit / f"{module}.rs", *(kit / module).glob("*.rs")) if path.exists()]
        declared = {
            name for path in files for name in re.findall(r"\npub (?:struct|enum|type) (\w+)", path.read_text())
        }
        assert {name.strip() for name in (several or one).split(",")} <= declared, module


def test_the_manifest_pins_the_crate() -> None:
    document = tomllib.loads(skeleton.manifest(_crate(Dialect.ZMTP)))
    assert document["dependencies"] == {"kit": {"path": "../kit"}, "one-rs": "=1.2.3"}
    assert document["package"]["name"] == "probe-one"
    assert document["workspace"] == {}


@pytest.mark.parametrize("kind", Kind)
def test_the_entry_is_read_back_as_it_was_meant(kind: Kind, tmp_path: Path) -> None:
    crate = replace(_crate(Dialect.MQTT_3_1_1, Dialect.MQTT_5), kind=kind)
    if kind is Kind.CODEC:
        crate = replace(crate, codec_source=skeleton.documentation(crate))
    (file := tmp_path / "crates.toml").write_text(CRATES_TOML.read_text() + skeleton.catalogue_entry(crate))
    assert load_crates(file)[-1] == crate
