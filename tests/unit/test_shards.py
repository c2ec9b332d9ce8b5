"""Shards: who gets which crates, and that their sum is the whole run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import matrix
from harness.catalog import load_crates, load_peers
from harness.errors import UsageError
from harness.matrix import EXIT_UNMEASURED
from harness.model import CellKey, Profile, Verdict
from harness.report import results_json
from harness.shards import Part, assign, merge, parse
from harness.store import RunFolder, encode_cell
from harness.tabulating import tabulate
from tests.command_line import command_line
from tests.golden import made_up

OWNERS = assign(made_up.CRATES, made_up.LINES, 3)


def _id(key: CellKey) -> str:
    return f"{key.crate}@{key.crate_version}"


def part(number: int) -> Part:
    """What a shard of the made-up run measured."""
    plan = replace(
        made_up.PLAN,
        cells=tuple(
            replace(cell, shard=OWNERS[_id(cell.key)] * cell.selected, selected=OWNERS[_id(cell.key)] == number)
            for cell in made_up.PLAN.cells
        ),
    )
    cells = [cell for cell in made_up.RESULTS if OWNERS[_id(cell.key)] == number]
    info = replace(made_up.RUN, id=f"run-{number}", shard=f"{number}/3", seconds=float(number), exit=number)
    judged = tuple(cell for cell in made_up.ORACLE.cells if OWNERS[_id(cell.key)] == number)
    return Part(info, plan, cells, replace(made_up.ORACLE, cells=judged))


PARTS = (part(2), part(3), part(1))


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "1/3/5", "-1/3", "a/b", "1/3 "])
def test_what_is_no_shard_is_told_with_what_was_expected(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected I/N, as 1/3, 2/3 and 3/3"):
        parse(text)


@pytest.mark.parametrize("of", range(1, 8))
def test_every_crate_has_one_shard_and_every_shard_a_crate_whatever_the_order(of: int) -> None:
    crates, lines = load_crates(), [line for line in load_peers() if Profile.DEFAULT.covers(line.profile)]
    owners = assign(crates, lines, of)
    assert set(owners) == {crate.id for crate in crates}
    assert set(owners.values()) == set(range(1, of + 1))
    assert assign(reversed(crates), lines[::-1], of) == owners


def test_the_loads_differ_by_no_more_than_one_crate() -> None:
    crates, lines = load_crates(), load_peers()
    owners = assign(crates, lines, 3)
    weights = {c.id: 1 + sum(len(set(line.dialects) & set(c.dialects)) for line in lines) for c in crates}
    loads = [sum(weights[name] for name, owner in owners.items() if owner == number) for number in (1, 2, 3)]
    assert max(loads) - min(loads) <= max(weights.values())


def test_more_shards_than_crates_are_refused() -> None:
    with pytest.raises(UsageError, match="5 shards are too many for 4 crates; a crate's cells stay together"):
        assign(made_up.CRATES, made_up.LINES, 5)


def test_the_sum_of_the_shards_is_the_whole_run() -> None:
    whole, missing = merge(PARTS)
    assert missing == ()
    assert whole.info.id == "run-1-merged"
    assert (whole.info.seconds, whole.info.exit, whole.info.shard) == (3.0, None, "")
    info = replace(whole.info, id=made_up.RUN.id, seconds=made_up.RUN.seconds, exit=1)
    built = tabulate(info, whole.plan, whole.cells, whole.judged)
    assert results_json.render(built) == results_json.render(made_up.matrix())


def test_what_a_missing_shard_has_was_not_run_and_is_no_success() -> None:
    whole, missing = merge(PARTS[1:])
    assert [str(shard) for shard in missing] == ["2/3"]
    built = tabulate(whole.info, whole.plan, whole.cells)
    gone = [cell for cell in built.cells if OWNERS[_id(cell.key)] == 2 and cell.verdict is not Verdict.NOT_APPLICABLE]
    assert {(cell.verdict, cell.result.reason) for cell in gone if cell.selected} == {
        (Verdict.NOT_RUN, "the run ended before it")
    }
    assert any(cell.selected for cell in gone)
    assert set(built.changes.lost) >= {cell for cell in gone if cell.selected}
    as_expected = replace(built, changes=replace(built.changes, unexpected=(), stale=(), broken=(), unavailable=()))
    assert matrix.exit_code(as_expected, interrupted=False) == EXIT_UNMEASURED


def test_a_shards_own_report_says_who_measures_the_rest() -> None:
    own = part(1)
    built = tabulate(own.info, own.plan, own.cells)
    others = {cell.result.reason for cell in built.cells if OWNERS[_id(cell.key)] == 2 and not cell.measured}
    assert "another shard measures it, number 2" in others
    assert all(cell.key.crate == "mqtt-one" or OWNERS[_id(cell.key)] == 1 for cell in built.changes.lost)


def _changed(**changes: object) -> Part:
    one = part(2)
    return replace(one, info=replace(one.info, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (_changed(commit="f" * 40), f"the commit differs ({made_up.RUN.commit} and {'f' * 40})"),
        (_changed(profile="ci"), "the profile differs (default and ci)"),
        (_changed(selection="-k one"), "the selection differs ( and -k one)"),
        (_changed(shard="2/4"), "the number of shards differs (3 and 4)"),
        (_changed(tools={"rustc": "2"}), "the compiler differs (1.95.0 (made up) and 2)"),
        (_changed(host={"arch": "aarch64"}), "the architecture differs (x86_64 and aarch64)"),
        (replace(part(2), plan=replace(part(2).plan, claims=())), "the plan's list of claims differs; measure them"),
        (replace(part(2), plan=replace(part(2).plan, cells=())), "the plan's list of cells differs; measure them"),
        (_changed(shard="1/3"), "shard 1/3 is there twice; name one folder of each"),
        (_changed(shard=""), "run run-2 is no shard; make shards with `iotyet run --shard 1/2` and so on"),
    ],
    ids=["commit", "profile", "selection", "number", "compiler", "machine", "claims", "cells", "twice", "whole"],
)
def test_what_is_no_part_of_the_same_run_is_refused(other: Part, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        merge([part(1), other])
    assert said in str(caught.value)


def test_the_command_makes_a_folder_with_evidence_and_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = []
    for number, one in enumerate((part(1), part(2)), 1):
        folder = RunFolder(tmp_path / str(number))
        folder.evidence.mkdir(parents=True)
        (folder.evidence / f"of-{number}").write_text("seen", encoding="utf-8")
        folder.write_run(one.info)
        folder.write_plan(one.plan)
        for cell in one.cells:
            folder.append(encode_cell(cell))
        assert one.judged is not None
        folder.write_oracle(one.judged)
        names.append(str(folder.path))
    iotyet = command_line(monkeypatch, capsys)
    out = tmp_path / "merged"
    base = "https://example.org/matrix"
    status, shown, err = iotyet("merge", *names, "--out", str(out), "--base-url", base)
    assert "iotyet: shard 3/3 is missing: its cells are not run" in err
    assert "Mqtt One" in shown
    merged = RunFolder(out)
    built = tabulate(merged.read_run(), merged.read_plan(), merged.read_cells(), merged.read_oracle())
    assert any(cell.wire for cell in built.cells)
    assert status == merged.read_run().exit == matrix.exit_code(built, interrupted=False)
    assert sorted(path.name for path in merged.evidence.iterdir()) == ["of-1", "of-2"]
    assert f"{base}/badge/mqtt-one.svg" in (out / "crate/mqtt-one/index.html").read_text(encoding="utf-8")
    status, _, err = iotyet("merge", *names, "--out", str(out))
    assert (status, err) == (2, f"iotyet: {out} is there already; name a new folder\n")
    other = tmp_path / "json"
    code, shown, _ = iotyet("merge", *names, "--out", str(other), "--format", "json")
    outcome = json.loads(shown)
    assert (outcome["exit"], outcome["results"]) == (code, str(other / "results.json"))
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    changes = [cell["change"] for cell in results["cells"]]
    assert (outcome["unexpected"], outcome["stale"]) == (changes.count("unexpected"), changes.count("stale"))
    assert outcome["measured"] == len(merged.read_cells())
    status, _, err = iotyet("merge", *names, "--out", str(tmp_path / "other"), "--base-url", "example.org")
    assert (status, err) == (2, "iotyet: example.org is no address of a site; it begins with https://\n")
    assert not (tmp_path / "other").exists()
