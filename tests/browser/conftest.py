"""A real browser and the report of the made-up run. Without a browser these tests are skipped, and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness.matrix import Matrix
from harness.report import write
from harness.setup import find_browser
from harness.store import RunFolder
from tests.golden import made_up


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on this machine: `iotyet doctor` names the package")
    with sync_playwright() as playwright:
        # As root, as in containers, Chromium's sandbox does not start. The pages are our own.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def made_up_matrix() -> Matrix:
    """The made-up run, which has every verdict and text that means harm."""
    return made_up.matrix()


@pytest.fixture(scope="session")
def report(made_up_matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its report."""
    folder = tmp_path_factory.mktemp("report")
    made_up.write_evidence(folder)
    write(RunFolder(folder), made_up_matrix)
    return folder
