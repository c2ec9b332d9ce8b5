"""Bodies that are larger than a message (RFC 7959)."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY, described
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Block, Opt, Packet, RawPeer, request
from harness.scenario import scenario

_GET = "https://www.rfc-editor.org/rfc/rfc7252#section-5.8.1"
_BLOCK2 = "https://www.rfc-editor.org/rfc/rfc7959#section-2.4"
_BLOCK1 = "https://www.rfc-editor.org/rfc/rfc7959#section-2.5"
_INCOMPLETE = "https://www.rfc-editor.org/rfc/rfc7959#section-2.9.2"
_BODY = 2500


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_02", "TD_COAP_BLOCK_03", _BLOCK1, _BLOCK2],
)
def test_takes_and_gives_a_body_in_blocks(cell: CoapCell) -> None:
    """A body that is larger than a block reaches the application whole, and comes back whole."""
    service = cell.serve()
    client, body = cell.reference_client(service), cell.payload(_BODY)
    cell.ask(client, "PUT", "/store", payload=body)
    served = service.crate.next_served(DELIVERY)
    cell.expect(
        served is not None and served.payload == body,
        expected=f"the application gets {described(body)}",
        observed=f"{served}",
    )
    got = cell.ask(client, "GET", "/store")
    told = Response(got.code, got.payload)
    cell.expect(told == Response("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{told}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_04", "TD_COAP_BLOCK_05", "https://www.rfc-editor.org/rfc/rfc7959#section-2.7"],
)
def test_takes_and_gives_bodies_in_one_request(cell: CoapCell) -> None:
    """A POST whose body and whose response's body are larger than a block is answered whole."""
    service = cell.serve()
    body = cell.payload(_BODY)
    got = cell.ask(cell.reference_client(service), "POST", "/store", payload=body)
    told = Response(got.code, got.payload)
    cell.expect(told == Response("2.04", body), expected=f"{Response('2.04', body)}", observed=f"{told}")


@pytest.mark.parametrize("szx", [2, 0], ids=["64-bytes", "16-bytes"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_BLOCK_01", "TD_COAP_BLOCK_06", _BLOCK2],
    scripted=True,
)
def test_gives_small_blocks(cell: CoapCell, szx: int) -> None:
    """Where a request asks for a size of blocks, the response has blocks of that size, one for each request."""
    service = cell.serve()
    body = cell.payload(200)
    cell.ask(cell.reference_client(service), "PUT", "/store", payload=body)
    peer, size, got = cell.raw_client(service), 16 << szx, b""
    while len(got) < len(body):
        number = len(got) // size
        asked = request("CON", "GET", "/store", options=((Opt.BLOCK2, Block(number, False, szx).value()),))
        answer = cell.exchange(peer, asked, f"a response to {asked}")
        wanted = Block(number, (number + 1) * size < len(body), szx)
        cell.expect(answer.block(Opt.BLOCK2) == wanted, expected=f"Block2 {wanted}, to {asked}", observed=f"{answer}")
        got += answer.payload
    cell.expect(got == body, expected=described(body), observed=described(got))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_BLOCK_06", _BLOCK1],
    scripted=True,
)
def test_takes_small_blocks(cell: CoapCell) -> None:
    """Blocks of 16 bytes are each acknowledged with their number, and make one body."""
    service = cell.serve()
    peer, body = cell.raw_client(service), cell.payload(56)
    for number in range(4):
        block = Block(number, number < 3, 0)
        part = body[number * 16 : (number + 1) * 16]
        asked = request("CON", "PUT", "/store", part, ((Opt.BLOCK1, block.value()),))
        answer = cell.exchange(peer, asked, f"a response to {asked}")
        told = answer.block(Opt.BLOCK1)
        cell.expect(
            answer.code == ("2.31" if block.more else "2.04") and told is not None and told.number == number,
            expected=f"{'2.31' if block.more else '2.04'} with block {number}, to {asked}",
            observed=f"{answer}",
        )
    served = service.crate.next_served(DELIVERY)
    cell.expect(
        served is not None and served.payload == body,
        expected=f"the application gets {described(body)}",
        observed=f"{served}",
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_INCOMPLETE],
    scripted=True,
)
def test_notices_that_blocks_are_missing(cell: CoapCell) -> None:
    """A last block whose predecessors never came does not make a body; it is answered with an error, 4.08."""
    service = cell.serve()
    asked = request("CON", "PUT", "/store", cell.payload(10), ((Opt.BLOCK1, Block(2, False, 0).value()),))
    answer = cell.exchange(cell.raw_client(service), asked, f"a response to {asked}")
    cell.expect(answer.code.startswith("4."), expected=f"4.08, to {asked}", observed=f"{answer}")
    cell.expect_served(service, 0, expected="the application gets no request")


def _asks_for_block(cell: CoapCell, peer: RawPeer, block: Block) -> Packet:
    """The answer to a GET of one block of /store."""
    asked = request("CON", "GET", "/store", options=((Opt.BLOCK2, block.value()),))
    return cell.exchange(peer, asked, f"a response to {asked}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_BLOCK_02", _BLOCK2],
    scripted=True,
)
def test_gives_smaller_blocks_midway(cell: CoapCell) -> None:
    """A client that was given a large first block may ask for the rest in smaller ones, and gets them in that size."""
    service = cell.serve()
    body = cell.payload(600)
    cell.ask(cell.reference_client(service), "PUT", "/store", payload=body)
    peer = cell.raw_client(service)
    first = _asks_for_block(cell, peer, Block(0, False, 4))
    cell.expect(
        (first.block(Opt.BLOCK2), first.payload) == (Block(0, True, 4), body[:256]),
        expected="block 0 of 256 bytes",
        observed=f"{first} with {described(first.payload)}",
    )
    second = _asks_for_block(cell, peer, Block(4, False, 2))
    cell.expect(
        (second.block(Opt.BLOCK2), second.payload) == (Block(4, True, 2), body[256:320]),
        expected=f"block 4 of 64 bytes, {described(body[256:320])}",
        observed=f"{second} with {described(second.payload)}",
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.LOSS,
    spec=[_BLOCK2],
    scripted=True,
)
def test_gives_no_mixture_of_two_bodies(cell: CoapCell) -> None:
    """Where the resource changes between two blocks, its ETag tells, or the client gets the old body."""
    service = cell.serve()
    writer, peer = cell.reference_client(service), cell.raw_client(service)
    old, new = cell.payload(200), cell.payload(200)
    cell.ask(writer, "PUT", "/store", payload=old)
    first = _asks_for_block(cell, peer, Block(0, False, 2))
    cell.expect(first.payload == old[:64], expected=described(old[:64]), observed=f"{first}")
    cell.ask(writer, "PUT", "/store", payload=new)
    second = _asks_for_block(cell, peer, Block(1, False, 2))
    told = first.first(Opt.ETAG) is not None and second.first(Opt.ETAG) != first.first(Opt.ETAG)
    cell.expect(
        second.payload == old[64:128] or told or second.code[0] == "4",
        expected="block 1 of the body that block 0 is of, another ETag than block 0 had, or an error",
        observed=f"{second} with {described(second.payload)}",
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_GET, _BLOCK2],
    scripted=True,
)
def test_gives_the_newest_body_to_who_starts_over(cell: CoapCell) -> None:
    """A client that left a body after its first block, and asks for that again later, gets what there is by then."""
    service = cell.serve()
    writer, peer = cell.reference_client(service), cell.raw_client(service)
    old, new = cell.payload(200), cell.payload(200)
    for body in (old, new):
        cell.ask(writer, "PUT", "/store", payload=body)
        got = _asks_for_block(cell, peer, Block(0, False, 2))
        cell.expect(
            got.payload == body[:64],
            expected=f"block 0 of what was PUT last, {described(body[:64])}",
            observed=f"{got} with {described(got.payload)}{', of what was before' if got.payload == old[:64] else ''}",
        )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.LOSS,
    spec=[_BLOCK1],
    scripted=True,
)
def test_takes_the_body_of_who_starts_over(cell: CoapCell) -> None:
    """A client that breaks a PUT in blocks off and begins it anew has only the new blocks taken for its body."""
    service = cell.serve()
    peer = cell.raw_client(service)
    left, body = cell.payload(48), cell.payload(26)
    parts = [(Block(number, True, 0), left[number * 16 :][:16]) for number in range(3)]
    parts += [(Block(0, True, 0), body[:16]), (Block(1, False, 0), body[16:])]
    for block, part in parts:
        asked = request("CON", "PUT", "/store", part, ((Opt.BLOCK1, block.value()),))
        answer = cell.exchange(peer, asked, f"a response to {asked}")
        cell.expect(answer.code[0] == "2", expected=f"2.31 or 2.04, to {asked}", observed=f"{answer}")
    served = service.crate.next_served(DELIVERY)
    cell.expect(
        served is not None and served.payload == body,
        expected=f"the application gets {described(body)}",
        observed=f"{served}{', which ends as what was broken off' if served and served.payload[26:] else ''}",
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_BLOCK1],
    scripted=True,
)
def test_takes_bodies_of_two_clients_at_once(cell: CoapCell) -> None:
    """Blocks that two clients send in turn, to one resource, make two bodies, each of one client's blocks."""
    service = cell.serve()
    clients = [(cell.raw_client(service), cell.payload(40)) for _ in range(2)]
    for number in range(3):
        for peer, body in clients:
            block = Block(number, number < 2, 0)
            part = body[number * 16 : (number + 1) * 16]
            asked = request("CON", "PUT", "/store", part, ((Opt.BLOCK1, block.value()),))
            answer = cell.exchange(peer, asked, f"a response to {asked}")
            wanted = "2.31" if block.more else "2.04"
            cell.expect(answer.code == wanted, expected=f"{wanted}, to {asked}", observed=f"{answer}")
    served = [service.crate.next_served(DELIVERY) for _ in clients]
    cell.expect(
        {found.payload for found in served if found is not None} == {body for _, body in clients},
        expected=f"the application gets {' and '.join(described(body) for _, body in clients)}",
        observed=" · ".join(map(str, served)),
    )
