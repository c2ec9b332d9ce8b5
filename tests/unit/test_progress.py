"""A long run says how far it is, and what takes its time."""

from __future__ import annotations

from harness.progress import Progress


def test_a_line_now_and_then_says_how_many_cells_are_done_and_which_one_takes_longest() -> None:
    now, told = [0.0], list[str]()
    progress = Progress(told.append, lambda: now[0])
    for _ in range(2):
        # Of two workers, which collect the same.
        progress.pytest_xdist_node_collection_finished(ids=["a", "b", "c", "d"])
    progress.pytest_runtest_logstart("scenarios/mqtt/test_x.py::test_connects[one@1.0.0-mosquitto@2.0]")
    now[0] = 2.0
    progress.pytest_runtest_logstart("scenarios/mqtt/test_x.py::test_b")
    now[0] = 14.0
    progress.pytest_runtest_logfinish("scenarios/mqtt/test_x.py::test_b")
    progress.pytest_runtest_logstart("scenarios/mqtt/test_x.py::test_c")
    now[0] = 16.0
    progress.pytest_runtest_logfinish("scenarios/mqtt/test_x.py::test_c")
    now[0] = 32.0
    progress.pytest_runtest_logfinish("scenarios/mqtt/test_x.py::test_connects[one@1.0.0-mosquitto@2.0]")
    assert told == [
        "0 of 4 cells",
        "2 of 4 cells; 1 running, connects[one@1.0.0-mosquitto@2.0] for 16 s",
        "3 of 4 cells",
    ]
