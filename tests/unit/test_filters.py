"""What filters go by: facts about rows, and choices worth offering."""

from __future__ import annotations

from harness.model import Verdict
from harness.report.filters import Choice, facets, form
from tests.golden import made_up

MATRIX = made_up.matrix()


def test_every_cell_that_somebody_has_to_look_at_is_a_problem() -> None:
    wanted = {Verdict.FAIL, Verdict.TIMEOUT, Verdict.CRASH, Verdict.BUILD_FAILED, Verdict.BROKEN, Verdict.UNAVAILABLE}
    assert {cell.verdict for cell in MATRIX.cells if facets([cell]).problems} == wanted


def test_a_row_names_each_peer_once_and_where_its_problems_are() -> None:
    row = next(row for row in MATRIX.rows if row.crate.name == "mqtt-one")
    found = facets(row.cells, ["with caveats"])
    assert found.advice == ("with_caveats",)
    assert found.peers == ("-", "mosquitto@2.0")
    assert found.problems == ("-", "mosquitto@2.0")
    assert facets([cell for cell in row.cells if cell.verdict is Verdict.PASS]).problems == ()


def test_a_stale_cell_is_changed_and_no_problem() -> None:
    stale = next(cell for cell in MATRIX.changes.stale)
    assert (facets([stale]).changed, facets([stale]).problems) == (("mosquitto@2.0",), ())


def test_one_option_is_no_choice() -> None:
    made = form("rows", {("a", "A"): [("x", "X"), ("x", "X")], ("b", "B"): [("x y", "X"), ("z", "Z")]})
    assert made.choices == (Choice("b", "B", (("x_y", "X"), ("z", "Z"))),)
