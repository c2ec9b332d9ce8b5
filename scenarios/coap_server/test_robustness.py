"""What is no CoAP, or must not be understood, is rejected or ignored, and does no harm."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell, named
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import EMPTY, Packet, request
from harness.scenario import scenario

_FORMAT = "https://www.rfc-editor.org/rfc/rfc7252#section-3"
_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.2"
_CRITICAL = "https://www.rfc-editor.org/rfc/rfc7252#section-5.4.1"
#: An option that nobody knows; its number is odd, and so it is critical.
_UNKNOWN = 65001


@pytest.mark.parametrize("spoil", ["3-bytes", "nothing", "version-2", "version-0"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FORMAT],
    scripted=True,
)
def test_ignores_what_is_no_coap(cell: CoapCell, spoil: str) -> None:
    """A datagram that is too short, or of another version, is ignored without an answer."""
    peer = cell.raw_client(cell.serve())
    asked = request("CON", "GET", "/store")
    whole = asked.encode()
    spoilt = {
        "3-bytes": whole[:3],
        "nothing": b"",
        "version-2": bytes([whole[0] & 0x3F | 0x80]) + whole[1:],
        "version-0": bytes([whole[0] & 0x3F]) + whole[1:],
    }[spoil]
    peer.send(spoilt)
    answers = cell.strays(peer)
    cell.expect(not answers, expected="no answer", observed=named(answers))


@pytest.mark.parametrize("spoil", ["token-of-9", "token-of-15", "marker-alone", "option-that-ends-early"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FORMAT, _TYPES],
    scripted=True,
)
def test_rejects_an_error_of_format(cell: CoapCell, spoil: str) -> None:
    """A confirmable message whose format is wrong is rejected with a reset."""
    peer = cell.raw_client(cell.serve())
    asked = Packet("CON", "0.01", 0x4711, b"12345678")
    whole = asked.encode()
    peer.send(
        {
            "token-of-9": bytes([whole[0] & 0xF0 | 9]) + whole[1:] + b"90123456",
            "token-of-15": bytes([whole[0] & 0xF0 | 15]) + whole[1:] + b"90123456",
            "marker-alone": whole + b"\xff",
            "option-that-ends-early": whole + b"\x4f\x01",
        }[spoil]
    )
    answers = cell.strays(peer)
    cell.expect(answers == [asked.reset()], expected=f"{asked.reset()}", observed=named(answers))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_CRITICAL],
    scripted=True,
)
def test_refuses_an_unknown_critical_option(cell: CoapCell) -> None:
    """A confirmable request with a critical option that the server does not know is answered 4.02."""
    service = cell.serve()
    asked = request("CON", "GET", "/store", options=((_UNKNOWN, b"?"),))
    answer = cell.exchange(cell.raw_client(service), asked, f"a response to {asked}")
    cell.expect(answer.code == "4.02", expected=f"4.02, to {asked} with option {_UNKNOWN}", observed=f"{answer}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_CRITICAL, "https://www.rfc-editor.org/rfc/rfc7252#section-4.3"],
    scripted=True,
)
def test_rejects_an_unknown_critical_option_by_silence(cell: CoapCell) -> None:
    """A request that asks for no acknowledgement, with a critical option that the server does not know, is rejected.

    That is done by silence or by a reset, and never by a response.
    """
    service = cell.serve()
    peer = cell.raw_client(service)
    asked = request("NON", "POST", "/store", cell.payload(), options=((_UNKNOWN, b"?"),))
    peer.send(asked)
    answers = cell.strays(peer)
    wrong = [answer for answer in answers if answer != asked.reset()]
    cell.expect(not wrong, expected=f"no response to {asked} with option {_UNKNOWN}", observed=named(wrong))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TYPES],
    scripted=True,
)
def test_passes_empty_messages_over(cell: CoapCell) -> None:
    """An acknowledgement, a reset and a response of which the server knows nothing change nothing."""
    peer = cell.raw_client(cell.serve())
    for strange in (Packet("ACK", EMPTY, 1), Packet("RST", EMPTY, 2), Packet("NON", "2.05", 3, b"strange")):
        peer.send(strange)
    answers = cell.strays(peer)
    cell.expect(
        all(answer.kind == "RST" for answer in answers),
        expected="no answer, but perhaps a reset",
        observed=named(answers),
    )
