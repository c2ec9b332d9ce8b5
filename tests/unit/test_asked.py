"""A cell is found by its id and by the address of its page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.asked import parse
from harness.errors import UsageError
from harness.report.addresses import cell_page
from tests.golden import made_up

CELLS = [(next(c for c in made_up.CRATES if c.name == p.key.crate), p.key) for p in made_up.PLAN.cells]


@pytest.mark.parametrize("before", ["https://example.org/run/7/", "file:///somewhere/", "reports/latest/", "/", ""])
@pytest.mark.parametrize("after", ["/index.html", "/", "", "/index.html?x=1#observed"])
def test_the_address_of_a_page_names_its_cell_and_no_other(before: str, after: str) -> None:
    for crate, key in CELLS:
        wanted = parse(before + cell_page(crate, key).removesuffix("/index.html") + after)
        assert (wanted.crate, wanted.peer) == (key.crate, key.peer)
        assert [other for owner, other in CELLS if wanted.is_of(owner, other)] == [key]


def test_an_id_names_its_cell_and_no_other() -> None:
    for _, key in CELLS:
        wanted = parse(str(key))
        assert (wanted.crate, wanted.peer) == (f"{key.crate}@{key.crate_version}", key.peer)
        assert [other for owner, other in CELLS if wanted.is_of(owner, other)] == [key]


def test_parameters_may_have_a_slash() -> None:
    crate, key = CELLS[0]
    odd = replace(key, params="a/b")
    assert parse(str(odd)).is_of(crate, odd)


@pytest.mark.parametrize("text", ["", "rumqttc", "a/b/c", "https://example.org/crate/rumqttc/index.html", "a/b/c@1/d"])
def test_what_names_no_cell_is_told_with_the_two_ways_to_name_one(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no cell: name it as its page does, .* or by the page's address"):
        parse(text)
