"""`.ci/publish` as it runs, with a bare repository on this disk as the remote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.paths import ROOT
from harness.report import write
from harness.store import RunFolder
from tests.golden import made_up

URL = "https://iot.example.org/matrix"
#: What a report has; the text of each file names the run.
FILES = (
    "index.html",
    "results.json",
    "junit.xml",
    "cells.jsonl",
    "crate/one/index.html",
    "cell/one/receives/mosquitto@2.0/index.html",
    "cell/one/publishes/mosquitto@2.0/index.html",
    "evidence/one/1/capture.pcapng",
    "evidence/one+publishes/1/capture.pcapng",
)
CRATE, GREEN, RED, EVIDENCE, CITED = FILES[4:]


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A repository without a branch."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    return folder


def _site(folder: Path, run: str, is_red: bool = True) -> Path:
    for name in FILES:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_text(name, run) if is_red or name != RED else "it passes", encoding="utf-8")
    (folder / "run.json").write_text(json.dumps({"id": run}), encoding="utf-8")
    return folder


def _text(name: str, run: str) -> str:
    link = f'<a href="../../../../{CITED.replace("+", "%2B")}">'
    return f"{name} of {run}" + (f' <h2 id="bug">{link}' if name == RED else "")


def _publish(site: Path, remote: Path, path: str = "", limit: str = "950") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / ".ci" / "publish"), str(site), str(remote), URL, limit],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": path + os.environ["PATH"], "HOME": str(site.parent)},
    )


def _git(remote: Path, *argv: str) -> str:
    ran = subprocess.run(["git", "-C", str(remote), *argv], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def _kept(site: Path, run: str) -> set[str]:
    root = site / "run" / run
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert all((root / name).read_text(encoding="utf-8") == _text(name, run) for name in found)
    return found


def test_a_later_report_leaves_the_pages_of_an_earlier_one(tmp_path: Path, remote: Path) -> None:
    for run in ("20260101-1", "20260102-2"):
        site = _site(tmp_path / run, run)
        ran = _publish(site, remote)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert _kept(site, "20260102-2") == {*FILES} - {"cells.jsonl", EVIDENCE}
    assert _kept(site, "20260101-1") == {"index.html", CRATE, RED, CITED}
    # The report itself is as it was, with its evidence.
    assert all((site / name).read_text(encoding="utf-8") == _text(name, "20260102-2") for name in FILES)
    listed = (site / "run" / "index.html").read_text(encoding="utf-8")
    assert listed.index('href="20260102-2/index.html"') < listed.index('href="20260101-1/index.html"')
    assert f'href="{URL}/run/index.html"' in (site / "404.html").read_text(encoding="utf-8")


def test_each_page_names_the_address_at_which_it_stays(tmp_path: Path, remote: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    made_up.write_evidence(site)
    write(RunFolder(site), made_up.matrix(), made_up.PUBLISHED)
    RunFolder(site).write_run(made_up.RUN)
    assert _publish(site, remote).returncode == 0
    below = site / "run" / made_up.RUN.id
    pages = [path.relative_to(below) for path in below.rglob("*.html")]
    assert len(pages) > 10
    for page in pages:
        address = f"{made_up.PUBLISHED.base_url}/run/{made_up.RUN.id}/{page}"
        assert f'<a href="{address}">Permalink</a>' in (site / page).read_text(encoding="utf-8")
    report = next(text for path in below.rglob("cell/**/*.html") if "# mqtt-one" in (text := path.read_text("utf-8")))
    assert f"All of it: &lt;{made_up.PUBLISHED.base_url}/run/{made_up.RUN.id}/cell/" in report


def test_publishing_a_run_again_replaces_it(tmp_path: Path, remote: Path) -> None:
    site = _site(tmp_path / "site", "20260101-1")
    for _ in range(2):
        # The second time the site has what the first one put there.
        assert _publish(site, remote).returncode == 0
    assert [path.name for path in (site / "run").iterdir() if path.is_dir()] == ["20260101-1"]
    assert "run/20260101-1/index.html" not in _kept(site, "20260101-1")


def test_what_is_kept_is_bounded(tmp_path: Path, remote: Path) -> None:
    runs = [f"202601{day:02}-1" for day in range(1, 6)]
    for run in runs[:4]:
        site = _site(tmp_path / run, run)
        assert _publish(site, remote).returncode == 0
    # 37 older ones, as if they had been published before.
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--branch", "results", remote, clone], check=True)
    older = [f"2025{number:04}-1" for number in range(37)]
    for run in older:
        shutil.copy(clone / "brief" / f"{runs[0]}.tar.xz", clone / "brief" / f"{run}.tar.xz")
    _git(clone, "add", ".")
    _git(clone, "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "older")
    _git(clone, "push", "-q")
    site = _site(tmp_path / runs[4], runs[4])
    assert _publish(site, remote).returncode == 0
    found = sorted(path.name for path in (site / "run").iterdir() if path.is_dir())
    assert found == [*older[2:], *runs], "the two oldest have gone"
    assert GREEN in _kept(site, runs[-1])
    for run in runs[:-1]:
        assert _kept(site, run) == {"index.html", CRATE, RED, CITED}
    assert _git(remote, "rev-list", "--count", "results") == "1"


def test_evidence_stays_while_its_cell_is_red(tmp_path: Path, remote: Path) -> None:
    runs = ("20260101-1", "20260102-2", "20260103-3")
    for run, is_red in zip(runs, (True, True, False), strict=True):
        site = _site(tmp_path / run, run, is_red)
        assert _publish(site, remote).returncode == 0
    assert _kept(site, runs[0]) == {"index.html", CRATE, RED, CITED}, "it was red in the next run"
    assert _kept(site, runs[1]) == {"index.html", CRATE, RED}, "it was not"
    assert not (site / "run" / runs[2] / CITED).exists()


@pytest.mark.parametrize(("kib", "kept"), [(64, (True, True)), (65, (True, False)), (1025, (False, False))])
def test_large_evidence_is_the_newest_runs_alone(
    tmp_path: Path, remote: Path, kib: int, kept: tuple[bool, bool]
) -> None:
    first, second = "20260101-1", "20260102-2"
    site = _site(tmp_path / first, first)
    (site / CITED).write_bytes(b"0" * kib * 1024)
    assert _publish(site, remote).returncode == 0
    found = (site / "run" / first / CITED).exists()
    site = _site(tmp_path / second, second)
    assert _publish(site, remote).returncode == 0
    assert (found, (site / "run" / first / CITED).exists()) == kept


def test_the_oldest_run_makes_room(tmp_path: Path, remote: Path) -> None:
    runs = [f"2026010{day}-1" for day in range(1, 5)]
    for run in runs:
        site = _site(tmp_path / run, run)
        # A page of every run; three runs and the report itself are 8 MB, and a little.
        (site / CRATE).write_bytes(b"0" * 2 * 1024**2)
        ran = _publish(site, remote, limit="9" if run == runs[-1] else "950")
        assert ran.returncode == 0
    assert ran.stderr == f"publish: {runs[0]} makes room\n"
    assert sorted(path.name for path in (site / "run").iterdir() if path.is_dir()) == runs[1:]
    listed = _git(remote, "ls-tree", "-r", "--name-only", "results").split()
    assert sorted(listed) == [f"brief/{runs[1]}.tar.xz", f"brief/{runs[2]}.tar.xz", f"whole/{runs[3]}.tar.xz"]
    ran = _publish(site, remote, limit="1")
    assert ran.stderr.endswith("publish: this report alone is more than 1 MB\n")
    assert (site / "run" / runs[-1] / CRATE).exists()


def test_nothing_is_lost_where_somebody_else_publishes_at_the_same_time(tmp_path: Path, remote: Path) -> None:
    assert _publish(_site(tmp_path / "first", "20260101-1"), remote).returncode == 0
    # A git that, just before it pushes, lets somebody else be faster.
    git, program = shutil.which("git"), tmp_path / "bin" / "git"
    program.parent.mkdir()
    theirs = "commit-tree results^{tree} -m theirs"
    program.write_text(
        f"#!/bin/sh\ncase $1 in push)\n"
        f"{git} -C {remote} update-ref refs/heads/results "
        f'$({git} -C {remote} -c user.name=x -c user.email=x@localhost {theirs});;\nesac\nexec {git} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    site = _site(tmp_path / "second", "20260102-2")
    ran = _publish(site, remote, f"{program.parent}:")
    assert ran.returncode != 0
    assert "stale info" in ran.stderr
    assert _git(remote, "log", "-1", "--format=%s", "results") == "theirs"
    assert not (site / "run").exists()
    assert _publish(site, remote).returncode == 0, "the next attempt has both"
    assert _kept(site, "20260101-1")


def test_a_remote_that_does_not_answer_is_not_an_empty_one(tmp_path: Path) -> None:
    site = _site(tmp_path / "site", "20260101-1")
    ran = _publish(site, tmp_path / "nowhere.git")
    assert ran.returncode == 128
    assert not (site / "run").exists()


def test_a_run_whose_id_leads_elsewhere_is_refused(tmp_path: Path, remote: Path) -> None:
    ran = _publish(_site(tmp_path / "site", "../outside"), remote)
    assert (ran.returncode, ran.stderr) == (1, "publish: a run cannot be called ../outside\n")
    assert _git(remote, "for-each-ref") == ""
