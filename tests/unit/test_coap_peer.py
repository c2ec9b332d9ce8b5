"""Scripted CoAP messages: against the bytes of RFC 7252's examples, and there and back again."""

from __future__ import annotations

import pytest

from harness.peers.coap import EMPTY, Block, Opt, Packet, RawPeer, request, uint


def test_the_request_of_the_rfc() -> None:
    """RFC 7252, appendix A, figure 16: a GET of /temperature, without a token."""
    data = bytes.fromhex("40017d34bb") + b"temperature"
    found = Packet.decode(data)
    assert found == Packet("CON", "0.01", 0x7D34, options=((Opt.URI_PATH, b"temperature"),))
    assert found.encode() == data
    assert str(found) == "CON GET, mid 32052, /temperature"


def test_the_response_of_the_rfc() -> None:
    data = bytes.fromhex("60457d34ff") + b"22.3 C"
    asked = request("CON", "GET", "/temperature").with_(mid=0x7D34, token=b"")
    assert asked.piggybacked("2.05", b"22.3 C").encode() == data
    assert Packet.decode(data) == asked.piggybacked("2.05", b"22.3 C")


def test_any_option_comes_back() -> None:
    options = ((int(Opt.IF_MATCH), b""), (int(Opt.URI_PATH), b"a"), (int(Opt.URI_PATH), b""), (65001, bytes(300)))
    message = Packet("NON", "4.29", 0xFFFF, b"12345678", options, b"\xff\xff")
    assert Packet.decode(message.encode()) == message


@pytest.mark.parametrize("data", [b"", b"\x40\x01\x00", b"\x80\x01\x00\x00", b"\x40\x01\x00\x00\xb1\xdf"])
def test_what_is_no_message_is_none(data: bytes) -> None:
    assert Packet.decode(data) is None


def test_what_answers_a_message() -> None:
    asked = request("CON", "PUT", "/a/b", b"body")
    assert asked.path == "/a/b"
    assert asked.ack() == Packet("ACK", EMPTY, asked.mid)
    assert asked.reset() == Packet("RST", EMPTY, asked.mid)
    assert asked.separate("NON", "2.04").token == asked.token
    assert asked.is_request
    assert asked.separate("CON", "4.04").is_response


@pytest.mark.parametrize(
    ("block", "value"),
    [
        (Block(0, False, 0), b""),
        (Block(0, True, 2), b"\x0a"),
        (Block(16, True, 6), b"\x01\x0e"),
        (Block(3, False, 6), b"6"),
    ],
)
def test_blocks(block: Block, value: bytes) -> None:
    assert block.value() == value
    assert Block.of(value) == block


@pytest.mark.parametrize(("number", "value"), [(0, b""), (1, b"\1"), (255, b"\xff"), (256, b"\1\0")])
def test_numbers_have_no_leading_zeros(number: int, value: bytes) -> None:
    assert uint(number) == value


def test_two_peers_talk() -> None:
    one = RawPeer()
    other = RawPeer(("127.0.0.1", one.port))
    asked = request("CON", "GET", "/x")
    other.send(asked)
    assert one.receive(5) == asked
    one.send(asked.piggybacked("2.05"))
    assert other.receive_where(lambda packet: packet.is_response, 5) == asked.piggybacked("2.05")
    assert other.receive(0.01) is None
    one.close()
    other.send(b"nobody is there")
    assert other.receive(0.05) is None
    other.close()
