"""pytest hooks for scenarios, and nothing else: which cells there are, who measures, who writes down.

Active only where scenarios are collected; the project's own tests do not notice it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness import asked, expectations, shards, snapshot
from harness.authors import load_probes, load_statements
from harness.bench import Bench
from harness.catalog import covered, load_claims, load_crates, load_peers, pick_crates, pick_lines
from harness.errors import HarnessFault, IotyetError
from harness.judge import Question, measure
from harness.liveness import Mark
from harness.model import (
    NO_PEER,
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Crate,
    Dialect,
    Expectation,
    Profile,
    Role,
    Scenario,
    Verdict,
)
from harness.paths import ROOT, SCENARIOS
from harness.scenario import scenarios_of
from harness.session import RunSession
from harness.store import Plan, PlannedCell, RunFolder, decode_cell, encode_cell
from harness.turns import in_order, pool_of, turn

#: Attribute of a report that carries the cell, as text: xdist cannot carry our types.
_CELL = "iotyet_cell"


@dataclass(frozen=True)
class _Spec:
    """The value of the `cell` parameter: who is asked, before the scenario's own parameters are known."""

    scenario: Scenario
    crate: Crate
    line: BrokerLine | None
    #: Whether the test function is asked in this dialect beside its own.
    is_beside: bool = False

    @property
    def id(self) -> str:
        asked = f"{self.crate.id}-{self.line.id}" if self.line else self.crate.id
        return f"{self.scenario.dialect}-{asked}" if self.is_beside else asked


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of `pytest scenarios/`."""
    group = parser.getgroup("iotyet")
    group.addoption(
        "--profile", choices=[p.value for p in Profile], default=Profile.DEFAULT.value, help="how much to cover"
    )
    group.addoption("--crate", action="append", default=[], metavar="NAME[@VERSION]", help="only this crate")
    group.addoption("--broker", action="append", default=[], metavar="NAME[@LINE]", help="only this broker")
    group.addoption("--cell", default="", metavar="ID", help="only this cell, named by its id or its page's address")
    group.addoption("--shard", default="", metavar="I/N", help="only this part of the run; parts are by crate")
    group.addoption("--repeat", type=int, default=1, metavar="N", help="attempts at each cell; the worst counts")
    group.addoption("--iotyet-run", metavar="DIR", help="write into this run, which the caller began")
    group.addoption("--iotyet-resume", action="store_true", help="leave out what that run has measured")


def pytest_configure(config: pytest.Config) -> None:
    """Make the plugin active where scenarios will be collected."""
    if not _collects_scenarios(config):
        return
    try:
        config.pluginmanager.register(ScenarioPlugin(config), "iotyet-scenarios")
    except IotyetError as error:
        raise pytest.UsageError(str(error)) from error


def _collects_scenarios(config: pytest.Config) -> bool:
    for argument in config.args:
        path = (config.invocation_params.dir / argument.split("::")[0]).resolve()
        if path.is_relative_to(SCENARIOS) or SCENARIOS.is_relative_to(path):
            return True
    return False


class ScenarioPlugin:
    """The hooks. One object in the controller and one in each worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._profile = Profile(config.getoption("profile"))
        every_crate = load_crates()
        self._named_crates = config.getoption("crate")
        self._named_lines = config.getoption("broker")
        picked = pick_crates(every_crate, self._named_crates) if self._named_crates else ()
        self._crates = _with_picked(covered(every_crate, self._profile), picked)
        self._selected_crates = {crate.id for crate in picked or self._crates}
        self._controls = [crate for crate in every_crate if crate.role is Role.CONTROL]
        self._lines = list(pick_lines(load_peers(), [], self._profile))
        named_lines = pick_lines(load_peers(), self._named_lines, self._profile) if self._named_lines else ()
        self._lines += [line for line in named_lines if line not in self._lines]
        self._selected_lines = {line.id for line in (named_lines or self._lines)}
        self._expectations = expectations.load(SCENARIOS)
        self._expected_versions = {(key.crate, key.crate_version) for key in self._expectations}
        self._claims = load_claims()
        self._baseline = snapshot.committed()
        self._statements = load_statements(crate.name for crate in every_crate)
        self._shard = shards.parse(config.getoption("shard")) if config.getoption("shard") else None
        self._cell = asked.parse(config.getoption("cell")) if config.getoption("cell") else None
        self._shards: Mapping[str, int] = {}
        if self._shard is not None:
            crates = [crate for crate in self._crates if crate.id in self._selected_crates]
            lines = [line for line in self._lines if line.id in self._selected_lines]
            self._shards = shards.assign(crates, lines, self._shard.of)
        self._planned: list[pytest.Item] = []
        self._asked: set[pytest.Item] = set()
        self._bench: Bench | None = None
        self._session: RunSession | None = None
        self._folder: RunFolder | None = None
        self._mark: Mark | None = None

    # -- the run -----------------------------------------------------------------------------------

    @property
    def _is_worker(self) -> bool:
        return hasattr(self._config, "workerinput")

    def pytest_sessionstart(self) -> None:
        """Find the run that the caller began, or begin one."""
        if self._config.getoption("collectonly"):
            return
        given = self._config.getoption("iotyet_run")
        if self._is_worker:
            given = self._config.workerinput["iotyet_run"]  # type: ignore[attr-defined]
        if given:
            self._folder = RunFolder(Path(given))
            self._mark = Mark(self._folder.path.name, (self._folder.path.parents[1] / ".lock").absolute())
            if self._config.getoption("iotyet_resume") and self._folder.has_plan():
                # Other versions, and crates of larger profiles, are rows of a run only because it was asked for them.
                self._crates = list(self._folder.read_plan().crates)
                self._selected_crates = {crate.id for crate in self._crates}
            return
        try:
            self._session = RunSession.begin(
                self._profile,
                " ".join(self._config.invocation_params.args),
                str(self._shard or ""),
                self._config.getoption("repeat"),
            )
        except IotyetError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
        self._folder, self._mark = self._session.folder, self._session.mark

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker which run it belongs to."""
        if self._folder is not None:
            node.workerinput["iotyet_run"] = str(self._folder.path)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Let go of everything; end the run where it is ours."""
        if self._bench is not None:
            self._bench.close()
        if self._session is not None:
            interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
            self._session.end(None if interrupted else int(exitstatus))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the cells are."""
        if self._session is not None:
            path = self._session.folder.path
            shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            terminalreporter.write_line(f"cells: {shown}/cells.jsonl; `iotyet report {shown}` makes the report")

    # -- which cells there are ---------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each dialect, crate and broker line that the scenario can be asked of."""
        scenarios = scenarios_of(metafunc.function)
        if not scenarios:
            return
        specs = [
            _Spec(scenario, crate, line, is_beside=scenario is not scenarios[0])
            for scenario in scenarios
            if self._profile.covers(scenario.profile)
            for crate in self._crates
            for line in self._lines_for(scenario, crate)
        ]
        metafunc.parametrize("cell", specs, ids=[spec.id for spec in specs])

    def _lines_for(self, scenario: Scenario, crate: Crate) -> list[BrokerLine | None]:
        if scenario.dialect is Dialect.PACKAGE:
            return [] if crate.role is Role.CONTROL else [None]
        if scenario.dialect not in crate.dialects:
            return []
        lines: list[BrokerLine | None] = [line for line in self._lines if scenario.dialect in line.dialects]
        # A scripted peer says nothing about a line, so that the first one, which each profile has, stands for all.
        return lines[:1] if scenario.scripted else lines

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        """Note every cell before anything is deselected; leave out what was not asked for, and at last other shards."""
        # Where the profile has no broker of a dialect, pytest makes one item without a cell of each scenario.
        self._planned = [item for item in items if is_cell(item)]
        wanted = [item for item in self._planned if self._is_selected(item)]
        if self._folder is not None and self._config.getoption("iotyet_resume") and self._folder.has_plan():
            left = self._folder.left()
            wanted = [item for item in self._planned if cell_key(item) in left]
        wanted = in_order([(_scenario(item), item) for item in wanted])
        self._keep(items, wanted)
        yield
        self._asked = set(items)
        if self._shard is not None:
            own = [item for item in items if _is_scenario(item) and self._shard_of(item) == self._shard.number]
            self._keep(items, own)

    def _keep(self, items: list[pytest.Item], wanted: list[pytest.Item]) -> None:
        """Leave out every scenario that is not wanted, and tell pytest."""
        left_out = {item for item in items if _is_scenario(item)} - set(wanted)
        items[:] = [item for item in items if not _is_scenario(item)] + wanted
        if left_out:
            self._config.hook.pytest_deselected(items=list(left_out))

    def _shard_of(self, item: pytest.Item) -> int:
        """Which part of the run measures a cell; 0 where none does."""
        return self._shards.get(_spec(item).crate.id, 0) if item in self._asked else 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write the plan down, once nothing more can be deselected. A resumed run has one already."""
        if self._folder is not None and not self._folder.has_plan():
            self._folder.write_plan(self.plan(session.items))

    def _is_selected(self, item: pytest.Item) -> bool:
        spec = _spec(item)
        if spec.crate.id not in self._selected_crates:
            return False
        if self._cell is not None and not self._cell.is_of(spec.crate, cell_key(item)):
            return False
        return spec.line is None or spec.line.id in self._selected_lines

    def plan(self, asked: Iterable[pytest.Item]) -> Plan:
        """Every cell that was collected; `asked` are the items that are left once nothing more can be deselected."""
        items, selected = self._planned, set(asked)
        scenarios = {(_scenario(item).dialect, _scenario(item).id): _scenario(item) for item in items}
        return Plan(
            crates=tuple(self._crates),
            lines=tuple(self._lines),
            scenarios=tuple(scenarios.values()),
            cells=tuple(
                PlannedCell(cell_key(item), item in selected, item.nodeid, self._shard_of(item)) for item in items
            ),
            expectations=tuple(self._expectations.values()),
            claims=self._claims,
            baseline=self._baseline,
            probes=load_probes(dict.fromkeys(crate.name for crate in self._crates)),
            statements=self._statements,
        )

    # -- measuring ---------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Measure the cell and translate its verdict for pytest."""
        if not _is_scenario(pyfuncitem):
            return None
        cell = self._measure(pyfuncitem)
        pyfuncitem.stash[_STASHED] = encode_cell(cell)
        _tell_pytest(cell)
        return True

    def _measure(self, item: pytest.Function) -> CellResult:
        if self._folder is None or self._mark is None:
            raise HarnessFault("a scenario ran outside of a run")
        if self._bench is None:
            self._bench = Bench(self._folder, self._mark)
        spec, key, scenario = _spec(item), cell_key(item), _scenario(item)
        control = self._control(scenario, spec)
        question = Question(
            key=key,
            scenario=scenario,
            crate=spec.crate,
            line=spec.line,
            expectation=self._expectations.get(key),
            control=control,
            control_expectation=self._control_expectation(key, control),
            is_open=spec.crate.role is Role.VERSION and (key.crate, key.crate_version) not in self._expected_versions,
            reproduce=f"pytest '{item.nodeid}'",
            repeat=self._config.getoption("repeat"),
        )
        own = {name: value for name, value in item.callspec.params.items() if name != "cell"}
        with turn(self._folder.path / "leases", pool_of(scenario)):
            return measure(self._bench, question, lambda cell: item.obj(cell, **own))

    def _control(self, scenario: Scenario, spec: _Spec) -> Crate | None:
        if spec.crate.role is Role.CONTROL:
            return None
        return next((crate for crate in self._controls if scenario.dialect in crate.dialects), None)

    def _control_expectation(self, key: CellKey, control: Crate | None) -> Expectation | None:
        if control is None:
            return None
        return self._expectations.get(replace(key, crate=control.name, crate_version=control.version))

    # -- writing down ------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Put the measured cell on the report, which travels to the controller."""
        report = yield
        if call.when == "call" and _STASHED in item.stash:
            setattr(report, _CELL, item.stash[_STASHED])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append the cell; in the controller alone."""
        line = getattr(report, _CELL, None)
        if line is None or self._is_worker or self._folder is None:
            return
        try:
            self._folder.append(line)
        except HarnessFault as error:
            pytest.exit(str(error), returncode=4)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show `broken` as an error, because it is ours and no failure of the crate."""
        line = getattr(report, _CELL, None)
        if line is not None and report.failed and decode_cell(line).verdict is Verdict.BROKEN:
            return "error", "E", "BROKEN"
        return None


_STASHED = pytest.StashKey[str]()


def _with_picked(rows: tuple[Crate, ...], picked: tuple[Crate, ...]) -> list[Crate]:
    """The rows of the profile and those that were asked for beside it, other versions last."""
    every = dict.fromkeys((*rows, *picked))
    return sorted(every, key=lambda crate: crate.role is Role.VERSION)


def _is_scenario(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and bool(scenarios_of(item.obj))


def _has_cell(item: pytest.Item) -> bool:
    return isinstance(item.callspec.params["cell"], _Spec)  # type: ignore[attr-defined]


def _scenario(item: pytest.Item) -> Scenario:
    return _spec(item).scenario


def _spec(item: pytest.Item) -> _Spec:
    spec: _Spec = item.callspec.params["cell"]  # type: ignore[attr-defined]
    return spec


def is_cell(item: pytest.Item) -> bool:
    """True where the test is a scenario, asked of a crate at a broker that the profile has."""
    return _is_scenario(item) and _has_cell(item)


def crate_of(item: pytest.Item) -> Crate:
    """The crate that a cell asks."""
    return _spec(item).crate


def cell_key(item: pytest.Item) -> CellKey:
    """The name of a cell."""
    spec, scenario = _spec(item), _scenario(item)
    whole: str = item.callspec.id  # type: ignore[attr-defined]
    params = whole.replace(spec.id, "", 1).strip("-")
    peer = spec.line.id if spec.line else NO_PEER
    return CellKey(scenario.dialect, scenario.id, params, spec.crate.name, spec.crate.version, peer)


def _tell_pytest(cell: CellResult) -> None:
    if cell.verdict is Verdict.BROKEN:
        pytest.fail(f"broken, which is no fault of the crate: {cell.reason}", pytrace=False)
    if cell.change in (Change.UNEXPECTED, Change.STALE):
        pytest.fail(f"{cell.change}: {cell.verdict}: {cell.reason}", pytrace=False)
    if cell.verdict.is_red:
        pytest.xfail(f"{cell.verdict}: {cell.reason}")
    if cell.verdict is not Verdict.PASS:
        pytest.skip(f"{cell.verdict}: {cell.reason}")
