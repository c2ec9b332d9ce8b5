"""The sentence that says what to use for a protocol does not contradict itself, and calls a codec one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.advice import Advice, Recommendation, decide
from harness.model import Crate, Dialect, Kind, Role
from harness.reasons import Reason
from harness.report.deciding import decision_line

MQTT = Dialect.MQTT_3_1_1
CLIENT = Crate("one", Role.LISTED, Kind.CLIENT, (MQTT,), "one", "1.0.0", "MIT", guide_name="one", guide_link="x")
CODEC = replace(CLIENT, name="packets", package="packets", guide_name="packets", kind=Kind.CODEC)
OTHER = replace(CLIENT, name="two", package="two", guide_name="", guide_link="", role=Role.CANDIDATE)
BAD, CAVEATS, GOOD = Recommendation.NOT_RECOMMENDED, Recommendation.WITH_CAVEATS, Recommendation.RECOMMENDED
IS_CODEC = "packets (a codec: it only encodes and decodes packets)"


def _advice(crate: Crate, given: Recommendation) -> Advice:
    return Advice(crate, MQTT, given, (Reason("so it is"),), ())


@pytest.mark.parametrize(
    ("advices", "line"),
    [
        (
            [_advice(CLIENT, BAD), _advice(CODEC, CAVEATS)],
            "no client recommended; least bad: one 1.0.0, which the guide lists, not recommended: so it is. "
            f"Of the listed: no client; {IS_CODEC}, with caveats.",
        ),
        (
            [_advice(OTHER, GOOD), _advice(CODEC, CAVEATS)],
            "use two 1.0.0, which the guide does not list, recommended: so it is. "
            f"Of the listed: no client; {IS_CODEC}, with caveats.",
        ),
        (
            [_advice(OTHER, GOOD), _advice(CLIENT, CAVEATS), _advice(CODEC, CAVEATS)],
            "use two 1.0.0, which the guide does not list, recommended: so it is. "
            f"Of the listed: one with caveats; {IS_CODEC}, with caveats.",
        ),
        (
            [_advice(CLIENT, GOOD), _advice(CODEC, CAVEATS)],
            "use one 1.0.0, which the guide lists, recommended: so it is. "
            f"Beside it the guide lists {IS_CODEC}, with caveats.",
        ),
        (
            [_advice(CODEC, CAVEATS)],
            "use packets 1.0.0 (a codec: it only encodes and decodes packets), which the guide lists, with caveats: "
            "so it is.",
        ),
        (
            [_advice(CLIENT, BAD), _advice(OTHER, GOOD)],
            "use two 1.0.0, which the guide does not list, recommended: so it is. Of the listed: nothing recommended.",
        ),
        (
            [_advice(CLIENT, BAD)],
            "nothing recommended; least bad: one 1.0.0, which the guide lists, not recommended: so it is.",
        ),
    ],
)
def test_decision_line(advices: list[Advice], line: str) -> None:
    (decision,) = decide(advices)
    assert decision_line(decision) == line
