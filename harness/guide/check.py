"""Whether the guide and the catalogue list the same crates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.guide.links import Link, package, place
from harness.model import Crate, GuideLink, Role


@dataclass(frozen=True)
class Difference:
    """What differs at a line of the page, or about a crate; the other one is empty."""

    line: int | None
    crate: str
    text: str

    def __str__(self) -> str:
        return f"{self.crate or f'line {self.line}'}: {self.text}"


def places_of(crate: Crate) -> frozenset[str]:
    """Every place at which a crate is known to be; a reference client is at none of a guide to crates."""
    if crate.role is Role.CONTROL:
        return frozenset()
    addresses = [crate.guide_link, crate.repository]
    addresses += [crate.moved_to.what] if crate.moved_to else []
    addresses += [crate.git.url] if crate.git else []
    return frozenset({package(crate.package), *filter(None, map(place, addresses))})


def by_place(crates: Iterable[Crate]) -> Mapping[str, Crate]:
    """The crate at each place; where two share a repository, the one that the guide lists."""
    ranked = sorted(crates, key=lambda crate: crate.role is Role.LISTED)
    return {where: crate for crate in ranked for where in places_of(crate)}


def check(links: Sequence[Link], crates: Sequence[Crate], others: Iterable[GuideLink]) -> Iterator[Difference]:
    """What differs; nothing where guide and catalogue agree.

    Args:
        links: of the guide's page.
        crates: the catalogue.
        others: links of the page that are declared to lead to no crate.
    """
    known, elsewhere = by_place(crates), {place(other.link) for other in others}
    namesakes = {package(crate.namesake.what): crate for crate in crates if crate.namesake}
    for link in links:
        where = place(link.href)
        crate, namesake = known.get(where), namesakes.get(where)
        if not where or where in elsewhere:
            continue
        if crate is None and namesake is not None and namesake.namesake is not None:
            text = f"{link.href} is not {namesake.name}: {namesake.namesake.reason}"
            yield Difference(link.line, "", text)
        elif crate is None:
            text = (
                f"{link.href} has no entry in rust-probes/crates.toml: add the crate "
                "(docs/adding-a-crate.md), or declare in guide/claims.toml that it is none"
            )
            yield Difference(link.line, "", text)
        elif crate.role is Role.CANDIDATE:
            yield Difference(link.line, "", f"{link.href} is the candidate {crate.name}: its role is listed now")
    linked = {place(link.href) for link in links}
    for crate in crates:
        if crate.role is Role.LISTED and not linked & places_of(crate):
            yield Difference(None, crate.name, f"the page no longer links it; it was {crate.guide_link}")
