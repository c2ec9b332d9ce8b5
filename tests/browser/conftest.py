"""A real browser and the report of the made-up run. Without a browser these tests are skipped, and say so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness.matrix import Matrix
from harness.report import write
from harness.setup import find_browser
from harness.store import RunFolder
from tests.golden import made_up


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: what is asked for is no news."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a folder that is published over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
    write(RunFolder(folder), made_up_matrix, made_up.PUBLISHED)
    return folder
