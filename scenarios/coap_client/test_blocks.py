"""Bodies that are larger than a message (RFC 7959)."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell, Link, RawLink, named
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY, described
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Block, Opt, Packet
from harness.references.coap import Shape
from harness.scenario import scenario

_BLOCKS = "https://www.rfc-editor.org/rfc/rfc7959#section-2.2"
_CONTROL = "https://www.rfc-editor.org/rfc/rfc7959#section-2.3"
_BLOCK2 = "https://www.rfc-editor.org/rfc/rfc7959#section-2.4"
_BLOCK1 = "https://www.rfc-editor.org/rfc/rfc7959#section-2.5"
_BODY = 2500


def _expect_whole(cell: CoapCell, link: Link, method: str, body: bytes) -> None:
    """The server's application got one request, with the whole body."""
    whole = [(seen.method, seen.payload) for seen in link.server.asked]
    cell.expect(
        whole == [(method, body)],
        expected=f"the server gets one {method} with {described(body)}",
        observed=" · ".join(f"{name} with {described(payload)}" for name, payload in whole) or "nothing",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_02", _BLOCK2],
)
def test_gets_a_body_in_blocks(cell: CoapCell) -> None:
    """Where the server answers with the first block of a body, the client asks for the others and delivers it whole."""
    body = cell.payload(_BODY)
    link = cell.link(large=Shape(body=body))
    got = link.client.request("GET", "/large")
    cell.expect((got.code, got.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{got}")


@pytest.mark.parametrize("szx", [2, 0], ids=["64-bytes", "16-bytes"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_BLOCK_01", "TD_COAP_BLOCK_06", _BLOCK2],
)
def test_asks_for_small_blocks(cell: CoapCell, szx: int) -> None:
    """Where the first request asks for a size of blocks, all requests and blocks have that size."""
    body = cell.payload(300)
    link = cell.link(large=Shape(body=body))
    got = link.client.request("GET", "/large", options=((Opt.BLOCK2, Block(0, False, szx).value()),))
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")
    asked = [seen.packet.block(Opt.BLOCK2) for seen in cell.packets(link.relay, "a")]
    count = -(-len(body) // (16 << szx))
    wanted = [Block(number, False, szx) for number in range(count)]
    cell.expect(
        asked == wanted,
        expected=f"requests for blocks 0 to {count - 1} of {16 << szx} bytes",
        observed=f"requests for {', '.join(map(str, asked))}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_BLOCKS, _CONTROL, "https://www.rfc-editor.org/rfc/rfc7252#section-4.4"],
)
def test_asks_for_each_block_anew(cell: CoapCell) -> None:
    """Each block is asked for by a message with an id of its own, in which the flag for more blocks is not set."""
    body = cell.payload(_BODY)
    link = cell.link(large=Shape(body=body))
    link.client.request("GET", "/large")
    asked = [seen.packet for seen in cell.packets(link.relay, "a")]
    blocks = [block for packet in asked if (block := packet.block(Opt.BLOCK2))]
    cell.expect(
        len({packet.mid for packet in asked}) == len(asked) > 2 and not any(block.more for block in blocks),
        expected="requests with ids that differ, and with M=0 in Block2",
        observed=named(asked),
    )


@pytest.mark.parametrize("szx", [None, 2, 0], ids=["usual", "64-bytes", "16-bytes"])
@pytest.mark.parametrize("method", ["PUT", "POST"], ids=str.lower)
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_03", "TD_COAP_BLOCK_04", "TD_COAP_BLOCK_06", _BLOCK1],
)
def test_sends_a_body_in_blocks(cell: CoapCell, method: str, szx: int | None) -> None:
    """A body that is larger than a block arrives whole, in the size of blocks that the client was told to use."""
    body = cell.payload(_BODY if szx is None else 300)
    shape = Shape() if method == "PUT" else Shape(location=(("large", cell.token), ()))
    link = cell.link(block1_szx=szx, large=shape)
    got = link.client.request(method, "/large", payload=body)
    cell.expect(got.code == "2.01", expected="2.01", observed=f"{got}")
    _expect_whole(cell, link, method, body)
    sizes = {block.szx for seen in cell.packets(link.relay, "a") if (block := seen.packet.block(Opt.BLOCK1))}
    cell.expect(
        bool(sizes) and (szx is None or sizes == {szx}),
        expected=f"blocks of {'any size' if szx is None else f'{16 << szx} bytes'}",
        observed=f"blocks of {', '.join(f'{16 << size} bytes' for size in sizes) or 'no size'}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_05", "https://www.rfc-editor.org/rfc/rfc7959#section-2.7"],
)
def test_sends_and_gets_bodies_in_blocks(cell: CoapCell) -> None:
    """A POST whose body and whose response's body are larger than a block gets the whole response to the whole body."""
    body = cell.payload(_BODY)
    link = cell.link(large=Shape())
    got = link.client.request("POST", "/large", payload=body)
    cell.expect((got.code, got.payload) == ("2.04", body), expected=f"{Response('2.04', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_02", _BLOCK2],
    timer=3.0,
)
def test_gets_a_body_over_a_lossy_link(cell: CoapCell) -> None:
    """A body is delivered whole where one of its blocks is lost."""
    body = cell.payload(_BODY)
    link = cell.link(large=Shape(body=body))
    link.relay.lose("b", 2)
    got = link.client.request("GET", "/large", within=20.0)
    cell.expect((got.code, got.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{got}")


@pytest.mark.parametrize("lost", ["request", "response"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_BLOCK_03", _BLOCK1],
    timer=3.0,
)
def test_sends_a_body_over_a_lossy_link(cell: CoapCell, lost: str) -> None:
    """A body arrives whole, and once, where one of its blocks or the 2.31 that answers one is lost."""
    body = cell.payload(_BODY)
    link = cell.link(large=Shape())
    link.relay.lose("a" if lost == "request" else "b", 2)
    got = link.client.request("PUT", "/large", payload=body, within=20.0)
    cell.expect(got.code == "2.01", expected="2.01", observed=f"{got}")
    _expect_whole(cell, link, "PUT", body)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_BLOCK_03", "TD_COAP_BLOCK_04", _BLOCK1],
    scripted=True,
)
def test_sends_smaller_blocks_when_asked(cell: CoapCell) -> None:
    """Where the server answers the first block with a smaller size, the others are sent in that size."""
    body = cell.payload(_BODY)
    link = cell.raw_link()
    finish = link.client.begin_request("PUT", "/large", payload=body)
    first = cell.take_request(link)
    block = first.block(Opt.BLOCK1)
    cell.expect(block is not None, expected="a request with Block1", observed=f"{first}")
    smaller, got = Block(0, True, 2), first.payload
    answered = first.piggybacked("2.31", options=((Opt.BLOCK1, smaller.value()),))
    link.peer.send(answered)
    asked = first
    while len(got) < len(body):
        wanted = Block(len(got) // smaller.size, len(got) + smaller.size < len(body), smaller.szx)
        asked = _take_block(cell, link, asked, answered, wanted)
        got += asked.payload
        code = "2.31" if wanted.more else "2.04"
        answered = asked.piggybacked(code, options=((Opt.BLOCK1, wanted.value()),))
        link.peer.send(answered)
    finish(DELIVERY)
    cell.expect(got == body, expected=described(body), observed=described(got))


def _take_block(cell: CoapCell, link: RawLink, last: Packet, answered: Packet, wanted: Block) -> Packet:
    """The request with the next block, after the last one was answered; where none comes the reason says what came."""
    expected = f"a request with Block1 {wanted}, after {last} was answered by {answered}"
    since = link.relay.count("a")
    try:
        asked = cell.take_request(link)
    except RefusedByCrate as error:
        after = [seen.packet for seen in cell.packets(link.relay, "a")[since:]]
        observed = f"{named(after)} after it, and the error {error.observed}"
        raise RefusedByCrate(observed, expected=expected, code=error.code, definite=error.definite) from error
    cell.expect(asked.block(Opt.BLOCK1) == wanted, expected=expected, observed=f"{asked}")
    return asked


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_BLOCK2],
    scripted=True,
)
def test_does_not_mix_two_bodies(cell: CoapCell) -> None:
    """Where the resource changes between two blocks, which its ETag tells, no mixture of both bodies is delivered."""
    link = cell.raw_link()
    old, new = cell.payload(128), cell.payload(128)
    finish = link.client.begin_request("GET", "/large")
    asked = cell.take_request(link)
    block = Block(0, True, 2)
    link.peer.send(asked.piggybacked("2.05", old[:64], ((Opt.ETAG, b"old"), (Opt.BLOCK2, block.value()))))
    for _ in range(3):  # a client may begin again
        again = link.peer.receive_where(lambda packet: packet.is_request, 2.0)
        if again is None:
            break
        number = (again.block(Opt.BLOCK2) or Block(0, False, 2)).number
        block = Block(number, number == 0, 2)
        part = new[number * 64 : (number + 1) * 64]
        link.peer.send(again.piggybacked("2.05", part, ((Opt.ETAG, b"new"), (Opt.BLOCK2, block.value()))))
    try:
        got = finish(DELIVERY)
    except RefusedByCrate as error:
        cell.remark(f"as expected: the crate reports an error: {error.observed}")
        return
    cell.expect(got.payload == new, expected="an error, or the new body whole", observed=f"{got}, a mixture of both")
