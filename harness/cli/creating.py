"""Commands that make something new in the checkout."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace

import click

from harness.catalog import load_crates
from harness.cli.group import cli, say
from harness.cli.running import need_cargo
from harness.commands import environment
from harness.errors import BuildFailed, UsageError
from harness.matrix import EXIT_DIFFERS
from harness.model import Crate, Dialect, Kind, Profile, Role
from harness.paths import CRATES_TOML, PROBES, ROOT
from harness.probes import skeleton
from harness.probes.build import build_probe, check_published
from harness.probes.cargo import resolve
from harness.probes.registry import releases
from harness.probes.talk import ProbeProcess
from harness.probes.transcript import Transcript
from harness.probes.vetting import vet
from harness.wire.dialects import vocabulary_of

_DIALECTS = [dialect.value for dialect in Dialect if dialect is not Dialect.PACKAGE]


@cli.group()
def new() -> None:
    """Make something new: a probe with its entry in the catalogue.

    Example: iotyet new crate tmq --dialect zmtp
    """


@new.command("crate")
@click.argument("name")
@click.option("--dialect", multiple=True, required=True, type=click.Choice(_DIALECTS), help="What it speaks.")
@click.option("--package", default="", help="The package on the registry, where NAME is another name.")
@click.option("--version", default="", help="Its version; the newest by default.")
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), default=Kind.CLIENT.value, show_default=True)
def new_crate(name: str, dialect: tuple[str, ...], package: str, version: str, kind: str) -> int:
    """Make the probe of a crate and its entry in the catalogue, and build and run it at once.

    Every operation is refused as not written until somebody writes it: its cells are not run, and nobody is blamed.
    Exits with 1 where the crate does not compile: the files stay, and the compiler says why.

    Example: iotyet new crate tmq --dialect zmtp
    """
    need_cargo()
    spoken = tuple(Dialect(text) for text in dict.fromkeys(dialect))
    if len({skeleton.module_of(one) for one in spoken}) > 1:
        raise UsageError(f"one probe speaks dialects of one protocol; {', '.join(spoken)} are of several")
    folder = PROBES / name
    if folder.exists() or any(crate.name == name for crate in load_crates()):
        raise UsageError(f"there is a crate {name!r} already; `iotyet check {name}` says what is known of it")
    crate = _described(name, spoken, package or name, version, Kind(kind))
    catalogue = CRATES_TOML.read_text(encoding="utf-8")
    entered = catalogue + skeleton.catalogue_entry(crate)
    staged = CRATES_TOML.with_suffix(".new")
    try:
        staged.write_text(entered, encoding="utf-8")
        load_crates(staged)
        _write(crate)
        staged.replace(CRATES_TOML)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        staged.unlink(missing_ok=True)
    return _try_out(crate)


def _described(name: str, spoken: tuple[Dialect, ...], package: str, version: str, kind: Kind) -> Crate:
    """The entry of a crate, of which the registry knows version and licence.

    Raises:
        UsageError: there is no such package, or no such version.
    """
    known = releases(package, os.environ)
    plain = [release.version for release in known if release.is_plain]
    if version and version not in [release.version for release in known]:
        raise UsageError(f"there is no {package} {version}; the newest release is {plain[-1] if plain else 'none'}")
    if not version and not plain:
        raise UsageError(f"{package} has previews alone; name one with --version")
    # `full` until it says something: nobody else's run shows a row of cells that are not written.
    crate = Crate(name, Role.CANDIDATE, kind, spoken, package, version or plain[-1], "", profile=Profile.FULL)
    say(f"{package} {crate.version}: how it compiles as published")
    published = check_published(crate, "", say)
    if published.failure:
        say(f"it does not: {published.failure}")
    # To be narrowed to the place that shows it, by whoever says that it is a codec.
    codec_source = skeleton.documentation(crate) if kind is Kind.CODEC else ""
    return replace(crate, licence=published.licence or "not stated", codec_source=codec_source)


def _write(crate: Crate) -> None:
    folder = PROBES / crate.name
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(skeleton.manifest(crate), encoding="utf-8")
    (folder / "src" / "main.rs").write_text(skeleton.source(crate), encoding="utf-8")
    env = environment("")
    resolve(["cargo", "generate-lockfile"], folder, env, f"the probe of {crate.id}")
    with contextlib.suppress(BuildFailed):  # without rustfmt its lines are longer than the others'
        resolve(["cargo", "fmt"], folder, env, f"the probe of {crate.id}")


def _try_out(crate: Crate) -> int:
    """Build the probe and ask it what every probe is asked; say what is left to do."""
    main = PROBES / crate.name / "src" / "main.rs"
    vocabulary = vocabulary_of(crate.dialects[0])
    try:
        built = build_probe(crate, "", say)
    except BuildFailed as error:
        say(f"{crate.id} does not compile: {error.observed}")
        say(f"the files are there: repair its lock file ({main.parents[1]}), as docs/adding-a-crate.md says")
        return EXIT_DIFFERS
    hello = vet(ProbeProcess([built.binary], vocabulary, Transcript(), environment("")), vocabulary)
    operations = ", ".join(operation.name for operation in vocabulary.operations)
    click.echo(
        f"{main.relative_to(ROOT)} compiles and runs against {hello.crate} {hello.version}.\n"
        f"Fill in: {operations}.\n"
        "Each is a method of Probe, and goes into OPS once it is written: rust-probes/WIRE.md says what it has to do,\n"
        f"docs/adding-a-crate.md what else belongs into the entry in {CRATES_TOML.relative_to(ROOT)}.\n"
        f"`iotyet run {crate.name}` shows what is not written as not run, `iotyet check {crate.name}` what follows.\n"
        "The row is in the profile `full` until you take that line out of the entry."
    )
    return 0
