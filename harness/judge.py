"""From a scenario and a crate to one cell: attempts, the control, and what was expected. The only maker of verdicts."""

from __future__ import annotations

import contextlib
import hashlib
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.bench import AnyPeer, Bench
from harness.cells import CELLS
from harness.cells.base import Cell
from harness.cells.package import PackageCell
from harness.errors import AttemptError, FeatureUnsupported, ScenarioFault
from harness.model import (
    KIND_LACKS,
    Attempt,
    BrokerLine,
    CellKey,
    CellResult,
    Crate,
    Dialect,
    Evidence,
    Expectation,
    Role,
    Scenario,
    Verdict,
)
from harness.standing import standing

#: Event-loop lag of ours, in seconds, from which on nothing bad can be said about a crate.
_LAG_LIMIT = 1.0

Body = Callable[[Cell], None]


@dataclass(frozen=True)
class Question:
    """One cell to be measured."""

    key: CellKey
    scenario: Scenario
    crate: Crate
    line: BrokerLine | None
    expectation: Expectation | None = None
    #: The control of the dialect, and what is expected of it in this scenario.
    control: Crate | None = None
    control_expectation: Expectation | None = None
    #: No expectation is about this version of the crate: what is red there is no news.
    is_open: bool = False
    reproduce: str = ""
    #: How many attempts there are at least, where the crate can be asked at all.
    repeat: int = 1


def measure(bench: Bench, question: Question, body: Body) -> CellResult:
    """Measure one cell.

    What is unexpectedly red is tried again on a fresh broker, and the worst attempt counts, as it does where more
    attempts are asked for. What says nothing, because the fault was ours, is tried again as well: there the later
    attempt counts alone. A red that stays is handed to the control on the same broker: where that does not pass
    either, the cell says nothing about the crate.
    """
    known = known_before(question.scenario, question.crate, question.line)
    if known is not None:
        return _result(question, [known])
    attempts: list[Attempt] = []
    control: Attempt | None = None
    version = ""
    options: tuple[str, ...] = ()
    try:
        with contextlib.ExitStack() as stack:
            peer = stack.enter_context(_peer(bench, question, fresh=False))
            version = peer.version if peer else ""
            options = _options(bench, question.crate, question.scenario.dialect) if peer else ()
            attempts.append(attempt(bench, question, question.crate, peer, body, "1"))
            while peer and _is_tried_again(question, attempts):
                if question.scenario.own_broker or _is_doubtful(question, attempts[-1]):
                    stack.close()  # one broker at a time
                    peer = stack.enter_context(_peer(bench, question, fresh=True))
                attempts.append(attempt(bench, question, question.crate, peer, body, str(len(attempts) + 1)))
            if _worst(attempts).verdict.is_red and question.control and peer:
                if question.scenario.own_broker:
                    peer = stack.enter_context(_peer(bench, question, fresh=True))
                control = attempt(bench, question, question.control, peer, body, "control")
    except AttemptError as error:  # a lease: the broker or the probe could not be had
        attempts.append(Attempt(error.verdict, error.expected, error.observed, 0.0))
    except Exception as error:  # a bug of ours must cost this cell and not the run
        observed = f"the harness failed: {type(error).__name__}: {error}"
        attempts.append(Attempt(Verdict.BROKEN, "", observed, 0.0))
    return _result(question, attempts, control, version, options)


def _is_tried_again(question: Question, attempts: list[Attempt]) -> bool:
    last = attempts[-1]
    if not (last.verdict.is_red or last.verdict in (Verdict.PASS, Verdict.BROKEN)):
        return False
    return len(attempts) < question.repeat or (len(attempts) == 1 and _is_doubtful(question, last))


def _is_doubtful(question: Question, outcome: Attempt) -> bool:
    unexpected = outcome.verdict.is_red and not _is_expected(question.expectation, outcome)
    return unexpected or outcome.verdict is Verdict.BROKEN


def known_before(scenario: Scenario, crate: Crate, line: BrokerLine | None = None) -> Attempt | None:
    """What can be said of a cell without running it; null where it has to be run."""
    lacking = [need for need in scenario.needs if need in KIND_LACKS[crate.kind]]
    if lacking:
        what = " and ".join(lacking)
        reason = f"{crate.package} is a {crate.kind}: {what} would be the probe's own code"
        return Attempt(Verdict.NOT_APPLICABLE, "", reason, 0.0)
    left = next((entry for entry in crate.left_to_handler if entry.what in scenario.needs), None)
    if left is not None:
        reason = f"{crate.package} leaves {left.what} to its handlers, which are the probe's code here: {left.reason}"
        return Attempt(Verdict.NOT_APPLICABLE, "", f"{reason} ({left.source})", 0.0)
    if line is not None and scenario.since and line.is_before(scenario.since):
        reason = f"{line.broker} {line.line} cannot be asked: what this needs came with {scenario.since}"
        return Attempt(Verdict.NOT_APPLICABLE, "", reason, 0.0)
    if line is not None and scenario.until and not line.is_before(scenario.until):
        reason = f"{line.broker} {line.line} cannot be asked: what this needs is gone since {scenario.until}"
        return Attempt(Verdict.NOT_APPLICABLE, "", reason, 0.0)
    if not crate.has_probe and scenario.dialect is not Dialect.PACKAGE:
        return Attempt(Verdict.NOT_RUN, "", f"there is no probe of {crate.name} yet", 0.0)
    return None


def attempt(bench: Bench, question: Question, crate: Crate, peer: AnyPeer | None, body: Body, name: str) -> Attempt:
    """Run the scenario once against `crate`, and say how it ended. Never raises for what a crate does."""
    folder = bench.folder.evidence / _slug(question.key) / name
    folder.mkdir(parents=True, exist_ok=True)
    bench.relays.take_worst_lag()
    cell = _cell(bench, question.scenario, crate, peer, folder)
    started = time.monotonic()
    verdict, expected, observed, feature = Verdict.PASS, "", "as stated", ""
    try:
        body(cell)
        if question.scenario.scripted and not cell.met_script:
            raise ScenarioFault("the scenario declares `scripted=True`, and no scripted peer took part")
    except FeatureUnsupported as error:
        feature = error.feature
        declared = crate.lacks(feature)
        verdict = Verdict.UNSUPPORTED if declared else Verdict.BROKEN
        observed = declared.reason if declared else f"{error.observed}; crates.toml does not declare that"
    except AttemptError as error:
        verdict, expected, observed = error.verdict, error.expected, error.observed
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pytest's outcomes are no Exception, and no scenario decides a verdict
        verdict, observed = Verdict.BROKEN, f"the scenario or the harness failed: {type(error).__name__}: {error}"
        cell.remark(traceback.format_exc())
    seconds = time.monotonic() - started
    with contextlib.suppress(Exception):
        cell.close()
    (folder / "transcript.txt").write_text(cell.transcript.text(), encoding="utf-8")
    verdict, observed = _doubts(bench, question.scenario, crate, verdict, observed, seconds)
    return Attempt(verdict, expected, observed, seconds, _evidence(bench, folder), feature)


def _doubts(
    bench: Bench, scenario: Scenario, crate: Crate, verdict: Verdict, observed: str, seconds: float
) -> tuple[Verdict, str]:
    """Turn what is our fault, or may be, into `broken`."""
    lag = bench.relays.take_worst_lag()
    if verdict.is_red and lag > _LAG_LIMIT:
        return Verdict.BROKEN, f"this machine was too busy to judge: the relay ran {lag:.1f} s late; then: {observed}"
    own = seconds - scenario.timer
    allowed = (scenario.deadline - scenario.timer) / 3
    if crate.role is Role.CONTROL and verdict is Verdict.PASS and own > allowed:
        return Verdict.BROKEN, (
            f"the scenario's deadline is too tight: the control took {own:.1f} s beside timers, and the deadline "
            f"of {scenario.deadline:g} s allows it {allowed:.1f} s"
        )
    return verdict, observed


def _cell(bench: Bench, scenario: Scenario, crate: Crate, peer: AnyPeer | None, folder: Path) -> Cell:
    """The object that the scenario gets."""
    if peer is None:
        return PackageCell(bench, scenario, crate, folder)
    return CELLS[scenario.dialect](bench, scenario, crate, peer, folder)


@contextlib.contextmanager
def _peer(bench: Bench, question: Question, *, fresh: bool) -> Iterator[AnyPeer | None]:
    if question.line is None:
        yield None
    elif question.line.is_reference:
        bench.probe_command(question.crate)
        yield bench.reference_peer(question.line)
    elif fresh or question.scenario.own_broker:
        # The probe first: what a lease takes must not age the broker.
        bench.probe_command(question.crate)
        with bench.own_peer(question.line, cluster=question.scenario.cluster) as peer:
            yield peer
    else:
        bench.probe_command(question.crate)
        yield bench.shared_peer(question.line)


def _result(
    question: Question,
    attempts: list[Attempt],
    control: Attempt | None = None,
    version: str = "",
    options: tuple[str, ...] = (),
) -> CellResult:
    worst = _worst(attempts)
    verdict, reason = worst.verdict, worst.reason
    if control is not None and control.verdict is not Verdict.PASS:
        clause = question.control_expectation
        if clause is None or clause.judge != "clause" or clause.verdict is not control.verdict:
            verdict = Verdict.BROKEN
            of_control = f"the control ends in {control.verdict} on the same cell ({control.reason})"
            reason = f"{of_control}; the crate: {worst.reason}"
    if control is not None:
        shown = tuple(replace(item, kind=f"control's {item.kind}") for item in control.evidence)
        attempts = [*attempts[:-1], replace(attempts[-1], evidence=attempts[-1].evidence + shown)]
    change, reason = standing(
        question.crate, question.scenario, question.expectation, verdict, reason, is_open=question.is_open
    )
    return CellResult(
        key=question.key,
        verdict=verdict,
        reason=reason,
        seconds=sum(item.seconds for item in attempts),
        attempts=tuple(attempts),
        broker_version=version,
        control=control.verdict if control else None,
        control_reason=control.reason if control else "",
        flaky=_varies(question.expectation, verdict, attempts),
        expected=question.expectation.verdict if question.expectation else None,
        change=change,
        options=options,
        reproduce=question.reproduce,
    )


def _telling(attempts: list[Attempt]) -> list[Attempt]:
    """All attempts, but without a first one that said nothing where a second one followed that does."""
    if attempts[-1].verdict is Verdict.BROKEN:
        return attempts
    return [item for item in attempts if item.verdict is not Verdict.BROKEN]


def _worst(attempts: list[Attempt]) -> Attempt:
    return max(_telling(attempts), key=lambda item: item.verdict.severity)


def _varies(expectation: Expectation | None, verdict: Verdict, attempts: list[Attempt]) -> bool:
    """True where the attempts differ, or where the cell is known to end in several ways and did end."""
    if len({item.verdict for item in _telling(attempts)}) > 1:
        return True
    if expectation is None or not expectation.may_also:
        return False
    return verdict in (expectation.verdict, *expectation.may_also)


def _options(bench: Bench, crate: Crate, dialect: Dialect) -> tuple[str, ...]:
    """What the probe sets to something else than the crate's default where it speaks `dialect`, one sentence each."""
    return tuple(
        f"{setting.name} = {setting.value} (default {setting.default}, {setting.source})"
        for setting in bench.hello(crate).settings
        if not setting.dialects or dialect in setting.dialects
    )


def _is_expected(expectation: Expectation | None, outcome: Attempt) -> bool:
    if expectation is None:
        return False
    as_written = expectation.verdict is outcome.verdict and expectation.observed in outcome.reason
    return as_written or outcome.verdict in expectation.may_also


def _evidence(bench: Bench, folder: Path) -> tuple[Evidence, ...]:
    kinds = {".txt": "transcript", ".log": "broker log", ".pcapng": "capture", ".lock": "lock file"}
    return tuple(
        Evidence(
            kind=kinds[path.suffix],
            path=path.relative_to(bench.folder.path).as_posix(),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.iterdir())
        if path.suffix in kinds
    )


def _slug(key: CellKey) -> str:
    """A folder name for a cell: its id with what file systems dislike replaced."""
    return str(key).replace("/", "+").replace("[", "-").replace("]", "")
