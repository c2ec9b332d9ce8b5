"""Says where a run's time went: its phases, and its cells beside the wall time that they took together.

python -m benchmarks.split reports/latest
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from harness.store import RunFolder


def split(folder: RunFolder) -> str:
    """A table in Markdown."""
    run, cells = folder.read_run(), folder.read_cells()
    total = sum(cell.seconds for cell in cells)
    wall = run.phases.get("cells", 0.0)
    lines = [f"Run {run.id}, {run.host['os']}, {run.host['cpus']} cores, {len(cells)} cells", ""]
    lines += ["| phase | seconds |", "|---|---:|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in run.phases.items()]
    lines += [f"| whole run | {run.seconds:.1f} |", ""]
    if wall:
        lines += [
            f"The cells' own seconds add up to {total:.0f}, in {wall:.0f} s of wall time: {total / wall:.1f} at once.",
            "",
        ]
    slowest = sorted(cells, key=lambda cell: -cell.seconds)[:5]
    lines += ["| slowest cells | seconds |", "|---|---:|"]
    lines += [f"| {cell.key} | {cell.seconds:.1f} |" for cell in slowest]
    groups: dict[str, float] = defaultdict(float)
    for cell in cells:
        groups[cell.key.crate] += cell.seconds
    lines += ["", "| crate | seconds of its cells |", "|---|---:|"]
    lines += [f"| {name} | {seconds:.0f} |" for name, seconds in groups.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(split(RunFolder(Path(sys.argv[1]).resolve())))
