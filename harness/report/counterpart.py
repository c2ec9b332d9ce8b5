"""Who the crate talked to in a cell. A cell is counted with a broker line, but that need not be who answered."""

from __future__ import annotations

from harness.matrix import Cell
from harness.model import NO_PEER, Dialect, Need, Scenario
from harness.report.publication import Publication
from harness.report.text import Span, one_line

#: Where a whole implementation may take part beside a scripted peer; a broker never does.
_WITHOUT_BROKER = frozenset({Dialect.ZMTP, Dialect.COAP_CLIENT, Dialect.COAP_SERVER})
#: What stands before a broker that speaks no WebSocket itself.
_GATEWAY = "harness/peers/websocket.py"


def counterpart(cell: Cell) -> str:
    """Who the crate met, on one line; empty where it met nobody."""
    key, script = cell.key, cell.scenario.scripted
    if key.peer == NO_PEER:
        return ""
    found = one_line(f"{key.peer}, found running: {cell.result.broker_version or 'unknown'}")
    if not script:
        gateway = Need.WEBSOCKET in cell.scenario.needs
        return f"{found}, behind this project's gateway for WebSocket ({_GATEWAY})" if gateway else found
    if key.dialect in _WITHOUT_BROKER:
        return f"this project's scripted peer ({script}); where the scenario has another one beside it, {found}"
    return f"this project's scripted peer ({script}), in the place of {key.peer}"


def no_lines(scenario: Scenario) -> str:
    """Why the broker's log of an attempt has no lines."""
    if scenario.scripted:
        return "no broker took part"
    if scenario.own_broker:
        return "it says nothing of that time"
    return "no line of the broker names this cell"


def script_note(cell: Cell, published: Publication) -> tuple[Span, ...]:
    """That a scripted peer took part, with its source; nothing where none did."""
    script = cell.scenario.scripted
    if not script:
        return ()
    who = "This project's scripted peer met the crate here"
    instead = (
        "" if cell.key.dialect in _WITHOUT_BROKER else f", and not {cell.key.peer}, with which the cell is counted"
    )
    return Span(f"{who}{instead}. Its source: ", ""), Span(script, published.source(script))
