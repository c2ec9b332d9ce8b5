"""The matrix: fixed denominators, what a group shows, and every combination of exit codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.matrix import BUILDS, SECTIONS, Column, Matrix, State, exit_code, summarise
from harness.model import (
    CellKey,
    CellResult,
    Change,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Kind,
    Level,
    Need,
    Requirement,
    Role,
    Scenario,
    Verdict,
)
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate

MQTT = Dialect.MQTT_3_1_1
RUN = RunInfo("r", "2026-11-22T10:11:12Z", "default", "", "", False, {}, {}, "0.1.0")


def _crate(name: str, kind: Kind = Kind.CLIENT, role: Role = Role.LISTED, unreachable: str = "") -> Crate:
    return Crate(name, role, kind, (MQTT,), name, "1.0.0", "MIT", may_be_unreachable=unreachable)


def _scenario(name: str, group: str = "connect", level: Level = Level.CORE, needs: tuple[Need, ...] = ()) -> Scenario:
    return Scenario(
        name, MQTT, group, "base", level, Requirement.MUST, Consequence.LOSS, f"It {name}.", needs=needs
    )  # fmt: skip


def _key(crate: str, scenario: str) -> CellKey:
    return CellKey(MQTT, scenario, "", crate, "1.0.0", "mosquitto@2.0")


def _cell(crate: str, scenario: str, verdict: Verdict, change: Change = Change.AS_EXPECTED) -> CellResult:
    return CellResult(_key(crate, scenario), verdict, "because", 1.0, (), change=change)


def _plan(
    crates: Iterable[Crate],
    scenarios: Iterable[Scenario],
    *,
    selected: bool = True,
    known: tuple[Expectation, ...] = (),
) -> Plan:
    crates, scenarios = tuple(crates), tuple(scenarios)
    cells = [PlannedCell(_key(c.name, s.id), selected, "node") for s in scenarios for c in crates]
    return Plan(crates, (), scenarios, tuple(cells), known)


def _small(*changes: tuple[Verdict, Change], selected: bool = True, unreachable: str = "") -> Matrix:
    """One crate with one cell for each of `changes`."""
    scenarios = [_scenario(f"s{number}") for number in range(max(1, len(changes)))]
    results = [_cell("one", f"s{number}", *change) for number, change in enumerate(changes)]
    return tabulate(RUN, _plan([_crate("one", unreachable=unreachable)], scenarios, selected=selected), results)


def test_every_dialect_is_in_one_section() -> None:
    dialects = [dialect for _, _, inside in SECTIONS for dialect in inside]
    assert sorted(dialects) == sorted(set(Dialect) - {Dialect.PACKAGE})


def test_denominators_do_not_depend_on_what_was_measured() -> None:
    crates = [_crate("one"), _crate("codec", Kind.CODEC)]
    scenarios = [_scenario("a"), _scenario("b", needs=(Need.SESSION,))]
    plan = _plan(crates, scenarios)
    every = [_cell(key.crate, key.scenario, Verdict.PASS) for key in (planned.key for planned in plan.cells)]
    every[-1] = _cell("codec", "b", Verdict.NOT_APPLICABLE)
    for measured in (every, every[:1], []):
        one, codec = tabulate(RUN, plan, measured).rows
        assert (one.summary.planned, one.summary.applicable) == (2, 2)
        assert (codec.summary.planned, codec.summary.applicable) == (2, 1)
        assert set(one.summary.counts) == set(Verdict)


def test_unmeasured_cells_say_why() -> None:
    selected = tabulate(RUN, _plan([_crate("one")], [_scenario("a")]), []).cells[0]
    left_out = tabulate(RUN, _plan([_crate("one")], [_scenario("a")], selected=False), []).cells[0]
    assert (selected.verdict, selected.result.reason) == (Verdict.NOT_RUN, "the run ended before it")
    assert left_out.result.reason == "not selected"
    assert not selected.measured


def test_an_outcome_outside_of_the_plan_is_refused() -> None:
    with pytest.raises(UsageError, match="not in the run's plan"):
        tabulate(RUN, _plan([_crate("one")], [_scenario("a")]), [_cell("one", "b", Verdict.PASS)])


def test_rows_are_listed_first_and_controls_last() -> None:
    crates = [_crate("c", role=Role.CONTROL), _crate("b", role=Role.CANDIDATE), _crate("z"), _crate("a")]
    section = tabulate(RUN, _plan(crates, [_scenario("s")]), []).sections[0]
    assert [row.crate.name for row in section.rows] == ["z", "a", "b", "c"]


def test_columns_are_builds_then_groups_in_the_order_of_the_plan() -> None:
    scenarios = [_scenario("a", "recover"), _scenario("b", "connect"), _scenario("c", "recover")]
    section = tabulate(RUN, _plan([_crate("one")], scenarios), []).sections[0]
    assert section.columns == (BUILDS, Column(MQTT, "recover"), Column(MQTT, "connect"))
    builds, recover, _ = (section.rows[0].group(column) for column in section.columns)
    assert (builds.summary.state, recover.summary.planned) == (State.NOT_RUN, 2)


@pytest.mark.parametrize(
    ("core", "extended", "state"),
    [
        ("pass pass", "pass", State.PASS),
        ("pass pass", "fail", State.PARTIAL),
        ("pass", "unsupported", State.PARTIAL),
        ("pass", "broken", State.BROKEN),
        ("pass", "not_run", State.NOT_RUN),
        ("pass not_run", "pass", State.NOT_RUN),
        ("fail broken", "pass", State.FAIL),
        ("fail crash", "pass", State.CRASH),
        ("unsupported unavailable", "", State.UNSUPPORTED),
        ("pass not_applicable", "not_applicable", State.PASS),
        ("not_applicable", "not_applicable", State.NOT_APPLICABLE),
        ("not_applicable", "fail pass", State.FAIL),
        ("", "fail pass", State.FAIL),
        ("", "", State.NOT_RUN),
    ],
)
def test_a_group_shows_its_worst_required_state(core: str, extended: str, state: State) -> None:
    levels = [(verdict, Level.CORE) for verdict in core.split()]
    levels += [(verdict, Level.EXTENDED) for verdict in extended.split()]
    scenarios = [_scenario(f"s{number}", level=level) for number, (_, level) in enumerate(levels)]
    results = [_cell("one", f"s{number}", Verdict(verdict)) for number, (verdict, _) in enumerate(levels)]
    cells = tabulate(RUN, _plan([_crate("one")], scenarios), results).cells
    assert summarise(cells, State.NOT_RUN).state is state


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(Level)), max_size=6))
def test_only_all_pass_is_pass(levels: list[tuple[Verdict, Level]]) -> None:
    scenarios = [_scenario(f"s{number}", level=level) for number, (_, level) in enumerate(levels)]
    results = [_cell("one", f"s{number}", verdict) for number, (verdict, _) in enumerate(levels)]
    summary = summarise(tabulate(RUN, _plan([_crate("one")], scenarios), results).cells, State.NOT_RUN)
    asked = [verdict for verdict, _ in levels if verdict is not Verdict.NOT_APPLICABLE]
    assert (summary.state is State.PASS) == (bool(asked) and set(asked) == {Verdict.PASS})
    assert summary.planned == len(levels)
    assert summary.applicable == len(asked)


def test_defects_take_cells_that_are_red_as_expected() -> None:
    known = [
        Expectation(
            _key("one", name), Verdict.FAIL, "", "cuts payloads", "2027-01-01", defect="cut", issue="https://x.y"
        )
        for name in ("a", "b", "c", "d")
    ]
    results = [
        _cell("one", "a", Verdict.FAIL),
        _cell("one", "b", Verdict.FAIL),
        _cell("one", "c", Verdict.PASS, Change.STALE),
        _cell("one", "d", Verdict.CRASH, Change.UNEXPECTED),
        _cell("one", "e", Verdict.TIMEOUT, Change.UNEXPECTED),
    ]
    plan = _plan([_crate("one")], map(_scenario, "abcde"), known=tuple(known))
    row = tabulate(RUN, plan, results).rows[0]
    assert [(d.id, d.title, d.upstream, len(d.cells)) for d in row.defects] == [
        ("cut", "cuts payloads", "https://x.y", 2)
    ]
    assert (row.summary.red, row.unexplained) == (4, 2)


_OUTCOMES = {
    "fine": (Verdict.PASS, Change.AS_EXPECTED),
    "expected": (Verdict.FAIL, Change.AS_EXPECTED),
    "regression": (Verdict.FAIL, Change.UNEXPECTED),
    "stale": (Verdict.PASS, Change.STALE),
    "broken": (Verdict.BROKEN, Change.UNMEASURED),
    "unavailable": (Verdict.UNAVAILABLE, Change.UNMEASURED),
    "not written": (Verdict.NOT_RUN, Change.UNMEASURED),
}


def _combinations() -> Iterable[tuple[str, ...]]:
    for size in range(1, len(_OUTCOMES) + 1):
        yield from itertools.combinations(_OUTCOMES, size)


@pytest.mark.parametrize("tolerate", [False, True])
@pytest.mark.parametrize("unreachable", ["", "one site alone"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_exit_codes_in_every_combination(interrupted: bool, unreachable: str, tolerate: bool) -> None:
    for names in _combinations():
        found = _small(*(_OUTCOMES[name] for name in names), unreachable=unreachable)
        excused = tolerate and unreachable
        if interrupted:
            expected = 130
        elif {"regression", "stale"} & set(names):
            expected = 1
        elif "broken" in names or ("unavailable" in names and not excused):
            expected = 3
        else:
            expected = 0
        assert exit_code(found, interrupted, tolerate_unreachable=tolerate) == expected, names


def test_nothing_selected_is_5_unless_interrupted() -> None:
    nothing = _small(selected=False)
    assert exit_code(nothing, False) == 5
    assert exit_code(nothing, True) == 130
    assert exit_code(_small(), False) == 5


def test_a_crate_that_only_compiled_has_not_passed() -> None:
    compiles = replace(_scenario("compiles"), dialect=Dialect.PACKAGE)
    key = CellKey(Dialect.PACKAGE, "compiles", "", "one", "1.0.0", "-")
    plan = Plan((_crate("one"),), (), (compiles,), (PlannedCell(key, True, "node"),), ())
    (row,) = tabulate(RUN, plan, [CellResult(key, Verdict.PASS, "as stated", 1.0, ())]).rows
    assert row.summary.state is State.NOT_RUN
    assert row.groups[0].summary.state is State.PASS
