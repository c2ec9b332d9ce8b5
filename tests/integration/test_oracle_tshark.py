"""tshark as a source of the oracle: the mutants that it catches, in one batch, on this machine or in our image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.commands import RUN_MARK
from harness.errors import Unavailable
from harness.liveness import Mark
from harness.oracle.tshark import Doubt, examine
from harness.pcapng import Capture, TcpFlow, UdpFlow
from tests.unit.oracle.mutants import Mutant
from tests.unit.oracle.test_rules import JUDGES

_PORTS = {"mqtt": 1883, "amqp": 5672, "coap": 5683, "zmtp": 5556, "kafka": 9092}
#: Rules with a mutant that tshark calls malformed too: it checks sizes, and values in CoAP alone.
_CAUGHT = {
    "mqtt.short", "mqtt.property-length",
    "coap.token-length", "coap.short", "coap.option-header", "coap.option-length",
    "zmtp.short", "zmtp.long-size",
    "kafka.size", "kafka.api-key", "kafka.header", "kafka.body", "kafka.left-over",
}  # fmt: skip
#: What tshark takes for malformed though it is not: a SASL token without a header, after SaslHandshake 0.
_MISREAD = "kafka.left-over-9"


def _mutants() -> Iterator[tuple[str, str, Mutant]]:
    for protocol, (_, mutants) in JUDGES.items():
        for number, mutant in enumerate(mutants):
            yield protocol, f"{mutant.rule}-{number}", mutant


def _record(path: Path, port: int, client: str, data: bytes) -> None:
    capture = Capture(path, f"relay to port {port}")
    if port == _PORTS["coap"]:
        UdpFlow(capture, (client, 40000), ("127.0.0.1", port)).datagram("a", data)
    else:
        flow = TcpFlow(capture, (client, 40000), ("127.0.0.1", port))
        flow.opened()
        flow.data("a", data)
        flow.finished("a")
        flow.finished("b")
    capture.close()


@pytest.fixture(scope="module")
def doubts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Doubt]]:
    """What tshark says of every mutant, and of what is right."""
    folder = tmp_path_factory.mktemp("captures")
    for number, (protocol, name, mutant) in enumerate(_mutants()):
        for kind, data in (("right", mutant.valid), ("wrong", mutant.wrong)):
            address = f"127.{1 if kind == 'right' else 2}.{number // 200}.{number % 200 + 1}"
            _record(folder / f"{kind} {name}", _PORTS[protocol], address, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_MARK, str(Mark("tested", folder / "lock")))
        try:
            version, found = examine(folder, sorted(path.name for path in folder.iterdir()), print)
        except Unavailable as error:
            pytest.skip(f"there is no tshark of 4.4 or newer here: {error}")
    assert tuple(map(int, version.split("."))) >= (4, 4)
    return found


def test_tshark_catches_what_it_is_known_to_catch(doubts: dict[str, list[Doubt]]) -> None:
    wrong = {name.removeprefix("wrong ") for name in doubts if name.startswith("wrong ")}
    assert {name.rpartition("-")[0] for name in wrong} == _CAUGHT
    assert len(wrong) >= 25
    assert all(doubt.end == "a" and doubt.says for found in doubts.values() for doubt in found)


def test_tshark_finds_nothing_wrong_with_what_is_right(doubts: dict[str, list[Doubt]]) -> None:
    assert [name for name in doubts if name.startswith("right ")] == [f"right {_MISREAD}"]


def test_a_doubt_has_the_number_that_the_packet_has_in_its_own_capture(doubts: dict[str, list[Doubt]]) -> None:
    """The connection's three packets come before what was sent; a datagram is the first packet."""
    assert {doubt.packet for name, found in doubts.items() if " coap." in name for doubt in found} == {1}
    assert {doubt.packet for name, found in doubts.items() if " mqtt." in name for doubt in found} == {4}
