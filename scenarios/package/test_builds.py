"""Does the crate compile, as published and as repaired, and is it the project that the guide links?"""

from __future__ import annotations

from harness.cells.package import PackageCell
from harness.errors import BuildFailed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_CARGO = "https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html"


@scenario(
    Dialect.PACKAGE,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=[_CARGO],
    deadline=3600.0,
)
def test_compiles_as_published(cell: PackageCell) -> None:
    """The crate compiles for a new user.

    Its own manifest, the newest dependencies that it allows, today's compiler, nothing else.
    """
    published = cell.published()
    cell.keep("Cargo.lock", published["lock"])
    if published["failure"]:
        expected = f"{cell.crate.package} {cell.crate.version} compiles with {published['rustc']}"
        raise BuildFailed(published["failure"], expected=expected)


@scenario(
    Dialect.PACKAGE,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=[_CARGO],
    deadline=3600.0,
)
def test_compiles_as_repaired(cell: PackageCell) -> None:
    """The crate compiles with our lock file and the repairs that crates.toml declares."""
    cell.keep("Cargo.lock", cell.repaired()["lock"])


@scenario(
    Dialect.PACKAGE,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=["https://doc.rust-lang.org/cargo/reference/manifest.html#the-repository-field"],
    deadline=3600.0,
)
def test_is_what_the_guide_links(cell: PackageCell) -> None:
    """The package that users get is the project that the guide links.

    The package's manifest names the guide's repository, or the one that crates.toml says the project moved to.
    Of a crate that the guide does not link, it names the one that crates.toml has.
    """
    crate = cell.crate
    moved = crate.moved_to.what if crate.moved_to else ""
    accepted = [link for link in (crate.guide_link, crate.repository, moved) if link]
    repository = cell.published()["repository"] or (crate.git.url if crate.git else "")
    cell.expect(
        not accepted or _plain(repository) in map(_plain, accepted),
        expected=f"the manifest's repository is {' or '.join(accepted)}",
        observed=f"it is {repository or 'not stated'}",
    )


def _plain(link: str) -> str:
    """A repository's address as GitHub compares it: without case, scheme, ending."""
    return link.lower().removeprefix("https://").removeprefix("http://").rstrip("/").removesuffix(".git")
