"""Requests and what answers them: methods, codes, paths, queries, tokens and message ids."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Opt
from harness.references.coap import Shape
from harness.scenario import scenario

_METHODS = "https://www.rfc-editor.org/rfc/rfc7252#section-5.8"
_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.2"
_URI = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.1"
_TOKEN = "https://www.rfc-editor.org/rfc/rfc7252#section-5.3.1"  # noqa: S105 - a clause, no password
_MATCHING = "https://www.rfc-editor.org/rfc/rfc7252#section-5.3.2"
_SEPARATE = "https://www.rfc-editor.org/rfc/rfc7252#section-5.2.2"
_MESSAGE_ID = "https://www.rfc-editor.org/rfc/rfc7252#section-4.4"
_CODES = "https://www.rfc-editor.org/rfc/rfc7252#section-5.9"


def _told(token: bytes) -> str:
    return f"the token {token.hex()}" if token else "no token"


kinds = pytest.mark.parametrize("confirmable", [True, False], ids=["con", "non"])


@kinds
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"], ids=str.lower)
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_01 to 08", _METHODS, _TYPES],
)
def test_sends_requests(cell: CoapCell, method: str, confirmable: bool) -> None:
    """A request arrives as it was made, and its response is delivered with code and payload."""
    body, sent = cell.payload(), cell.payload()
    link = cell.link(test=Shape(body=body))
    payload = sent if method in ("POST", "PUT") else b""
    got = link.client.request(method, "/test", confirmable=confirmable, payload=payload)
    wanted = {
        "GET": Response("2.05", body),
        "POST": Response("2.04", sent),
        "PUT": Response("2.04", b""),
        "DELETE": Response("2.02", b""),
    }[method]
    cell.expect((got.code, got.payload) == (wanted.code, wanted.payload), expected=f"{wanted}", observed=f"{got}")
    asked = link.server.asked
    told = [(seen.method, seen.path, seen.confirmable, seen.payload) for seen in asked]
    cell.expect(
        told == [(method, "/test", confirmable, payload)],
        expected=f"the server gets one {method} of /test, {'CON' if confirmable else 'NON'}, with the payload sent",
        observed=f"it got {asked}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_13", "TD_COAP_CORE_14", _URI],
    scripted=True,
)
def test_asks_with_path_and_query(cell: CoapCell) -> None:
    """Each segment of a path, and each part of a query, is an option of its own, in UTF-8."""
    link = cell.raw_link()
    query = ["first=1", "second=2 & 3", f"näher={cell.token}"]
    finish = link.client.begin_request("GET", "/seg1/two words/größe", query=query)
    asked = cell.take_request(link)
    link.peer.send(asked.piggybacked("2.05"))
    finish(DELIVERY)
    told = [[value.decode() for value in asked.all(number)] for number in (Opt.URI_PATH, Opt.URI_QUERY)]
    wanted = [["seg1", "two words", "größe"], query]
    cell.expect(told == wanted, expected=f"the options Uri-Path and Uri-Query {wanted}", observed=f"{told}")


@pytest.mark.parametrize("size", [8, 1, 0], ids=["8-bytes", "1-byte", "no-token"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_10", "TD_COAP_CORE_11", "TD_COAP_CORE_12", _MATCHING],
    scripted=True,
    features=["chosen-tokens"],
)
def test_uses_the_token_given(cell: CoapCell, size: int) -> None:
    """A token that the application chooses is sent, and the response that has it is delivered."""
    link = cell.raw_link()
    token, body = cell.payload(size), cell.payload()
    finish = link.client.begin_request("GET", "/test", token=token)
    asked = cell.take_request(link)
    cell.expect(asked.token == token, expected=f"a request with {_told(token)}", observed=f"{asked}")
    link.peer.send(asked.piggybacked("2.05", body))
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")


@pytest.mark.parametrize("size", [8, 0], ids=["8-bytes", "no-token"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_11", "TD_COAP_CORE_12", _SEPARATE, _MATCHING],
    features=["chosen-tokens"],
    scripted=True,
)
def test_knows_a_separate_response_by_its_token(cell: CoapCell, size: int) -> None:
    """A response in a message of its own, with a message id of its own, is known by the token of the request."""
    link = cell.raw_link()
    token, body = cell.payload(size), cell.payload()
    finish = link.client.begin_request("GET", "/test", token=token)
    asked = cell.take_request(link)
    cell.expect(asked.token == token, expected=f"a request with {_told(token)}", observed=f"{asked}")
    link.peer.send(asked.ack())
    response = asked.separate("CON", "2.05", body)
    answer = cell.exchange(link.peer, response, f"an answer to {response}")
    cell.expect(answer == response.ack(), expected=f"{response.ack()}, to {response}", observed=f"{answer}")
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.SECURITY,
    spec=[_TOKEN],
    scripted=True,
)
def test_chooses_tokens(cell: CoapCell) -> None:
    """Where the application chooses no token the client does, so that a stranger cannot forge a response.

    A client that is not protected by DTLS should use tokens that are not trivial and are random.
    """
    link = cell.raw_link()
    tokens = []
    for _ in range(3):
        finish = link.client.begin_request("GET", "/test")
        asked = cell.take_request(link)
        link.peer.send(asked.piggybacked("2.05"))
        finish(DELIVERY)
        tokens.append(asked.token.hex())
    cell.expect(
        all(tokens) and len(set(tokens)) == len(tokens),
        expected="three requests with tokens that are not empty, and differ",
        observed=f"the tokens {tokens}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_MESSAGE_ID],
)
def test_uses_a_message_id_once(cell: CoapCell) -> None:
    """Each new request has another message id: a server would take one that has an old id for a duplicate."""
    link = cell.link(test=Shape(body=cell.payload()))
    for _ in range(5):
        link.client.request("GET", "/test")
    ids = [seen.packet.mid for seen in cell.packets(link.relay, "a")]
    cell.expect(
        len(ids) == len(set(ids)) == 5, expected="five requests with five message ids", observed=f"the ids {ids}"
    )


@pytest.mark.parametrize("code", ["4.00", "4.04", "4.29", "5.00", "5.03"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_CODES],
    scripted=True,
)
def test_delivers_errors(cell: CoapCell, code: str) -> None:
    """A response that says that something went wrong is delivered with its code and its diagnostic payload."""
    link = cell.raw_link()
    finish = link.client.begin_request("GET", "/test")
    told = f"no such luck {cell.token}".encode()
    link.peer.send(cell.take_request(link).piggybacked(code, told))
    got = finish(DELIVERY)
    cell.expect((got.code, got.payload) == (code, told), expected=f"{Response(code, told)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_MATCHING],
    scripted=True,
    deadline=40.0,
)
def test_passes_other_tokens_over(cell: CoapCell) -> None:
    """A response whose token is another one is not the response to the request."""
    link = cell.raw_link()
    body, forged = cell.payload(), cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    other = asked.with_(token=bytes(byte ^ 0xFF for byte in asked.token or b"\1"))
    link.peer.send(other.separate("NON", "2.05", forged))
    link.peer.send(asked.piggybacked("2.05", body))
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}, which has the token", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_MATCHING],
    scripted=True,
)
def test_passes_strangers_over(cell: CoapCell) -> None:
    """A response from another address than the server's is not the response to the request."""
    link = cell.raw_link()
    body, forged = cell.payload(), cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    link.relay.send_from_elsewhere(asked.piggybacked("2.05", forged).encode())
    link.peer.send(asked.piggybacked("2.05", body))
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}, from the server", observed=f"{got}")
