"""junit.xml: the cells as test cases, one suite a crate, for whatever reads JUnit's format."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from harness.matrix import Cell, Matrix, Row
from harness.model import NO_PEER, Change, Verdict
from harness.report.text import shorten, xml_safe

#: Characters of one message; whole texts are in results.json.
_LONGEST = 4000
#: What becomes of a cell in JUnit's words; nothing for a pass.
_SKIPPED = frozenset({Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE, Verdict.UNAVAILABLE, Verdict.NOT_RUN})


def render(matrix: Matrix) -> str:
    """The text of junit.xml."""
    suites = [_suite(row, matrix.run.started) for row in matrix.rows]
    root = ET.Element("testsuites", {"name": "iotyet"} | _totals(suites))
    root.extend(suites)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def outcome(cell: Cell) -> tuple[str, str, str]:
    """JUnit's element for a cell (empty for a pass), its type and its message."""
    verdict, change, known = cell.verdict, cell.result.change, cell.expectation
    if verdict is Verdict.BROKEN:
        return "error", verdict.value, cell.result.reason
    if change is Change.STALE:
        reason = known.reason if known else "declared otherwise"
        return "failure", "stale", f"passes though it is expected to be red: {reason}"
    if change is Change.UNEXPECTED and verdict not in _SKIPPED - {Verdict.UNSUPPORTED}:
        return "failure", verdict.value, cell.result.reason or "differs from what is expected"
    if verdict.is_red:
        if known is None:
            return "skipped", "xfail", f"{verdict.value}, {change}: {cell.result.reason}"
        return "skipped", "xfail", f"expected {verdict.value}: {known.reason}"
    if verdict in _SKIPPED:
        return "skipped", verdict.value, f"{verdict.value}: {cell.result.reason}"
    return "", "", ""


def _suite(row: Row, started: str) -> ET.Element:
    cases = [_case(cell) for cell in row.cells]
    suite = ET.Element("testsuite", name=xml_safe(row.crate.id), timestamp=xml_safe(started.rstrip("Z")[:19]))
    numbers = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    suite.attrib |= {name: str(number) for name, number in numbers.items()}
    suite.set("time", f"{sum(cell.result.seconds for cell in row.cells):.3f}")
    suite.extend(cases)
    return suite


def _case(cell: Cell) -> ET.Element:
    key = cell.key
    params = f"[{key.params}]" if key.params else ""
    peer = "" if key.peer == NO_PEER else f" on {key.peer}"
    case = ET.Element(
        "testcase",
        classname=xml_safe(f"{key.dialect}.{key.crate}"),
        name=xml_safe(f"{key.scenario}{params}{peer}"),
        time=f"{cell.result.seconds:.3f}",
    )
    element, kind, message = outcome(cell)
    if element:
        said = ET.SubElement(case, element, type=kind, message=shorten(xml_safe(message), _LONGEST))
        if element != "skipped":
            details = (str(key), cell.scenario.title, cell.result.reason, cell.result.reproduce)
            said.text = shorten(xml_safe("\n".join(text for text in details if text)), 2 * _LONGEST)
    return case


def _totals(suites: Iterable[ET.Element]) -> dict[str, str]:
    found = list(suites)
    names = ("tests", "failures", "errors", "skipped")
    return {name: str(sum(int(suite.get(name, "0")) for suite in found)) for name in names}
