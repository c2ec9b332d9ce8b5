"""What is no CoAP, or must not be understood, does no harm."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell, named
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import EMPTY, Packet
from harness.scenario import scenario

_FORMAT = "https://www.rfc-editor.org/rfc/rfc7252#section-3"
_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.2"
_PING = "https://www.rfc-editor.org/rfc/rfc7252#section-4.3"
_CRITICAL = "https://www.rfc-editor.org/rfc/rfc7252#section-5.4.1"
#: An option that nobody knows; its number is odd, and so it is critical.
_UNKNOWN = 65001
#: Seconds for what a client does at once.
_AT_ONCE = 3.0


def _answer_after(cell: CoapCell, spoil: str) -> None:
    """Something that is no CoAP comes before the response, which is delivered."""
    link = cell.raw_link()
    body, forged = cell.payload(), cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    whole = asked.piggybacked("2.05", forged).encode()
    spoilt = {
        "3-bytes": whole[:3],
        "nothing": b"",
        "version-2": bytes([whole[0] & 0x3F | 0x80]) + whole[1:],
        "payload-marker-alone": asked.piggybacked("2.05").encode() + b"\xff",
        "option-that-ends-early": asked.piggybacked("2.05").encode() + b"\x4f\x01",
    }[spoil]
    link.peer.send(spoilt)
    link.peer.send(asked.piggybacked("2.05", body))
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")


@pytest.mark.parametrize("spoil", ["3-bytes", "nothing", "version-2"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_FORMAT],
    scripted=True,
)
def test_ignores_what_is_no_coap(cell: CoapCell, spoil: str) -> None:
    """A datagram that is too short, or of another version, is ignored; the request is answered nevertheless."""
    _answer_after(cell, spoil)


@pytest.mark.parametrize("spoil", ["payload-marker-alone", "option-that-ends-early"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FORMAT, _TYPES],
    scripted=True,
)
def test_ignores_a_response_with_an_error_of_format(cell: CoapCell, spoil: str) -> None:
    """A response whose format is wrong is no response; the right one after it is delivered."""
    _answer_after(cell, spoil)


@pytest.mark.parametrize("length", [9, 15])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FORMAT, _TYPES],
    scripted=True,
)
def test_rejects_a_long_token(cell: CoapCell, length: int) -> None:
    """A confirmable message whose token has a length that is reserved has an error of format: it is reset."""
    link = cell.raw_link()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    # Who takes the length at its word finds no option in what follows either; random bytes might be one.
    strange = Packet("CON", "2.05", 0x4711, b"12345678", payload=b"\xf0" * 32)
    data = strange.encode()
    link.peer.send(bytes([data[0] & 0xF0 | length]) + data[1:])
    link.peer.send(asked.piggybacked("2.05"))
    finish(DELIVERY)
    cell.await_packet(
        link.relay,
        "a",
        lambda packet: packet == strange.reset(),
        f"{strange.reset()}, to a token of {length} bytes",
        within=_AT_ONCE,
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_CRITICAL],
    scripted=True,
)
def test_rejects_an_unknown_critical_option(cell: CoapCell) -> None:
    """A confirmable response with a critical option that the client does not know is reset, and not delivered."""
    link = cell.raw_link()
    body = cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    link.peer.send(asked.ack())
    response = asked.separate("CON", "2.05", body, ((_UNKNOWN, b"?"),))
    answer = cell.exchange(link.peer, response, f"an answer to {response}")
    cell.expect(
        answer == response.reset(),
        expected=f"{response.reset()}, to {response} with the option {_UNKNOWN}",
        observed=f"{answer}",
    )
    link.peer.send(asked.separate("CON", "5.00"))
    try:
        got = finish(DELIVERY)
    except RefusedByCrate as error:
        cell.remark(f"as expected: the crate reports an error: {error.observed}")
        return
    cell.expect(got.payload != body, expected="the rejected response is not delivered", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TYPES],
    scripted=True,
)
def test_passes_empty_messages_over(cell: CoapCell) -> None:
    """An acknowledgement and a reset of a message that was never sent change nothing."""
    link = cell.raw_link()
    body = cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    other = asked.mid ^ 0x1234
    link.peer.send(Packet("ACK", EMPTY, other))
    link.peer.send(Packet("RST", EMPTY, other))
    link.peer.send(asked.piggybacked("2.05", body))
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_CRITICAL, _TYPES],
    scripted=True,
)
def test_passes_over_an_acknowledgement_with_an_unknown_critical_option(cell: CoapCell) -> None:
    """A response in an acknowledgement, with a critical option that the client does not know, is not delivered.

    Nothing answers it: an acknowledgement is rejected by silence.
    """
    link = cell.raw_link()
    forged, body = cell.payload(), cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    strange = asked.piggybacked("2.05", forged, ((_UNKNOWN, b"?"),))
    link.peer.send(strange)
    # Whether the request counts as acknowledged now is the client's choice; a separate response is right for both.
    link.peer.send(asked.separate("CON", "2.05", body))
    try:
        got = finish(DELIVERY)
    except RefusedByCrate as error:
        cell.remark(f"as expected: the crate reports an error: {error.observed}")
    else:
        cell.expect(
            got.payload == body,
            expected=f"an error, or {Response('2.05', body)}, and not {strange} with the option {_UNKNOWN}",
            observed=f"{got}",
        )
    resets = [seen.packet for seen in cell.packets(link.relay, "a") if seen.packet == strange.reset()]
    cell.expect(not resets, expected=f"nothing answers {strange}", observed=named(resets))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_TYPES, _PING],
    scripted=True,
)
def test_answers_a_ping(cell: CoapCell) -> None:
    """An empty confirmable message, by which a server asks whether the client is there, is answered with a reset."""
    link = cell.raw_link()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    ping = Packet("CON", EMPTY, asked.mid ^ 0x1234)
    link.peer.send(ping)
    cell.await_packet(
        link.relay, "a", lambda packet: packet == ping.reset(), f"{ping.reset()}, to {ping}", within=_AT_ONCE
    )
    link.peer.send(asked.piggybacked("2.05"))
    finish(DELIVERY)
