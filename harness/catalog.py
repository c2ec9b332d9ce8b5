"""Reads rust-probes/crates.toml and compose/*/lines.toml into the model; their only parser.

A wrong entry is a `ConfigError` that names file, key, what was found and what was expected.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ConfigError, UsageError
from harness.model import BrokerLine, Claim, Crate, Dialect, Duty, GuideLink, Kind, Need, Profile, Role, Suite
from harness.paths import CLAIMS_TOML, COMPOSE, CRATES_TOML

_Shape = TypeVar("_Shape", bound=BaseModel)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
#: What a version starts with that is the source in a folder.
FOLDER = "path:"
_REVISION = re.compile(r"[0-9a-f]{40}")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _CratesFile(_Entry):
    crate: list[Crate] = Field(min_length=1)


class _Line(_Entry):
    line: str
    profile: Profile
    image: str = Field(pattern=r"^[^:]+:[^:]+$", description="official image with its tag")
    recipe: str = Field(description="Dockerfile for the local build, beside this file; empty where there is none")
    suite: Suite | None = Field(default=None, description="release of Debian that the recipe builds on")
    version_prefix: str
    jars: str = ""
    maintained_by: str = Field(description="who still repairs this release; empty where nobody does")


class _LinesFile(_Entry):
    dialects: list[Dialect] = Field(min_length=1)
    line: list[_Line] = Field(min_length=1)


def load_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary.

    Raises:
        ConfigError: it is missing or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(path, "the file", f"is not UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise ConfigError(path, "the file", f"cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "the file", f"is no valid TOML: {error}") from error


def parse(path: Path, shape: type[_Shape], document: dict[str, Any]) -> _Shape:
    """`document` as `shape`; the first thing that is wrong becomes a ConfigError."""
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(path, _key(document, first["loc"]), _problem(first)) from error


def _key(document: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """`crate[2] (rumqtt).kind` for a location in the document."""
    text, node = "", document
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
        try:
            node = node[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            continue
        if isinstance(part, int) and isinstance(node, dict) and "name" in node:
            text += f" ({node['name']})"
    return text


def _problem(error: Any) -> str:
    kind, found = error["type"], error.get("input")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is no known key; see docs/adding-a-crate.md for the keys"
    if kind == "missing":
        return "is missing"
    return f"is {found!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def load_crates(path: Path = CRATES_TOML) -> tuple[Crate, ...]:
    """All crates, in the file's order, which is the guide's.

    Raises:
        ConfigError: an entry is wrong.
    """
    crates = parse(path, _CratesFile, load_toml(path)).crate
    names = [crate.name for crate in crates]
    for index, crate in enumerate(crates):
        for key, wrong, problem in _crate_rules(crate, names[:index]):
            if wrong:
                raise ConfigError(path, f"crate[{index}] ({crate.name}).{key}", problem)
    return tuple(crates)


def _crate_rules(crate: Crate, earlier: list[str]) -> Iterable[tuple[str, bool, str]]:
    """What types cannot say: key, whether it is wrong, and what was expected."""
    yield "name", crate.name in earlier, "is used twice; every crate has a name of its own"
    yield "name", not _NAME.fullmatch(crate.name), f"is {crate.name!r}; expected lower case letters, digits, - and _"
    yield "dialects", not crate.dialects, "is empty; expected at least one dialect"
    yield "version", not _VERSION.match(crate.version), f"is {crate.version!r}; expected MAJOR.MINOR.PATCH"
    yield "role", crate.role is Role.VERSION, "is the harness's own; other versions go into also_versions"
    yield "path", bool(crate.path), "is the harness's own; `iotyet check NAME --path DIR` measures a folder"
    strange_versions = [text for text in crate.also_versions if not _VERSION.match(text) or text == crate.version]
    yield (
        "also_versions",
        bool(strange_versions),
        f"has {strange_versions}; expected MAJOR.MINOR.PATCH, others than version",
    )
    fixed = crate.git is not None or bool(crate.command)
    yield (
        "also_versions",
        fixed and bool(crate.also_versions),
        "is there; only crates of the registry have other versions",
    )
    listed = crate.role is Role.LISTED
    yield "guide_name", listed and not crate.guide_name, "is missing; a listed crate has the name that the guide uses"
    yield "guide_link", listed and not crate.guide_link, "is missing; a listed crate has the link that the guide gives"
    codec = crate.kind is Kind.CODEC
    yield "codec_source", codec and not crate.codec_source, "is missing; a codec has a page that shows that it is one"
    control = crate.role is Role.CONTROL
    yield "command", control and not crate.command, "is missing; a control has the command that starts its probe"
    strange = [entry.what for entry in crate.left_to_application if entry.what not in list(Duty)]
    yield "left_to_application", bool(strange), f"has {strange}; expected {' or '.join(Duty)}"
    strange = [entry.what for entry in crate.left_to_handler if entry.what not in list(Need)]
    yield "left_to_handler", bool(strange), f"has {strange}; expected one of {', '.join(Need)}"
    if crate.git is not None:
        yield "git.rev", not _REVISION.fullmatch(crate.git.rev), f"is {crate.git.rev!r}; expected a full commit hash"
        yield "may_be_unreachable", not crate.may_be_unreachable, "is missing; a git source needs the reason here"
    for key, statements in (("repairs", crate.repairs), ("unsupported", crate.unsupported)):
        for statement in statements:
            incomplete = not (statement.what and statement.reason and statement.source)
            yield key, incomplete, f"{statement.what!r} needs what, reason and source"


class _ClaimsFile(_Entry):
    guide: str
    claim: list[Claim] = Field(min_length=1)
    not_a_crate: list[GuideLink] = []


def load_claims(path: Path = CLAIMS_TOML) -> tuple[Claim, ...]:
    """What the guide claims, in its order, each with the address of its line.

    Raises:
        ConfigError: an entry is wrong.
    """
    file = parse(path, _ClaimsFile, load_toml(path))
    names = {crate.name for crate in load_crates()}
    for index, claim in enumerate(file.claim):
        key = f"claim[{index}] ({claim.id})"
        ways = [bool(way) for way in (claim.crate, claim.builds, claim.protocols, claim.untested)]
        if sum(ways) != 1:
            raise ConfigError(path, key, "has to have one of crate, builds, protocols and untested")
        if claim.crate and claim.crate not in names:
            raise ConfigError(path, f"{key}.crate", f"is {claim.crate!r}, which the catalogue does not have")
    return tuple(replace(claim, source=f"{file.guide}?plain=1#L{claim.line}") for claim in file.claim)


def load_guide_links(path: Path = CLAIMS_TOML) -> tuple[GuideLink, ...]:
    """Links of the guide that are declared to lead to no crate.

    Raises:
        ConfigError: an entry is wrong.
    """
    return tuple(parse(path, _ClaimsFile, load_toml(path)).not_a_crate)


#: Peers of protocols without a broker; each release of the reference is a line, as releases of brokers are.
_REFERENCES = (((Dialect.ZMTP,), "pyzmq"), ((Dialect.COAP_CLIENT, Dialect.COAP_SERVER), "aiocoap"))


def load_peers() -> tuple[BrokerLine, ...]:
    """All broker lines, and the references that play the other side where a protocol has no broker.

    Raises:
        ConfigError: an entry is wrong.
    """
    references = tuple(
        BrokerLine(
            broker=package,
            line=_release_line(version(package)),
            profile=Profile.CI,
            dialects=dialects,
            image="",
            recipe="",
            version_prefix="",
        )
        for dialects, package in _REFERENCES
    )
    return load_lines() + references


def _release_line(number: str) -> str:
    """The part of a version that stays while nothing is broken: 27 of 27.3.0, 0.4 of 0.4.17."""
    major, minor, *_ = number.split(".")
    return major if major != "0" else f"{major}.{minor}"


def load_lines(folder: Path = COMPOSE) -> tuple[BrokerLine, ...]:
    """All broker lines, in the order of their files and entries.

    Raises:
        ConfigError: an entry is wrong.
    """
    lines = []
    for path in sorted(folder.glob("*/lines.toml")):
        file = parse(path, _LinesFile, load_toml(path))
        for entry in file.line:
            if entry.recipe and not (path.parent / entry.recipe).is_file():
                raise ConfigError(path, f"line {entry.line}.recipe", f"there is no file {entry.recipe} beside it")
            if entry.recipe and entry.suite is None:
                suites = " or ".join(Suite)
                problem = f"is missing; a recipe builds on a release of Debian: {suites}"
                raise ConfigError(path, f"line {entry.line}.suite", problem)
            if entry.suite is not None and not entry.recipe:
                problem = f"is {entry.suite.value!r}, and the line has no recipe that would build on it"
                raise ConfigError(path, f"line {entry.line}.suite", problem)
            lines.append(
                BrokerLine(
                    broker=path.parent.name,
                    line=entry.line,
                    profile=entry.profile,
                    dialects=tuple(file.dialects),
                    image=entry.image,
                    recipe=entry.recipe,
                    version_prefix=entry.version_prefix,
                    suite=entry.suite,
                    jars=entry.jars,
                    maintained_by=entry.maintained_by,
                )
            )
    return tuple(lines)


def pick_crates(crates: Iterable[Crate], names: Iterable[str]) -> tuple[Crate, ...]:
    """The crates that `names` ask for, each NAME, NAME@VERSION or NAME@path:DIR; all where there are none.

    Raises:
        UsageError: a name is unknown, a version is none, or the crate cannot be had in another version.
    """
    known = {crate.name: crate for crate in crates}
    wanted = list(names)
    if not wanted:
        return tuple(known.values())
    picked = []
    for text in wanted:
        name, _, version = text.partition("@")
        crate = known.get(name)
        if crate is None:
            raise UsageError(_unknown("crate", name, known))
        picked.append(crate if version in ("", crate.version) else _another(crate, version))
    return tuple(picked)


def _another(crate: Crate, version: str) -> Crate:
    if version.startswith(FOLDER):
        return _from_folder(crate, Path(version.removeprefix(FOLDER)).resolve())
    if not _VERSION.match(version):
        raise UsageError(f"{version!r} is no version; expected {crate.name}@MAJOR.MINOR.PATCH, such as {crate.id}")
    if crate.git is not None or crate.command:
        raise UsageError(f"{crate.name} can only be had as {crate.id}: it does not come from the registry")
    return crate.at(version)


def _from_folder(crate: Crate, folder: Path) -> Crate:
    try:
        package = load_toml(folder / "Cargo.toml").get("package", {})
    except ConfigError as error:
        raise UsageError(f"{folder} has no source of a crate: {error}") from error
    if package.get("name") != crate.package:
        raise UsageError(f"{folder} has the package {package.get('name')!r}; {crate.name} is {crate.package!r}")
    if not isinstance(package.get("version"), str):
        raise UsageError(f"{folder / 'Cargo.toml'} states no version of its own; name the folder of a whole package")
    return crate.from_path(str(folder), package["version"])


def covered(crates: Iterable[Crate], profile: Profile) -> tuple[Crate, ...]:
    """The rows of a run of `profile`: its crates, and in a full one their other versions after them."""
    own = tuple(crate for crate in crates if profile.covers(crate.profile))
    if not profile.covers(Profile.FULL):
        return own
    return own + tuple(crate.at(version) for crate in own for version in crate.also_versions)


def pick_lines(lines: Iterable[BrokerLine], names: Iterable[str], profile: Profile) -> tuple[BrokerLine, ...]:
    """The lines that `names` ask for, each BROKER or BROKER@LINE; those of `profile` where there are none.

    Raises:
        UsageError: a name is unknown.
    """
    known = tuple(lines)
    wanted = list(names)
    if not wanted:
        return tuple(line for line in known if profile.covers(line.profile))
    picked: list[BrokerLine] = []
    for text in wanted:
        matching = [line for line in known if text in (line.broker, line.id)]
        if not matching:
            raise UsageError(_unknown("broker", text, [line.id for line in known] + [line.broker for line in known]))
        picked += [
            line for line in matching if line not in picked and (text == line.id or profile.covers(line.profile))
        ]
    return tuple(picked)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"there is no {what} {name!r}; {guess}`iotyet list {what}s` shows all: {', '.join(names)}"
