"""Gathers the jars of a broker that runs on Java, by Maven."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.commands import run
from harness.errors import CommandFailed, Unavailable
from harness.model import BrokerLine

#: Seconds that Maven may take.
_LIMIT = 600.0


def gather_jars(line: BrokerLine, folder: Path, target: Path) -> None:
    """Copy the jars of the version that the image's tag names.

    Args:
        line: names the Maven project beside the recipe.
        folder: where that is.
        target: the folder to fill.

    Raises:
        Unavailable: they cannot be had.
    """
    if shutil.which("mvn") is None:
        raise Unavailable(f"{line.id} is built from jars, and Maven is not installed; `apt-get install maven` does it")
    version = line.image.rpartition(":")[2]
    goal = ["dependency:copy-dependencies", f"-Dkafka.version={version}", f"-DoutputDirectory={target}"]
    try:
        run(["mvn", "--quiet", "--batch-mode", "--file", str(folder / line.jars), *goal], timeout=_LIMIT)
    except CommandFailed as error:
        raise Unavailable(f"the jars of {line.id} cannot be had: {error}") from error
