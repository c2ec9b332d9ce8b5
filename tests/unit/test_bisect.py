"""Since when something fails: every history, and versions of which nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect import Since, since

VERSIONS = [f"{number}.0.0" for number in range(1, 9)]


def _found(histories: Mapping[str, str]) -> tuple[dict[str, Since[str]], list[str]]:
    """Bisect histories, one letter a version: `x` fails, `.` does not, `?` nobody can tell. Also what was measured."""
    versions = VERSIONS[: len(next(iter(histories.values())))]
    measured: list[str] = []

    def measure(version: str, things: frozenset[str]) -> dict[str, bool | None]:
        measured.extend(f"{thing} {version}" for thing in things)
        letters = {"x": True, ".": False, "?": None}
        return {thing: letters[histories[thing][versions.index(version)]] for thing in things}

    return {entry.thing: entry for entry in since(versions, histories, measure)}, measured


@pytest.mark.parametrize(
    ("history", "version", "not_in", "unknown"),
    [
        ("x", "1.0.0", "", ()),
        ("xxxxxxxx", "1.0.0", "", ()),
        (".......x", "8.0.0", "7.0.0", ()),
        (".xxxxxxx", "2.0.0", "1.0.0", ()),
        ("....xxxx", "5.0.0", "4.0.0", ()),
        ("....?xxx", "6.0.0", "4.0.0", ("5.0.0",)),
        ("??xxxxxx", "3.0.0", "", ("1.0.0", "2.0.0")),
        ("??.xxxxx", "4.0.0", "3.0.0", ()),
        ("???????x", "8.0.0", "", tuple(VERSIONS[:7])),
        (".??????x", "8.0.0", "1.0.0", tuple(VERSIONS[1:7])),
    ],
)
def test_the_beginning_is_found(history: str, version: str, not_in: str, unknown: tuple[str, ...]) -> None:
    found, _ = _found({"a": history})
    assert found == {"a": Since("a", version, not_in, unknown)}


@given(st.lists(st.tuples(st.integers(0, 7), st.sets(st.integers(0, 6))), min_size=1, max_size=6))
def test_several_things_are_asked_together_and_none_twice(made: list[tuple[int, set[int]]]) -> None:
    histories = {
        f"thing{number}": "".join(
            "?" if index in unknown else "x" if index >= begin else "." for index in range(len(VERSIONS))
        )
        for number, (begin, unknown) in enumerate(made)
    }
    found, measured = _found(histories)
    assert len(measured) == len(set(measured))
    for thing, history in histories.items():
        entry = found[thing]
        known = [(version, letter) for version, letter in zip(VERSIONS, history, strict=True) if letter != "?"]
        assert entry.version == next(version for version, letter in known if letter == "x")
        assert entry.not_in == next((version for version, letter in reversed(known) if letter == "."), "")


def test_a_long_history_takes_few_versions() -> None:
    _, measured = _found({"a": "...xxxxx", "b": "xxxxxxxx"})
    assert len([entry for entry in measured if entry.startswith("a")]) <= 4
    assert measured.count("b 1.0.0") == len([entry for entry in measured if entry.startswith("b")])
