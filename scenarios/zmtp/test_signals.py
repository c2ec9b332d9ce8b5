"""A signal that the application handles, while it waits for a message."""

from __future__ import annotations

import pytest

from harness.cells.zmtp import ZmtpCell
from harness.cells.zmtp_client import Message
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["http://api.zeromq.org/4-3:zmq-poll (EINTR)", "https://github.com/erickt/rust-zmq/issues/191"],
)
@pytest.mark.parametrize("call", ["poll", "receive"])
def test_survives_a_signal(cell: ZmtpCell, call: str) -> None:
    """A signal during a poll or a receive ends it with an error or does not disturb it, and loses no message."""
    link = cell.link("PULL", "PUSH", "crate-binds", crate_options={"rcvtimeo": 10_000})
    before, after = cell.payload(), cell.payload()
    cell.send(link.reference, before)
    cell.expect_delivered(link.crate, [Message.of(before)], expected="a message is delivered")
    finish = link.crate.begin_receive(within=10.0 if call == "poll" else None)
    link.crate.client.interrupt(10)
    cell.send(link.reference, after)
    try:
        message = finish(15.0)
    except RefusedByCrate as error:
        cell.expect(error.code != "timeout", expected="the call ends with EINTR", observed=error.observed)
        cell.expect_delivered(link.crate, [Message.of(after)], expected="the message is delivered by the next call")
    else:
        cell.expect(message == Message.of(after), expected="the message is delivered", observed=f"{message}")
