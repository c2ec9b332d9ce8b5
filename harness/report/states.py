"""How each state looks and what it means: the one table that every format reads."""

from __future__ import annotations

from dataclasses import dataclass

from harness.advice import Recommendation
from harness.claims import Status
from harness.matrix import State
from harness.model import Requirement, Verdict


@dataclass(frozen=True)
class Look:
    """A state as people meet it: never by colour alone.

    `word` fits into a table cell, `css` is a class of style.css, `colour` is a style of rich.
    """

    glyph: str
    word: str
    css: str
    colour: str
    meaning: str
    whose: str


_CRATE, _OURS, _NOBODY = "the crate's matter", "our matter", "nobody's matter"

LOOKS: dict[State, Look] = {
    State.PASS: Look("✔", "pass", "pass", "green", "What the scenario states was observed.", ""),
    State.PARTIAL: Look(
        "◐", "partial", "partial", "yellow", "Every core cell passes, some other cell of the crate does not.", _CRATE
    ),
    State.FAIL: Look("✖", "fail", "fail", "red", "Something else than what the scenario states was observed.", _CRATE),
    State.TIMEOUT: Look(
        "◷", "timeout", "timeout", "red", "The crate did not finish within the scenario's fixed deadline.", _CRATE
    ),
    State.CRASH: Look(
        "✶", "crash", "crash", "red", "The process that uses the crate died: panic, signal or exit.", _CRATE
    ),
    State.BUILD_FAILED: Look(
        "⚒", "no build", "build", "red", "The crate's own source does not compile as declared.", _CRATE
    ),
    State.UNSUPPORTED: Look(
        "∅", "unsupported", "unsupported", "magenta", "The crate lacks a feature that its kind should have.", _CRATE
    ),
    State.BROKEN: Look(
        "⚠",
        "our fault",
        "broken",
        "cyan",
        "The broker, the reference client or this project failed, so nothing is said about the crate.",
        _OURS,
    ),
    State.UNAVAILABLE: Look(
        "◌",
        "unavailable",
        "unavailable",
        "cyan",
        "A source or a broker could not be obtained on the machine of this run.",
        _NOBODY,
    ),
    State.NOT_RUN: Look(
        "?", "not run", "notrun", "dim", "Not selected, not written yet, or the run ended before it.", _NOBODY
    ),
    State.NOT_APPLICABLE: Look(
        "–", "n/a", "na", "dim", "Cannot be asked of a crate of this kind, or of this release of the broker.", _NOBODY
    ),
}

#: How an advice looks; the words are the advice.
ADVICE: dict[Recommendation, Look] = {
    Recommendation.RECOMMENDED: Look(
        "✔", "recommended", "pass", "green", "Every core cell passes, and nothing else that is red costs messages.", ""
    ),
    Recommendation.WITH_CAVEATS: Look(
        "◐", "with caveats", "partial", "yellow", "Every core cell passes; the caveats say what else to know.", _CRATE
    ),
    Recommendation.NOT_RECOMMENDED: Look(
        "✖",
        "not recommended",
        "fail",
        "red",
        "It does not compile as published, or a core cell or security fails.",
        _CRATE,
    ),
    Recommendation.UNKNOWN: Look(
        "?", "unknown", "notrun", "dim", "Core cells were not measured, or could not be judged.", _NOBODY
    ),
    Recommendation.RETIRED: Look(
        "⊘", "retired", "build", "red", "Its repository is archived, or its author names a successor.", _CRATE
    ),
}

#: How a claim of the guide looks.
CLAIMS: dict[Status, Look] = {
    Status.BACKED: Look("✔", "backed", "pass", "green", "What was measured bears the guide out.", ""),
    Status.CAVEATS: Look(
        "◐", "backed with caveats", "partial", "yellow", "It holds, with what the reasons say.", _CRATE
    ),
    Status.CONTRADICTED: Look("✖", "contradicted", "fail", "red", "What was measured speaks against it.", _CRATE),
    Status.UNTESTED: Look("?", "untested", "notrun", "dim", "Nothing was measured that would decide it.", _NOBODY),
}

#: Beside a state, where attempts at the same cell came to different verdicts.
FLAKY_GLYPH, FLAKY_MEANING = "≈", "Attempts at the same cell differed; the worst one counts."

#: How a red cell may be worded, by who asks for what the scenario states.
_WORDING = {
    Requirement.MUST: "The specification says MUST: the crate violates it.",
    Requirement.SHOULD: "The specification says SHOULD: the crate departs from it.",
    Requirement.MAY: "The specification says MAY: the crate lacks it.",
    Requirement.PRACTICE: "No clause asks for it, but users rely on it: the crate lacks it.",
}


def look_of(verdict: Verdict) -> Look:
    """How a single cell's verdict looks."""
    return LOOKS[State(verdict.value)]


def wording(verdict: Verdict, requirement: Requirement) -> str:
    """What a red cell means in the words of the clause; empty for other cells."""
    return _WORDING[requirement] if verdict.is_red and verdict is not Verdict.BUILD_FAILED else ""
