"""Turns: no more cells at once than there are places, and an order that keeps everybody busy."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness import turns
from harness.model import Consequence, Dialect, Level, Requirement, Scenario
from harness.turns import in_order, pool_of, turn

PLAIN = Scenario(
    id="plain",
    dialect=Dialect.MQTT_3_1_1,
    group="made",
    capability="base",
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    title="",
    details="",
    spec=(),
    needs=(),
    features=(),
    own_broker=False,
    deadline=30.0,
    timer=0.0,
)
WAITS = replace(PLAIN, id="waits", timer=60.0)
HURTS = replace(PLAIN, id="hurts", timer=60.0, own_broker=True)


def test_who_only_waits_needs_no_turn() -> None:
    assert [pool_of(scenario) for scenario in (PLAIN, WAITS, HURTS)] == ["work", "", "brokers"]
    assert pool_of(replace(PLAIN, cluster=True)) == "brokers"


@pytest.mark.parametrize(("pool", "expected"), [("work", 2), ("brokers", 1), ("", 6)])
def test_a_pool_has_only_so_many_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pool: str, expected: int
) -> None:
    monkeypatch.setattr(turns, "PLACES", 2)
    monkeypatch.setattr(turns, "BROKER_PLACES", 1)
    guard, working, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal working, most
        with turn(tmp_path, pool):
            with guard:
                working += 1
                most = max(most, working)
            time.sleep(0.2)
            with guard:
                working -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, working) == (expected, 0)


def test_a_place_is_given_back_where_the_cell_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(turns, "PLACES", 1)
    with pytest.raises(ValueError, match="wrong"), turn(tmp_path, "work"):
        raise ValueError("wrong")
    with turn(tmp_path, "work"):
        pass


def test_each_pools_cells_are_spread_and_long_timers_go_first() -> None:
    short = replace(WAITS, timer=5.0)
    items = [(PLAIN, n) for n in range(6)] + [(HURTS, 10), (short, 20), (HURTS, 11), (WAITS, 21)]
    assert in_order(items) == [0, 21, 10, 1, 2, 3, 20, 11, 4, 5]


def test_nothing_to_hand_out_is_no_error() -> None:
    assert in_order([]) == []
