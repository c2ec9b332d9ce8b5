"""What a client makes of answers that are unusual, out of place or malformed; of a scripted cluster, and no broker."""

from __future__ import annotations

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered, KafkaClient
from harness.cells.peer import RECOVERY
from harness.errors import FeatureUnsupported, RefusedByCrate, ScenarioFault
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.kafka import Departure, ScriptedBroker
from harness.peers.kafka_answers import Api, Entry, ErrorCode
from harness.references.kafka import Written
from harness.scenario import scenario

_PROTOCOL = "https://kafka.apache.org/protocol.html"
_ERRORS = f"{_PROTOCOL}#protocol_error_codes"
#: Seconds in which a client that asks again has an answer: kafka-python alone takes five where there is no leader.
_CALL = 30.0
#: Milliseconds by which the script throttles.
_THROTTLED = 300
#: Answers in a row that tell of no leader; a client gets one or two while it connects.
_LEADERLESS = 4


def _entry(cell: KafkaCell) -> Entry:
    return Entry(b"key", cell.payload())


def _written(entry: Entry) -> Written:
    return Written(entry.key, entry.value)


def _expect_met(peer: ScriptedBroker) -> None:
    """The client got every answer of the script; otherwise nothing was asked of it."""
    if peer.left:
        raise ScenarioFault(f"the client did not get {peer.left} of the script's answers")


def _produced(cell: KafkaCell, client: KafkaClient, topic: str, entry: Entry) -> bool:
    """Produce a record; false where that ends in an error, as it may."""
    try:
        client.produce(topic, _written(entry), within=_CALL)
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")
        return False
    return True


def _expect_log(cell: KafkaCell, peer: ScriptedBroker, entry: Entry) -> None:
    """What is reported as stored is there."""
    cell.expect(
        entry in peer.log,
        expected="what is reported as stored is stored",
        observed=f"the partition holds {len(peer.log)} records, and not this one",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_PROTOCOL}#protocol_messages: correlation_id"],
    scripted=True,
    deadline=60.0,
)
def test_takes_no_answer_to_another_request(cell: KafkaCell) -> None:
    """An answer whose correlation id belongs to no request is an error or is ignored, and never taken for the answer.

    Before the answer to a produce request comes another one, complete and without an error, that tells of offset
    777777. The server returns the correlation id that the client supplied, so that the client can tell them apart.
    """
    peer = cell.scripted({Api.PRODUCE: [Departure(stray=True)]})
    entry, client = _entry(cell), cell.connected(door=SCRIPTED)
    try:
        placement = client.produce(peer.topic, _written(entry), within=_CALL)[0]
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")
        _expect_met(peer)
        return
    _expect_met(peer)
    offset = int(cell.told(placement["offset"], "placement"))
    cell.expect(
        peer.log[offset : offset + 1] == [entry],
        expected="an error, or the offset at which the record is",
        observed=f"the offset {offset}, of a partition with {len(peer.log)} records",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[f"{_PROTOCOL}#protocol_common: the size of the subsequent message in bytes"],
    scripted=True,
    deadline=60.0,
)
@pytest.mark.parametrize("api", [Api.METADATA, Api.PRODUCE], ids=["metadata", "produce"])
def test_survives_an_answer_of_negative_size(cell: KafkaCell, api: Api) -> None:
    """An answer that says to be of -1 bytes ends in an error, or the client asks again; it does not crash."""
    _survives(cell, api, Departure(size=-1))


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[f"{_PROTOCOL}#protocol_types: ARRAY"],
    scripted=True,
    deadline=60.0,
)
@pytest.mark.parametrize("api", [Api.METADATA, Api.PRODUCE, Api.FETCH], ids=["metadata", "produce", "fetch"])
def test_survives_a_count_beyond_the_answer(cell: KafkaCell, api: Api) -> None:
    """An answer that says to tell of 2,147,483,647 topics, and ends after one, is an error, or is asked for again.

    A client that takes the memory for so many before it looks for them dies of a few bytes.
    """
    _survives(cell, api, Departure(boasts=True))


def _survives(cell: KafkaCell, api: Api, malformed: Departure) -> None:
    """The first answer of a kind is malformed; the client does what it is asked, or reports an error."""
    peer = cell.scripted({api: [malformed]})
    there, entry = _entry(cell), _entry(cell)
    peer.append(there)
    client = cell.client(SCRIPTED)
    try:
        client.connect(_CALL, door=SCRIPTED)
        if api is Api.FETCH:
            client.consume(peer.topic, start="earliest", within=_CALL)
            found = client.next_record_or_error(_CALL, "the record, or an error")
            cell.expect(
                isinstance(found, str) or (found is not None and found.value == there.value),
                expected="the record, or an error",
                observed="nothing" if found is None else f"it delivered {found}",
            )
        else:
            client.produce(peer.topic, _written(entry), within=_CALL)
            _expect_log(cell, peer, entry)
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")
    _expect_met(peer)


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_ERRORS}: 0 is no error"],
    scripted=True,
    deadline=60.0,
)
@pytest.mark.parametrize("code", [-1, 32000], ids=["unknown-server-error", "unknown-code"])
def test_reports_an_error_that_it_does_not_know(cell: KafkaCell, code: int) -> None:
    """A code that says no more than that something failed, or one that no table has, is no success.

    The script does not store the record. A client that then produces it again, and is right to report success, passes.
    """
    peer = cell.scripted({Api.PRODUCE: [Departure(error=code)]})
    entry, client = _entry(cell), cell.connected(door=SCRIPTED)
    if _produced(cell, client, peer.topic, entry):
        _expect_log(cell, peer, entry)
    _expect_met(peer)


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-219", f"{_PROTOCOL}#The_Messages_Produce"],
    features=["throttle-time"],
    scripted=True,
    deadline=60.0,
)
def test_stores_a_throttled_record_once(cell: KafkaCell) -> None:
    """An answer to produce that tells of a throttle time and of no error is a success: the record is sent once.

    The time is how long the client is to wait before its next request; this one has been carried out.
    """
    peer = cell.scripted({Api.PRODUCE: [Departure(throttle_ms=_THROTTLED)]})
    entry, client = _entry(cell), cell.connected(door=SCRIPTED)
    client.produce(peer.topic, _written(entry), within=_CALL)
    if peer.produce_versions == {0}:
        raise FeatureUnsupported("throttle-time", "version 0 of Produce has none")
    _expect_met(peer)
    cell.expect(
        peer.log == [entry],
        expected="the partition holds the record once",
        observed=f"it holds {len(peer.log)} records, {peer.log.count(entry)} of which are this one",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/A+Guide+To+The+Kafka+Protocol: Fetch Response"],
    scripted=True,
    deadline=60.0,
)
def test_reads_what_a_fetch_cut_off(cell: KafkaCell) -> None:
    """A batch that ends in its middle is not delivered in part, and fetched again: each record comes once.

    The server may end a fetch answer in the middle of its last batch. Here the third of three is cut off in half.
    """
    peer = cell.scripted({Api.FETCH: [Departure(halves=True)]})
    records = [_entry(cell) for _ in range(3)]
    peer.append(*records)
    client = cell.connected(door=SCRIPTED)
    client.consume(peer.topic, start="earliest")
    wanted = [Delivered(entry.key, entry.value, offset=number) for number, entry in enumerate(records)]
    cell.expect_delivered(client, wanted, expected="the crate delivers each record once")
    _expect_met(peer)


_moved = scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_PROTOCOL}#protocol_partitioning", f"{_ERRORS}: NOT_LEADER_OR_FOLLOWER"],
    scripted=True,
    deadline=150.0,
    timer=RECOVERY,
)


@_moved
def test_produces_to_the_new_leader(cell: KafkaCell) -> None:
    """Where a broker answers that it leads the partition no more, the client asks who does, and produces there.

    Both brokers are there all the time, and no connection breaks. An application may have to try again meanwhile.
    """
    peer = cell.scripted(nodes=2)
    entries, client = [_entry(cell) for _ in range(2)], cell.connected(door=SCRIPTED)
    client.produce(peer.topic, _written(entries[0]), within=_CALL)
    peer.elect(2)
    cell.keep_producing(client, peer.topic, _written(entries[1]))
    _expect_log(cell, peer, entries[1])


@_moved
def test_reads_on_from_the_new_leader(cell: KafkaCell) -> None:
    """Where a broker answers that it leads the partition no more, the client asks who does, and fetches there."""
    peer = cell.scripted(nodes=2)
    entries = [_entry(cell) for _ in range(2)]
    peer.append(entries[0])
    client = cell.connected(door=SCRIPTED)
    client.consume(peer.topic, start="earliest")
    first = [Delivered(entries[0].key, entries[0].value)]
    cell.expect_delivered(client, first, expected="the crate delivers what is there")
    peer.elect(2)
    peer.append(entries[1])
    cell.keep_consuming(client, entries[1].value)


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_ERRORS}: LEADER_NOT_AVAILABLE"],
    scripted=True,
    deadline=150.0,
    timer=RECOVERY,
)
def test_asks_again_until_there_is_a_leader(cell: KafkaCell) -> None:
    """Where metadata tells that the partition has no leader yet, the client asks again, and produces when it has one.

    The error is one to try again after, as while leaders are elected. An application may have to try again meanwhile.
    """
    peer = cell.scripted({Api.METADATA: [Departure(error=ErrorCode.LEADER_NOT_AVAILABLE)] * _LEADERLESS})
    entry, client = _entry(cell), cell.connected(door=SCRIPTED)
    cell.keep_producing(client, peer.topic, _written(entry))
    _expect_log(cell, peer, entry)
    _expect_met(peer)


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[f"{_ERRORS}: NOT_COORDINATOR", f"{_PROTOCOL}#The_Messages_FindCoordinator"],
    capability="groups",
    features=["commit"],
    scripted=True,
    deadline=60.0,
)
def test_commits_at_the_new_coordinator(cell: KafkaCell) -> None:
    """Where a broker answers that it coordinates the group no more, the client asks who does, and commits there.

    Both brokers are there all the time. An application may have to try again meanwhile.
    """
    peer = cell.scripted(nodes=2)
    group, entry = cell.name("group"), _entry(cell)
    peer.append(entry)
    client = cell.connected(door=SCRIPTED)
    client.consume(peer.topic, start="earliest", group=group, partition=0)
    cell.expect_delivered(client, [Delivered(entry.key, entry.value)], expected="the crate delivers what is there")
    peer.appoint(2)
    client.until_it_works(client.commit, within=_CALL)
    found = peer.committed.get(group)
    cell.expect(found == 1, expected="the group's offset is 1", observed=f"it is {found}")
