"""A state without a style is a failing test, and no two states look alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.matrix import State
from harness.model import Requirement, Verdict
from harness.report import html
from harness.report.states import LOOKS, look_of, wording

STYLE = (Path(html.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")


def _colours() -> list[dict[str, str]]:
    """The variables of the light and of the dark scheme."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.S)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block)) for block in blocks]


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_every_state_has_a_look_and_a_style() -> None:
    assert set(LOOKS) == set(State)
    for look in LOOKS.values():
        assert f".s-{look.css} {{" in STYLE
        assert f'.matrix td.s-{look.css} > *::before {{ content: "{look.glyph} ";' in STYLE
        assert look.meaning.endswith(".")


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_look(verdict: Verdict) -> None:
    assert look_of(verdict).word


def test_states_differ_in_glyph_and_word_and_class() -> None:
    for name in ("glyph", "word", "css"):
        assert len({getattr(look, name) for look in LOOKS.values()}) == len(LOOKS)


def test_only_pass_is_green_and_our_fault_is_not_the_crates() -> None:
    assert [state for state, look in LOOKS.items() if look.colour == "green"] == [State.PASS]
    crates = {look.colour for look in LOOKS.values() if look.whose == "the crate's matter"}
    assert LOOKS[State.BROKEN].colour not in crates
    assert LOOKS[State.BROKEN].whose == "our matter"


def test_contrast_in_light_and_dark() -> None:
    light, dark = _colours()
    for scheme in (light, dark):
        pairs = [(name, f"{name}-fg") for name in scheme if f"{name}-fg" in scheme]
        pairs += [(ground, text) for ground in ("bg", "panel") for text in ("fg", "soft", "link")]
        assert len(pairs) > 12
        for ground, text in pairs:
            assert _contrast(scheme[ground], scheme[text]) >= 4.5, (ground, text)


def test_wording_follows_the_clause() -> None:
    assert "violates" in wording(Verdict.FAIL, Requirement.MUST)
    assert "departs" in wording(Verdict.TIMEOUT, Requirement.SHOULD)
    assert "lacks" in wording(Verdict.CRASH, Requirement.PRACTICE)
    assert not wording(Verdict.BROKEN, Requirement.MUST)
    assert not wording(Verdict.PASS, Requirement.MUST)
