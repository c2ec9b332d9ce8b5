"""Keys as text: what Z85 has, and what it has not."""

from __future__ import annotations

import pytest
from zmq.utils import z85

from harness.cells.zmtp import ZmtpCell
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_Z85 = "https://rfc.zeromq.org/spec/32/"
#: The example of the specification: eight bytes, and their text.
_EXAMPLE, _EXAMPLE_TEXT = bytes.fromhex("864fd26fb559f75b"), "HelloWorld"
_KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_Z85],
    capability="security",
    features=["z85"],
)
def test_decodes_a_key(cell: ZmtpCell) -> None:
    """A key's text is decoded to its 32 bytes, and the specification's example to what it says."""
    client, key = cell.client(), cell.payload(32)
    for text, wanted in ((_EXAMPLE_TEXT, _EXAMPLE), (z85.encode(key).decode(), key)):
        decoded = client.decode_key(text)
        cell.expect(decoded == wanted, expected=f"{text} is {wanted.hex()}", observed=decoded.hex())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_KEY[:-1], id="39-characters"),
        pytest.param(_KEY[:17] + "~" + _KEY[18:], id="character-of-no-value"),
        pytest.param("é" + _KEY[2:], id="not-ascii"),
        pytest.param(_KEY[:20] + "#####" + _KEY[25:], id="more-than-32-bits"),
        pytest.param(_KEY[:17] + "\0" + _KEY[18:], id="nul"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_Z85, "http://api.zeromq.org/4-3:zmq-z85-decode", "https://github.com/erickt/rust-zmq/issues/164"],
    capability="security",
    features=["z85"],
)
def test_refuses_what_is_no_key(cell: ZmtpCell, text: str) -> None:
    """A text that is no Z85 is an error, and no key: whoever mistypes one must not go on with another.

    With another key no handshake succeeds, and nothing says why. It lets nobody in: the other side has the right one.
    """
    client = cell.client()
    cell.expect_refused(lambda: client.decode_key(text), expected="decoding ends in an error")
    decoded = client.decode_key(_EXAMPLE_TEXT)
    cell.expect(decoded == _EXAMPLE, expected="the next text is decoded", observed=decoded.hex())
