"""No two cells share a page, on any file system."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

from harness.paths import ROOT
from tests.unit.page_addresses import PREFIX


def test_the_page_addresses_of_all_cells_differ_without_regard_to_case() -> None:
    """Where file systems ignore case, `header-B` and `header-b` are one folder; parameters are named apart."""
    command = [sys.executable, "-m", "pytest", "scenarios", "--collect-only", "-q", "--profile", "full"]
    run = subprocess.run(
        [*command, "-p", "tests.unit.page_addresses"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    pages = [line.removeprefix(PREFIX) for line in run.stdout.splitlines() if line.startswith(PREFIX)]
    assert any("publishes_a_header" in page for page in pages)
    folded = defaultdict(list)
    for page in pages:
        folded[page.lower()].append(page)
    assert [same for same in folded.values() if len(same) > 1] == []
