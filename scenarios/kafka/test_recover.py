"""After the connection was lost: producing and reading again, without losing what was acknowledged.

A client has 60 seconds. One that answers every call with an error and does not try to connect for 20 of them has given
up, which is twice the longest pause that Kafka's own clients make by default.
"""

from __future__ import annotations

from harness.cells.kafka import IDLE, KafkaCell
from harness.cells.kafka_client import Delivered
from harness.cells.peer import RECOVERY
from harness.cells.rounds import OUTAGE, expect_pauses
from harness.model import Consequence, Dialect, Level, Need, Profile, Requirement
from harness.references.kafka import Written, values
from harness.scenario import scenario

#: Attempts of four connections that wait 50 ms each time (reconnect.backoff.ms), while connections are refused.
_ATTEMPTS = 4 * round(OUTAGE / 0.05)
_LEADER = "https://kafka.apache.org/protocol.html#protocol_error_codes: NOT_LEADER_OR_FOLLOWER"
_RETRIES = "https://kafka.apache.org/documentation/#producerconfigs_retries"
_after_a_cut = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_RETRIES],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
_after_a_restart = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_RETRIES],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=180.0,
    timer=RECOVERY,
)
_after_the_leader = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_LEADER],
    capability="failover",
    needs=[Need.RECONNECT],
    cluster=True,
    profile=Profile.DEFAULT,
    since="3.9",
    deadline=180.0,
    timer=RECOVERY,
)


def _produces_again(cell: KafkaCell, hurt: str, idle: float = IDLE) -> None:
    """Produce, lose the connection, produce again; what was acknowledged is there."""
    topic = cell.topic()
    before, after = Written(b"key", cell.payload()), Written(b"key", cell.payload())
    client = cell.connected()
    client.produce(topic, before)
    cell.hurt(hurt, topic)
    cell.keep_producing(client, topic, after, idle)
    found = values(cell.fresh_reference().read_all(topic))
    cell.expect(
        before.value in found and after.value in found,
        expected="what was acknowledged before and after is stored",
        observed=f"the topic holds {len(found)} records, and not both of these",
    )


def _reads_on(cell: KafkaCell, hurt: str, idle: float = IDLE) -> None:
    """Read, lose the connection, read on."""
    topic = cell.topic()
    before, after = Written(b"key", cell.payload()), Written(b"key", cell.payload())
    cell.reference.produce(topic, [before])
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, [Delivered(b"key", before.value)], expected="the crate delivers what is there")
    cell.hurt(hurt, topic)
    cell.fresh_reference().produce(topic, [after])
    cell.keep_consuming(client, after.value, idle)


@_after_a_cut
def test_produces_again_after_a_cut(cell: KafkaCell) -> None:
    """After its connections were cut, the client produces again within 60 seconds; the application repeats the call."""
    _produces_again(cell, "cut")


@_after_a_cut
def test_reads_on_after_a_cut(cell: KafkaCell) -> None:
    """After its connections were cut, the client reads on within 60 seconds."""
    _reads_on(cell, "cut")


@_after_a_restart
def test_produces_again_after_a_broker_restart(cell: KafkaCell) -> None:
    """After its broker was restarted, the client produces again within 60 seconds; the application repeats the call."""
    _produces_again(cell, "restart")


@_after_a_restart
def test_reads_on_after_a_broker_restart(cell: KafkaCell) -> None:
    """After its broker was restarted, the client reads on within 60 seconds."""
    _reads_on(cell, "restart")


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_RETRIES],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=180.0,
    timer=RECOVERY,
)
def test_produces_again_after_the_broker_was_killed(cell: KafkaCell) -> None:
    """After its broker was killed and came back, the client produces again within 60 seconds."""
    _produces_again(cell, "kill")


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_RETRIES],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=180.0,
    timer=RECOVERY,
)
def test_reads_on_after_the_broker_was_killed(cell: KafkaCell) -> None:
    """After its broker was killed and came back, the client reads on within 60 seconds."""
    _reads_on(cell, "kill")


@_after_the_leader
def test_produces_again_after_the_leader_was_killed(cell: KafkaCell) -> None:
    """Of two brokers one is killed and the other leads: the client finds it and produces within 60 seconds."""
    _produces_again(cell, "leader")


@_after_the_leader
def test_reads_on_after_the_leader_was_killed(cell: KafkaCell) -> None:
    """Of two brokers one is killed and the other leads: the client finds it and reads on within 60 seconds."""
    _reads_on(cell, "leader")


@_after_the_leader
def test_produces_again_after_the_leader_moved(cell: KafkaCell) -> None:
    """When another broker is made the leader and none goes away, the client finds it and produces within 60 seconds.

    That is what happens at every maintenance. Connections stay, so that the client need not make one.
    """
    _produces_again(cell, "move", idle=RECOVERY)


@_after_the_leader
def test_reads_on_after_the_leader_moved(cell: KafkaCell) -> None:
    """When another broker is made the leader and none goes away, the client finds it and reads on within 60 seconds.

    That is what happens at every maintenance. Connections stay, so that the client need not make one.
    """
    _reads_on(cell, "move", idle=RECOVERY)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=["https://kafka.apache.org/documentation/#consumerconfigs_reconnect.backoff.ms"],
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=OUTAGE,
)
def test_does_not_reconnect_in_a_tight_loop(cell: KafkaCell) -> None:
    """While the broker refuses connections, a client that reads pauses between its attempts.

    Kafka's own client waits 50 ms before it tries again, and longer each time; four connections that each do so and
    never wait longer make 400 attempts in five seconds. A tight loop makes thousands.
    """
    topic, record = cell.topic(), Written(b"key", cell.payload())
    cell.reference.produce(topic, [record])
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, [Delivered(b"key", record.value)], expected="the crate delivers what is there")
    expect_pauses(cell, cell.relay(), client.idle_through_errors, at_most=_ATTEMPTS)
