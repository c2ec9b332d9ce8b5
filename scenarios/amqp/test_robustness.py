"""What a client makes of a peer that is unusual, broken, or gone in the middle; a scripted one, and no broker."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.cells.doors import SCRIPTED
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.amqp import Script, ScriptedBroker, Stage
from harness.scenario import scenario

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"
#: Seconds after which nobody believes that an answer is still to come.
_PATIENCE = 30.0
#: The smallest limit that a broker may set (connection.tune.frame-max: frame-min-size).
_SMALLEST = 4096


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://www.rabbitmq.com/docs/networking"],
    scripted=True,
    deadline=_PATIENCE + 20.0,
    timer=_PATIENCE,
)
def test_gives_up_on_a_peer_that_never_answers(cell: AmqpCell) -> None:
    """Connecting to a peer that accepts the TCP connection and then says nothing ends in an error within 30 seconds.

    RabbitMQ gives its clients 10 seconds for the handshake, and its own client for Go gives the broker 30.
    """
    cell.scripted(Script(silent=True))
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(door=SCRIPTED, within=_PATIENCE),
        expected=f"connect ends in an error within {_PATIENCE:g} s, as the peer says nothing",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["AMQP 0-9-1, section 2.2.4"],
    scripted=True,
)
@pytest.mark.parametrize("stage", list(Stage))
def test_reports_a_handshake_that_is_cut_short(cell: AmqpCell, stage: Stage) -> None:
    """A peer that closes the connection in the middle of the opening handshake is an error to the application."""
    cell.scripted(Script(ends_after=stage))
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(door=SCRIPTED),
        expected=f"connect ends in an error, as the peer is gone after {stage}",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#connection.tune.channel-max", f"{_REFERENCE}#connection.tune.frame-max"],
    scripted=True,
)
@pytest.mark.parametrize(
    ("channel_max", "frame_max"),
    [(0, 131072), (2047, 0), (2047, _SMALLEST)],
    ids=["no-channel-max", "no-frame-max", "smallest-frame-max"],
)
def test_works_within_the_peers_limits(cell: AmqpCell, channel_max: int, frame_max: int) -> None:
    """Limits of 0 in connection.tune mean no limit, and others are kept to: two channels and publishing work.

    What the client answers in tune-ok is not above the peer's limits, and it keeps to that too.
    """
    peer = cell.scripted(Script(channel_max=channel_max, frame_max=frame_max))
    body = cell.payload(3 * _SMALLEST)
    client = cell.connected(door=SCRIPTED)
    client.declare_queue(cell.name("queue"))
    client.declare_queue(cell.name("other"), channel=2)
    client.publish(cell.name("queue"), body)
    # Its answer proves that everything before it was read.
    client.declare_queue(cell.name("queue"))
    right = peer.bodies == [body]
    cell.expect(right, expected="the whole body arrives", observed=f"{len(peer.bodies)} bodies, or others, arrived")
    largest = max(peer.frame_sizes)
    cell.expect(
        frame_max == 0 or largest <= frame_max,
        expected=f"frames of {frame_max} bytes at most",
        observed=f"one of {largest} bytes",
    )
    _expect_agreed(cell, peer, channel_max, frame_max)


def _expect_agreed(cell: AmqpCell, peer: ScriptedBroker, channel_max: int, frame_max: int) -> None:
    """The limits of tune-ok are the peer's or lower ones, where 0 is none, and two channels keep to them."""
    expected = "a tune-ok with at most the peer's limits, and two channels within it"
    opened = sorted(set(peer.channels))
    answered = [(int(ok.channel_max or 0), int(ok.frame_max or 0)) for ok in peer.tuned]
    lower = len(answered) == 1 and all(
        limit == 0 or 0 < got <= limit for got, limit in zip(answered[0], (channel_max, frame_max), strict=True)
    )
    cell.expect(
        lower and len(opened) == 2 and (answered[0][0] == 0 or opened[-1] <= answered[0][0]),
        expected=f"{expected}: channel-max {channel_max}, frame-max {frame_max}",
        observed=f"tune-ok with {answered}, the channels {opened}",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.2.3"],
    scripted=True,
)
def test_refuses_a_frame_with_a_wrong_end(cell: AmqpCell) -> None:
    """A frame that does not end with the octet 0xCE ends the connection, and is not taken for an answer."""
    cell.scripted(Script(bad_frame_end=True))
    client = cell.connected(door=SCRIPTED)
    cell.expect_refused(
        lambda: client.declare_queue(cell.name("queue")),
        expected="the declare ends in an error, as the answer's last octet is wrong",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 2.3.5.2"],
    scripted=True,
)
def test_tells_interleaved_contents_apart(cell: AmqpCell) -> None:
    """Two messages on two channels whose frames come in turn reach the application whole."""
    bodies = cell.payload(), cell.payload()
    cell.scripted(Script(interleaved=bodies))
    client = cell.connected(door=SCRIPTED)
    for channel in (1, 2):
        client.consume(cell.name(f"queue{channel}"), channel=channel, no_ack=True)
    expected = "both messages, whole"
    messages = [client.next_delivery(DELIVERY, expected) for _ in bodies]
    got = [message for message in messages if message is not None]
    wanted = [Delivered(body) for body in bodies]
    cell.expect(
        {message.body for message in got} == set(bodies),
        expected=f"{expected}: {' · '.join(map(str, wanted))}",
        observed=" · ".join(map(str, got)) or "nothing",
    )
