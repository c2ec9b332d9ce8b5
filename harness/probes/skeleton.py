"""The files of a new probe: they compile and run at once, and every operation is refused as not written.

Which methods there are is read from the kit's trait, so that a skeleton never lags behind it.
"""

from __future__ import annotations

import re

from harness.errors import HarnessFault
from harness.model import Crate, Dialect
from harness.paths import PROBES

_METHOD = re.compile(r"\n    fn (\w+)\(([^;{]*?)\) -> ([^;{]+);")
_TRAIT = re.compile(r"\npub trait (\w+) \{\n(.*?)\n\}\n", re.DOTALL)
_TYPE = re.compile(r"\b[A-Z]\w+")
#: What a module of the kit takes from another one, without passing it on.
_BORROWED = re.compile(r"\nuse crate::(\w+)::([A-Z]\w+);")
#: Types of a method that are not the kit's dialect's: where they come from, or nothing where Rust knows them.
_ELSEWHERE = {
    "BTreeMap": "std::collections::BTreeMap",
    "Duration": "std::time::Duration",
    "Failure": "",
    "Option": "",
    "Result": "",
    "String": "",
    "Vec": "",
}


def manifest(crate: Crate) -> str:
    """Cargo.toml of a probe."""
    return (
        f'[package]\nname = "probe-{crate.name}"\nversion = "0.1.0"\nedition = "2021"\npublish = false\n'
        'license = "MIT OR Apache-2.0"\n\n[dependencies]\nkit = { path = "../kit" }\n'
        f'{crate.package} = "={crate.version}"\n\n[workspace]\n'
    )


def source(crate: Crate) -> str:
    """src/main.rs of a probe for a crate, whose dialects share one vocabulary."""
    module = module_of(crate.dialects[0])
    trait, methods, borrowed = _trait(module)
    elsewhere = _ELSEWHERE | borrowed
    types = {name for _, arguments, result in methods for name in _TYPE.findall(f"{arguments} {result}")}
    outside = sorted(path for name in types if (path := elsewhere.get(name, "")))
    inside = ", ".join(sorted(types - elsewhere.keys()))
    uses = "\n".join(f"use {path};" for path in sorted([*outside, "std::process::ExitCode"]))
    dialects = ", ".join(f'"{dialect}"' for dialect in crate.dialects)
    bodies = "\n\n".join(_method(*method) for method in methods)
    return f"""\
//! The probe of [{crate.package}]({documentation(crate)}). Say here which documentation each operation follows.

{uses}

use kit::{module}::{{{inside}}};
use kit::{{Failure, Info}};

/// The operations that are written: add each here once its method below does what `WIRE.md` says.
const OPS: &[&str] = &["wait"];

fn main() -> ExitCode {{
    let info = Info {{
        krate: "{crate.package}",
        lock: include_str!("../Cargo.lock"),
        dialects: &[{dialects}],
        ops: OPS,
        settings: vec![],
        assembled: &[],
    }};
    kit::{module}::serve(info, |_events| Probe)
}}

/// What lives from one operation to the next: the crate's client, and the events that it fills.
struct Probe;

impl kit::{module}::{trait} for Probe {{
{bodies}
}}
"""


def catalogue_entry(crate: Crate) -> str:
    """The lines to be added to crates.toml."""
    dialects = ", ".join(f'"{dialect}"' for dialect in crate.dialects)
    codec = f'codec_source = "{crate.codec_source}"\n' if crate.codec_source else ""
    return (
        f'\n[[crate]]\nname = "{crate.name}"\nrole = "{crate.role}"\nkind = "{crate.kind}"\ndialects = [{dialects}]\n'
        f'package = "{crate.package}"\nversion = "{crate.version}"\nlicence = "{crate.licence}"\n'
        f'{codec}profile = "{crate.profile}"\n'
    )


def documentation(crate: Crate) -> str:
    """Where every published crate has its documentation."""
    return f"https://docs.rs/{crate.package}/{crate.version}/"


def module_of(dialect: Dialect) -> str:
    """The kit's module for a dialect."""
    return dialect.partition("-")[0]


def _trait(module: str) -> tuple[str, list[tuple[str, str, str]], dict[str, str]]:
    """The trait that a dialect's probes implement.

    Returns:
        Its name, its required methods (name, arguments, result), and the paths of types that its module borrows.
    """
    files = [PROBES / "kit" / "src" / f"{module}.rs", PROBES / "kit" / "src" / module / "mod.rs"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.exists()]
    found = _TRAIT.search(texts[0]) if len(texts) == 1 else None
    if found is None:
        raise HarnessFault(f"the kit has no trait for {module}")
    borrowed = {name: f"kit::{home}::{name}" for home, name in _BORROWED.findall(texts[0])}
    return found[1], _METHOD.findall(f"\n{found[2]}"), borrowed


def _method(name: str, arguments: str, result: str) -> str:
    named = re.sub(r"(\w+): ", r"_\1: ", arguments)
    if name == "poll":
        # Right for a client with a thread of its own, and for one that does nothing yet.
        return f"    fn poll({arguments}) -> {result} {{\n        events.wait(remaining);\n        Ok(())\n    }}"
    body = f'Err(Failure::not_written("the probe has no `{name}` yet"))'
    return f"    fn {name}({named}) -> {result} {{\n        {body}\n    }}"
