"""A plugin for `pytest scenarios --collect-only`: prints the page address of every cell that there can be."""

from __future__ import annotations

import pytest

from harness.plugin import cell_key, crate_of, is_cell
from harness.report.addresses import cell_page

#: What each line begins with, to tell it from what pytest prints.
PREFIX = "page "


def pytest_collection_finish(session: pytest.Session) -> None:
    """One line a cell."""
    for item in filter(is_cell, session.items):
        print(f"{PREFIX}{cell_page(crate_of(item), cell_key(item))}")
