"""The advice follows its rules, whatever the cells are."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.advice import Advice, Recommendation, advise, decide, overall
from harness.advisories import Advisories, Advisory
from harness.matrix import Matrix
from harness.model import (
    NO_PEER,
    Attempt,
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Kind,
    Level,
    Profile,
    Requirement,
    Role,
    Scenario,
    Sourced,
    Verdict,
)
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate
from harness.wellformed import Finding, OracleRecord, WireJudgement, WireVerdict

MQTT = Dialect.MQTT_3_1_1
RUN = RunInfo("r", "2026-11-22T10:11:12Z", "default", "", "", False, {}, {}, "1")
NEW = BrokerLine("mosquitto", "2.0", Profile.CI, (MQTT,), "image:1", "", "2.0.", maintained_by="somebody")
OLD = replace(NEW, line="1.4", maintained_by="")
CRATE = Crate("one", Role.LISTED, Kind.CLIENT, (MQTT,), "one", "1.0.0", "MIT", guide_name="one", guide_link="x")
PUBLISHED = Scenario(
    "compiles_as_published",
    Dialect.PACKAGE,
    "builds",
    "base",
    Level.CORE,
    Requirement.PRACTICE,
    Consequence.INTEROP,
    "It compiles.",
)


def _scenario(
    name: str,
    level: Level = Level.CORE,
    consequence: Consequence = Consequence.INTEROP,
    capability: str = "base",
) -> Scenario:
    return Scenario(name, MQTT, "group", capability, level, Requirement.MUST, consequence, f"It {name}.")


def _matrix(
    *cells: tuple[Scenario, Verdict],
    crate: Crate = CRATE,
    line: BrokerLine = NEW,
    oracle: OracleRecord | None = None,
    advisories: Advisories | None = None,
    **more: object,
) -> Matrix:
    """A run of one crate in which these cells, and a core one that passes, were measured.

    Advisories were looked up where there are any, of that crate.
    """
    results = []
    every = [(PUBLISHED, Verdict.PASS), (_scenario("works"), Verdict.PASS), *cells]
    scenarios = {(scenario.dialect, scenario.id): scenario for scenario, _ in every}
    last = {(scenario.dialect, scenario.id): verdict for scenario, verdict in every}
    for (dialect, name), verdict in last.items():
        peer = NO_PEER if dialect is Dialect.PACKAGE else (NEW.id if name == "works" else line.id)
        key = CellKey(dialect, name, "", crate.name, crate.version, peer)
        result = CellResult(key, verdict, f"said of {name}", 1.0, ())
        results.append(replace(result, **more) if name not in ("works", PUBLISHED.id) else result)  # type: ignore[arg-type]
    plan = Plan(
        crates=(crate,),
        lines=(NEW, OLD),
        scenarios=tuple(scenarios.values()),
        cells=tuple(PlannedCell(result.key, True, "") for result in results),
        expectations=(),
    )
    builds = {f"published-{crate.handle}": {"advisories": asdict(advisories)}} if advisories else {}
    return tabulate(replace(RUN, builds=builds), plan, results, oracle)


def _only(matrix: Matrix) -> Advice:
    (advice,) = advise(matrix)
    return advice


EXTENDED, CAVEATS = Level.EXTENDED, Recommendation.WITH_CAVEATS
RULES = [
    # what is wrong, the advice, a part of its first reason
    (PUBLISHED, Verdict.BUILD_FAILED, Recommendation.NOT_RECOMMENDED, "does not compile as published"),
    (_scenario("fails"), Verdict.FAIL, Recommendation.NOT_RECOMMENDED, "It fails"),
    (_scenario("hangs"), Verdict.TIMEOUT, Recommendation.NOT_RECOMMENDED, "It hangs"),
    (_scenario("dies"), Verdict.CRASH, Recommendation.NOT_RECOMMENDED, "It dies"),
    (_scenario("lacks"), Verdict.UNSUPPORTED, Recommendation.NOT_RECOMMENDED, "said of lacks"),
    (
        _scenario("trusts", consequence=Consequence.SECURITY, capability="tls"),
        Verdict.FAIL,
        Recommendation.NOT_RECOMMENDED,
        "It trusts",
    ),
    (
        _scenario("trusts", EXTENDED, Consequence.SECURITY),
        Verdict.FAIL,
        Recommendation.NOT_RECOMMENDED,
        "It trusts",
    ),
    (_scenario("breaks"), Verdict.BROKEN, Recommendation.UNKNOWN, "through our fault"),
    (_scenario("is_away"), Verdict.UNAVAILABLE, Recommendation.UNKNOWN, "on this machine"),
    (_scenario("waits"), Verdict.NOT_RUN, Recommendation.UNKNOWN, "did not run"),
    (_scenario("loses", EXTENDED, Consequence.LOSS), Verdict.FAIL, CAVEATS, "It loses"),
    (_scenario("hangs", EXTENDED, Consequence.HANG), Verdict.TIMEOUT, CAVEATS, "It hangs"),
    (_scenario("doubles", Level.CORE, Consequence.DUPLICATE, "x"), Verdict.FAIL, CAVEATS, "It doubles"),
    (_scenario("has_no_tls", EXTENDED, Consequence.SECURITY), Verdict.UNSUPPORTED, CAVEATS, "said of has_no"),
    (_scenario("annoys", EXTENDED, Consequence.CONVENIENCE), Verdict.FAIL, Recommendation.RECOMMENDED, "core cell"),
    (_scenario("lacks", EXTENDED, Consequence.LOSS), Verdict.UNSUPPORTED, Recommendation.RECOMMENDED, "core cell"),
    (_scenario("is_away", EXTENDED), Verdict.UNAVAILABLE, Recommendation.RECOMMENDED, "core cell"),
    (_scenario("cannot_be_asked"), Verdict.NOT_APPLICABLE, Recommendation.RECOMMENDED, "core cell"),
]  # fmt: skip


@pytest.mark.parametrize(("scenario", "verdict", "recommendation", "said"), RULES)
def test_rule(scenario: Scenario, verdict: Verdict, recommendation: Recommendation, said: str) -> None:
    advice = _only(_matrix((scenario, verdict)))
    assert advice.recommendation is recommendation
    assert said in advice.reasons[0].text


def test_what_passes_is_recommended() -> None:
    advice = _only(_matrix())
    assert advice.recommendation is Recommendation.RECOMMENDED
    assert [reason.text for reason in advice.reasons] == ["all 1 core cell pass"]
    assert any("advisories is unknown" in reason.text for reason in advice.limits), "not looked up is never clean"


def test_a_retired_crate_is_retired_however_well_it_works() -> None:
    crate = replace(CRATE, retired=Sourced("two", "it is archived", "https://example.org"))
    advice = _only(_matrix(crate=crate))
    assert advice.recommendation is Recommendation.RETIRED
    assert (advice.reasons[0].text, advice.reasons[0].source) == (
        "it is archived; its successor is two",
        "https://example.org",
    )


def test_a_codec_has_a_caveat() -> None:
    advice = _only(_matrix(crate=replace(CRATE, kind=Kind.CODEC, codec_source="https://example.org/codec")))
    assert advice.recommendation is Recommendation.WITH_CAVEATS
    assert [reason.source for reason in advice.reasons] == ["https://example.org/codec"]


def test_other_settings_are_a_caveat() -> None:
    advice = _only(_matrix((_scenario("sends"), Verdict.PASS), options=("limit = 2 MiB (default 1 KiB, page)",)))
    assert advice.recommendation is Recommendation.WITH_CAVEATS
    assert advice.reasons[0].text == "measured with limit = 2 MiB, which is not its default"


def test_a_flaky_core_cell_is_unknown() -> None:
    advice = _only(_matrix((_scenario("wobbles"), Verdict.PASS), flaky=True))
    assert advice.recommendation is Recommendation.UNKNOWN


def test_a_release_line_that_nobody_maintains_only_limits() -> None:
    advice = _only(_matrix((_scenario("fails"), Verdict.FAIL), line=OLD))
    assert advice.recommendation is Recommendation.RECOMMENDED
    assert any("It fails" in reason.text for reason in advice.limits)


def test_a_reason_says_where_the_same_passes() -> None:
    both = _matrix((_scenario("fails"), Verdict.FAIL), (_scenario("speaks"), Verdict.PASS))
    fine = replace(both.rows[0].cells[-2].result, key=replace(both.rows[0].cells[-2].key, peer=OLD.id))
    plan = Plan(
        crates=(CRATE,),
        lines=(NEW, OLD),
        scenarios=both.scenarios,
        cells=tuple(PlannedCell(key, True, "") for key in (*(c.key for c in both.cells), fine.key)),
        expectations=(),
    )
    results = [cell.result for cell in both.cells] + [replace(fine, verdict=Verdict.PASS)]
    advice = _only(tabulate(RUN, plan, results))
    assert advice.reasons[0].text.endswith("(1 cell, interop, on mosquitto@2.0; passes on mosquitto@1.4)")


def _with_one_defect(*scenarios: Scenario) -> Advice:
    """The advice about a crate that fails all of these for the same cause."""
    matrix = _matrix(*((scenario, Verdict.FAIL) for scenario in scenarios))
    names = {scenario.id for scenario in scenarios}
    known = tuple(
        Expectation(cell.key, Verdict.FAIL, "", "because", "2027-01-01", defect="it does wrong")
        for cell in matrix.cells
        if cell.key.scenario in names
    )
    plan = Plan((CRATE,), (NEW,), matrix.scenarios, tuple(PlannedCell(c.key, True, "") for c in matrix.cells), known)
    results = [replace(cell.result, change=Change.AS_EXPECTED) for cell in matrix.cells]
    return _only(tabulate(RUN, plan, results))


def test_cells_of_one_defect_are_one_reason_which_says_what_they_cost_the_most_frequent_first() -> None:
    costs = (Consequence.INTEROP, Consequence.LOSS, Consequence.HANG, Consequence.HANG)
    advice = _with_one_defect(*(_scenario(f"{cost}_{n}", consequence=cost) for n, cost in enumerate(costs)))
    assert [reason.text for reason in advice.reasons] == ["it does wrong (4 cells, hang, loss and interop)"]
    assert len(advice.reasons[0].cells) == 4


def test_what_several_rules_find_of_one_defect_is_told_once() -> None:
    advice = _with_one_defect(
        _scenario("fails"),
        _scenario("annoys", EXTENDED, Consequence.CONVENIENCE),
        _scenario("loses", EXTENDED, Consequence.LOSS),
    )
    assert [reason.text for reason in advice.reasons] == ["it does wrong (1 cell, interop)"]
    besides = [reason for reason in advice.limits if reason.cause]
    assert [reason.text for reason in besides] == ["it does wrong (2 cells, loss and convenience)"]
    assert {key.scenario for key in besides[0].cells} == {"annoys", "loses"}


def test_a_feature_that_is_missing_is_told_once() -> None:
    """By its name, though one rule is about what secures and another about the rest."""
    lacking = [
        (replace(_scenario(name, EXTENDED, cost), features=features), Verdict.UNSUPPORTED)
        for name, cost, features in (
            ("keeps_secret", Consequence.SECURITY, ("keys",)),
            ("names", Consequence.INTEROP, ("keys",)),
            ("signs", Consequence.INTEROP, ("keys", "signatures")),
        )
    ]
    why = "it knows of no cryptography"
    crate = replace(CRATE, unsupported=tuple(Sourced(what, why, "x") for what in ("keys", "signatures")))
    advice = _only(_matrix((_scenario("fails"), Verdict.FAIL), *lacking, crate=crate, reason=why))
    told = [(reason.text, len(reason.cells)) for reason in advice.limits if "cryptography" in reason.text]
    assert told == [(f"lacks keys: {why}", 2), (f"lacks keys and signatures: {why}", 1)]


@pytest.mark.parametrize("consequence", list(Consequence))
@pytest.mark.parametrize("level", list(Level))
def test_a_malformed_frame_is_a_caveat_where_what_is_asked_works(level: Level, consequence: Consequence) -> None:
    """Neither a loss nor a breach: what the scenario is about was seen to work."""
    scenario = _scenario("talks", level, consequence)
    (judged,) = [cell for cell in _matrix((scenario, Verdict.PASS)).cells if cell.key.scenario == "talks"]
    finding = Finding("rules", "r", "clause 1", "there is no filter", "wire.pcapng", 7, certain=True)
    wire = OracleRecord({}, (WireJudgement(judged.key, WireVerdict.MALFORMED, 1, (finding,)),))
    attempt = Attempt(Verdict.PASS, "", "as stated", 1.0)
    advice = _only(_matrix((scenario, Verdict.PASS), oracle=wire, attempts=(attempt,)))
    assert advice.recommendation is CAVEATS
    assert advice.reasons[0].text == "breaks a rule for frames: there is no filter (1 cell, interop)"
    assert "there is no filter" not in "".join(limit.text for limit in advice.limits)


@pytest.mark.parametrize(
    ("informs", "patched", "recommendation"),
    [
        ("", (), Recommendation.NOT_RECOMMENDED),
        ("", (">=2",), CAVEATS),
        ("unmaintained", (), Recommendation.RECOMMENDED),
        ("unsound", (">=2",), Recommendation.RECOMMENDED),
    ],
)
def test_an_advisory_goes_by_what_it_is_and_its_repair(
    informs: str, patched: tuple[str, ...], recommendation: Recommendation
) -> None:
    known = Advisory("RUSTSEC-1", "x", "1.0.0", "it leaks", patched, informs, "https://example.org/1")
    advice = _only(_matrix(advisories=Advisories("", (known,), "2026")))
    assert advice.recommendation is recommendation
    (said,) = [reason for reason in (*advice.reasons, *advice.limits) if reason.source]
    assert said.text.startswith(known.sentence)
    assert said.source == known.source
    assert (said in advice.limits) == (recommendation is Recommendation.RECOMMENDED)


def test_no_advisory_is_no_reason_where_they_were_looked_up() -> None:
    advice = _only(_matrix(advisories=Advisories("", (), "2026")))
    assert advice.recommendation is Recommendation.RECOMMENDED
    assert advice.limits == ()


def test_no_probe_is_unknown() -> None:
    assert _only(_matrix(crate=replace(CRATE, has_probe=False))).recommendation is Recommendation.UNKNOWN


def test_the_best_of_a_protocol_is_used() -> None:
    good = _only(_matrix())
    bad = _only(_matrix((_scenario("fails"), Verdict.FAIL), crate=replace(CRATE, name="two")))
    (decision,) = decide((bad, good))
    assert decision.best is good
    assert decision.listed == ()
    assert overall((good, bad)) is Recommendation.NOT_RECOMMENDED


def test_another_version_never_decides() -> None:
    older = _only(_matrix(crate=CRATE.at("0.9.0")))
    bad = _only(_matrix((_scenario("fails"), Verdict.FAIL)))
    assert older.recommendation is Recommendation.RECOMMENDED
    (decision,) = decide((older, bad))
    assert decision.best is bad
    assert decide((older,)) == ()


def test_a_client_comes_before_a_codec() -> None:
    codec = _only(_matrix(crate=replace(CRATE, name="packets", kind=Kind.CODEC)))
    client = _only(_matrix((_scenario("fails"), Verdict.FAIL)))
    (decision,) = decide((codec, client))
    assert decision.best is client
    assert decision.listed == (codec,), "it may still be used for what it is"


ADVISORY = st.builds(
    Advisory,
    id=st.sampled_from(["RUSTSEC-1", "RUSTSEC-2"]),
    package=st.just("x"),
    version=st.just("1.0.0"),
    title=st.just("it leaks"),
    patched=st.sampled_from([(), (">=2",)]),
    informs=st.sampled_from(["", "unmaintained", "unsound"]),
    source=st.just("https://example.org/1"),
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Level),
            st.sampled_from(Consequence),
            st.sampled_from(["base", "x"]),
            st.sampled_from(Verdict),
        ),
        max_size=6,
    ),
    st.booleans(),
    st.booleans(),
    st.one_of(
        st.none(),
        st.builds(Advisories, st.just("there is no database")),
        st.builds(Advisories, st.just(""), st.lists(ADVISORY, max_size=3).map(tuple), st.just("2026")),
    ),
)
def test_every_combination(
    cells: list[tuple[Level, Consequence, str, Verdict]],
    is_maintained: bool,
    flaky: bool,
    advisories: Advisories | None,
) -> None:
    """Nothing that is red or unmeasured where it counts is ever recommended, and each advice has a reason."""
    asked = [(_scenario(f"s{i}", lv, cs, cap), verdict) for i, (lv, cs, cap, verdict) in enumerate(cells)]
    matrix = _matrix(*asked, line=NEW if is_maintained else OLD, flaky=flaky, advisories=advisories)
    advice = _only(matrix)
    given = list(Recommendation)
    assert advice.reasons
    assert all(reason.cells or reason.source for reason in advice.reasons) or not any(
        lv is Level.CORE for lv, *_ in cells
    )
    assert all(reason.text for reason in (*advice.reasons, *advice.limits))
    known = {cell.key for cell in matrix.cells}
    assert all(set(reason.cells) <= known for reason in (*advice.reasons, *advice.limits))
    said = [reason.text for reason in (*advice.reasons, *advice.limits)]
    assert any("advisories is unknown" in text for text in said) == (advisories is None or bool(advisories.unknown))
    for advisory in advisories.found if advisories else ():
        assert any(text.startswith(advisory.sentence) for text in said)
        if not advisory.informs:
            worst = CAVEATS if advisory.patched else Recommendation.NOT_RECOMMENDED
            assert given.index(advice.recommendation) <= given.index(worst)
    if not is_maintained:
        return
    for scenario, verdict in asked:
        security = scenario.consequence is Consequence.SECURITY
        required = scenario.level is Level.CORE and (scenario.capability == "base" or security)
        if verdict.is_red and (required or security):
            assert advice.recommendation is Recommendation.NOT_RECOMMENDED
        if verdict in (Verdict.BROKEN, Verdict.UNAVAILABLE, Verdict.NOT_RUN) and required:
            assert not advice.recommendation.is_usable
        if verdict.is_red and scenario.consequence in (Consequence.LOSS, Consequence.DUPLICATE, Consequence.HANG):
            assert advice.recommendation is not Recommendation.RECOMMENDED
