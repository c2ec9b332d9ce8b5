"""Reading what has a size, from real sockets."""

from __future__ import annotations

import socket

import pytest

from harness.streams import read_exactly


def test_reads_what_comes_in_pieces_and_leaves_the_rest() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"abc")
        theirs.sendall(b"defg")
        assert read_exactly(ours, 5) == b"abcde"
        assert read_exactly(ours, 2) == b"fg"


def test_tells_how_much_came_before_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(b"abc")
        with pytest.raises(OSError, match=r"^the connection ended after 3 of 5 bytes$"):
            read_exactly(ours, 5)


def test_tells_how_much_came_before_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        theirs.sendall(b"a")
        with pytest.raises(OSError, match=r"^1 of 2 bytes came, then: timed out$"):
            read_exactly(ours, 2)
