"""The sentence that says what to use for a protocol."""

from __future__ import annotations

from harness.advice import Advice, Decision, Recommendation
from harness.model import Crate, Kind, Role
from harness.report.states import ADVICE
from harness.report.text import one_line
from harness.report.words import label, title


def decision_line(decision: Decision) -> str:
    """What to use for a dialect, and one reason: `use x 1.2, which the guide does not list, with caveats: …`.

    A codec is called one wherever it is named, because who looks for a client cannot use it as it is.
    """
    best = decision.best
    codecs = [advice for advice in decision.listed if advice.crate.kind is Kind.CODEC]
    clients = [advice for advice in decision.listed if advice.crate.kind is not Kind.CODEC]
    is_listed = best.crate.role is Role.LISTED
    role = "lists" if is_listed else "does not list"
    who = f"{_as_codec(best.crate, label(best.crate))}, which the guide {role}"
    if best.recommendation.is_usable:
        said = f"use {who}, {ADVICE[best.recommendation].word}: {first_reason(best)}"
    elif best.recommendation is Recommendation.UNKNOWN:
        said = f"unknown; {who}: {first_reason(best)}"
    else:
        none = "no client" if codecs else "nothing"
        said = f"{none} recommended; least bad: {who}, {best.recommendation}: {first_reason(best)}"
    listed = [f"{title(advice.crate)} {advice.recommendation}" for advice in clients]
    if not clients and codecs and not (best.recommendation.is_usable and is_listed):
        listed.append("no client")
    elif not clients and not codecs and best.recommendation.is_usable and not is_listed:
        listed.append("nothing recommended")
    listed += [f"{_as_codec(advice.crate, title(advice.crate))}, {advice.recommendation}" for advice in codecs]
    # What the guide lists first is no part of "the listed" any more.
    intro = "Of the listed:" if not is_listed or not best.recommendation.is_usable else "Beside it the guide lists"
    return f"{said}. {intro} {'; '.join(listed)}." if listed else f"{said}."


def _as_codec(crate: Crate, name: str) -> str:
    """The crate's name, and what it is where it is no client."""
    if crate.kind is not Kind.CODEC:
        return name
    return f"{name} (a codec: it only encodes and decodes packets)"


def first_reason(advice: Advice) -> str:
    """An advice's first reason, and how many more there are."""
    more = len(advice.reasons) - 1
    return one_line(advice.reasons[0].text, 160) + (f", and {more} more" if more else "")
