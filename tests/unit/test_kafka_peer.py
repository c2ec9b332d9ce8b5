"""The scripted cluster answers every version as a broker does: kafka-python talks to it, and its classes read it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record import MemoryRecords

from harness.peers import kafka_answers as answers
from harness.peers.kafka import Departure, ScriptedBroker
from harness.peers.kafka_answers import Api, Entry, ErrorCode
from harness.references.kafka import KafkaReference, Written, values
from harness.streams import read_exactly

_ENTRIES = [Entry(b"key", b"first"), Entry(None, None), Entry(b"", b"third")]
_RESPONSES = {
    Api.PRODUCE: ProduceResponse,
    Api.FETCH: FetchResponse,
    Api.LIST_OFFSETS: ListOffsetsResponse,
    Api.METADATA: MetadataResponse,
    Api.OFFSET_COMMIT: OffsetCommitResponse,
    Api.OFFSET_FETCH: OffsetFetchResponse,
    Api.FIND_COORDINATOR: FindCoordinatorResponse,
    Api.API_VERSIONS: ApiVersionsResponse,
}


@pytest.fixture
def peers() -> Iterator[list[ScriptedBroker]]:
    made: list[ScriptedBroker] = []
    yield made
    for peer in made:
        peer.close()


def _peer(peers: list[ScriptedBroker], nodes: int = 1, **script: list[Departure]) -> ScriptedBroker:
    peers.append(ScriptedBroker("t", {Api[name]: departures for name, departures in script.items()}, nodes))
    return peers[-1]


def _sent(connection: socket.socket, request: Any) -> None:
    request.with_header(correlation_id=7, client_id="someone")
    connection.sendall(bytes(request.encode(framed=True, header=True)))


def _frame(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", read_exactly(connection, 4))
    return read_exactly(connection, size)


def _ask(peer: ScriptedBroker, request: Any, node: int = 1) -> Any:
    """The answer, as kafka-python's class for the version reads it."""
    with socket.create_connection(("127.0.0.1", peer.ports[node - 1]), timeout=5.0) as connection:
        _sent(connection, request)
        kind: Any = _RESPONSES[Api(request.API_KEY)]
        return kind.decode(_frame(connection), version=request.API_VERSION, header=True)


def _fetch(version: int, offset: int = 0) -> Any:
    topic = FetchRequest.FetchTopic
    place = topic.FetchPartition(version=version, partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    topics = [topic(version=version, topic="t", partitions=[place])]
    return FetchRequest(version=version, replica_id=-1, max_wait_ms=100, min_bytes=1, topics=topics)


def _produce(version: int, partition: int = 0, acks: int = -1) -> Any:
    topic = ProduceRequest.TopicProduceData
    data = topic.PartitionProduceData(index=partition, records=answers.batch(Entry(b"k", b"v"), 0, 4))
    topics = [topic(name="t", partition_data=[data])]
    return ProduceRequest(version=version, acks=acks, timeout_ms=1000, topic_data=topics)


def test_kafka_python_works_with_the_script(peers: list[ScriptedBroker]) -> None:
    peer = _peer(peers)
    reference = KafkaReference([f"127.0.0.1:{peer.ports[0]}"], "someone")
    try:
        reference.produce("t", [Written(b"key", b"one"), Written(None, b"two")], idempotent=False)
        assert values(reference.read_all("t")) == [b"one", b"two"]
        assert reference.end_offset("t") == 2
    finally:
        reference.close()
    assert peer.log == [Entry(b"key", b"one"), Entry(None, b"two")]


@pytest.mark.parametrize("version", range(7))
def test_records_of_every_format_are_fetched(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers)
    peer.append(*_ENTRIES)
    found = _ask(peer, _fetch(version, offset=1)).responses[0].partitions[0]
    records: Any = MemoryRecords(bytes(found.records))
    seen = []
    while (batch := records.next_batch()) is not None:
        assert batch.validate_crc()
        seen += [(record.offset, Entry(record.key, record.value)) for record in batch]
    assert seen == [(1, _ENTRIES[1]), (2, _ENTRIES[2])]
    assert (found.error_code, found.high_watermark) == (0, 3)


def test_nothing_is_fetched_when_the_time_is_over(peers: list[ScriptedBroker]) -> None:
    found = _ask(_peer(peers, FETCH=[Departure(halves=True)]), _fetch(4))
    assert not found.responses[0].partitions[0].records
    assert peers[0].left == 1, "the script is for an answer with records"


@pytest.mark.parametrize("version", range(3))
@pytest.mark.parametrize(("timestamp", "offset"), [(-2, 0), (-1, 3)])
def test_offsets_are_told(peers: list[ScriptedBroker], version: int, timestamp: int, offset: int) -> None:
    peer = _peer(peers)
    peer.append(*_ENTRIES)
    kind = ListOffsetsRequest.ListOffsetsTopic
    place = kind.ListOffsetsPartition(version=version, partition_index=0, timestamp=timestamp)
    topics = [kind(version=version, name="t", partitions=[place])]
    found = _ask(peer, ListOffsetsRequest(version=version, replica_id=-1, topics=topics)).topics[0].partitions[0]
    assert (found.old_style_offsets if version == 0 else found.offset) == ([offset] if version == 0 else offset)


@pytest.mark.parametrize("version", range(6))
def test_metadata_leads_to_the_nodes(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, nodes=2)
    peer.elect(2)
    peer.advertised = [("here", 1), ("there", 2)]
    found = _ask(peer, MetadataRequest(version=version, topics=[]))
    assert [(node.node_id, node.host, node.port) for node in found.brokers] == [(1, "here", 1), (2, "there", 2)]
    topic = found.topics[0]
    assert (topic.name, topic.error_code, topic.partitions[0].leader_id) == ("t", 0, 2)


@pytest.mark.parametrize("version", range(ApiVersionsRequest.max_version + 1))
def test_versions_are_told(peers: list[ScriptedBroker], version: int) -> None:
    found = _ask(_peer(peers), ApiVersionsRequest(version=version))
    assert {(key.api_key, key.max_version) for key in found.api_keys} >= {(0, 5), (1, 6), (2, 2), (3, 5)}


@pytest.mark.parametrize("version", range(2))
def test_the_coordinator_is_found(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, nodes=2)
    peer.advertised = [("here", 1), ("there", 2)]
    peer.appoint(2)
    found = _ask(peer, FindCoordinatorRequest(version=version, key="g"))
    assert (found.error_code, found.node_id, found.host, found.port) == (0, 2, "there", 2)


@pytest.mark.parametrize("version", range(4))
def test_the_coordinator_alone_commits(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, nodes=2)
    kind = OffsetCommitRequest.OffsetCommitRequestTopic
    place = kind.OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
    for node, error, offsets in ((2, ErrorCode.NOT_COORDINATOR, {}), (1, ErrorCode.NONE, {"g": 5})):
        request = OffsetCommitRequest(version=version, group_id="g", topics=[kind(name="t", partitions=[place])])
        found = _ask(peer, request, node).topics[0].partitions[0]
        assert (found.error_code, peer.committed) == (error, offsets)


@pytest.mark.parametrize("version", range(4))
def test_the_coordinator_alone_tells_what_is_committed(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, nodes=2)
    peer.committed["g"] = 5
    kind = OffsetFetchRequest.OffsetFetchRequestTopic
    for node, group, error, offset in ((2, "g", 16, -1), (1, "g", 0, 5), (1, "other", 0, -1)):
        topics = [kind(name="t", partition_indexes=[0])]
        answer = _ask(peer, OffsetFetchRequest(version=version, group_id=group, topics=topics), node)
        found = answer.topics[0].partitions[0]
        assert (found.error_code, found.committed_offset) == (error, offset)
        assert version < 2 or answer.error_code == error


def test_another_version_ends_the_connection(peers: list[ScriptedBroker]) -> None:
    with pytest.raises(OSError, match="the connection ended"):
        _ask(_peer(peers), _fetch(7))


@pytest.mark.parametrize("version", range(6))
def test_the_leader_alone_stores(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, nodes=2)
    refused = _ask(peer, _produce(version), node=2).responses[0].partition_responses[0]
    assert (refused.error_code, peer.log) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, [])
    stored = _ask(peer, _produce(version)).responses[0].partition_responses[0]
    assert (stored.error_code, stored.base_offset, peer.log) == (0, 0, [Entry(b"k", b"v")])
    assert peer.produce_versions == {version}


def test_another_partition_is_unknown(peers: list[ScriptedBroker]) -> None:
    found = _ask(_peer(peers), _produce(3, partition=1)).responses[0].partition_responses[0]
    assert found.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_without_acks_nothing_is_said(peers: list[ScriptedBroker]) -> None:
    peer = _peer(peers)
    with socket.create_connection(("127.0.0.1", peer.ports[0]), timeout=5.0) as connection:
        _sent(connection, _produce(3, acks=0))
        _sent(connection, MetadataRequest(version=0, topics=[]))
        found: Any = MetadataResponse.decode(_frame(connection), version=0, header=True)
    assert found.topics[0].name == "t"
    assert peer.log == [Entry(b"k", b"v")]


# -- departures ------------------------------------------------------------------------------------


def test_an_error_comes_once_and_stores_nothing(peers: list[ScriptedBroker]) -> None:
    peer = _peer(peers, PRODUCE=[Departure(error=32000)], METADATA=[Departure(error=5)])
    assert _ask(peer, _produce(3)).responses[0].partition_responses[0].error_code == 32000
    assert peer.log == []
    assert _ask(peer, _produce(3)).responses[0].partition_responses[0].error_code == 0
    partition = _ask(peer, MetadataRequest(version=1, topics=None)).topics[0].partitions[0]
    assert (partition.error_code, partition.leader_id) == (5, -1)
    assert peer.left == 0


def test_the_throttle_time_is_told(peers: list[ScriptedBroker]) -> None:
    found = _ask(_peer(peers, PRODUCE=[Departure(throttle_ms=300)]), _produce(3))
    assert (found.throttle_time_ms, found.responses[0].partition_responses[0].error_code) == (300, 0)


def test_a_stray_answer_comes_first(peers: list[ScriptedBroker]) -> None:
    peer = _peer(peers, PRODUCE=[Departure(stray=True)])
    with socket.create_connection(("127.0.0.1", peer.ports[0]), timeout=5.0) as connection:
        _sent(connection, _produce(0))
        found = []
        for _ in range(2):
            data = _frame(connection)
            answer: Any = ProduceResponse.decode(data, version=0, header=True)
            (number,) = struct.unpack_from(">i", data)
            found.append((number, answer.responses[0].partition_responses[0].base_offset))
    assert found[0][0] != 7
    assert found[0][1] != 0
    assert found[1] == (7, 0)


def test_a_size_can_be_a_lie(peers: list[ScriptedBroker]) -> None:
    peer = _peer(peers, METADATA=[Departure(size=-1)])
    with socket.create_connection(("127.0.0.1", peer.ports[0]), timeout=5.0) as connection:
        _sent(connection, MetadataRequest(version=0, topics=[]))
        assert struct.unpack(">ii", read_exactly(connection, 8)) == (-1, 7)


@pytest.mark.parametrize("version", [0, 5])
def test_a_count_can_be_a_lie(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, PRODUCE=[Departure(boasts=True)])
    with socket.create_connection(("127.0.0.1", peer.ports[0]), timeout=5.0) as connection:
        _sent(connection, _produce(version))
        data = _frame(connection)
    assert struct.unpack_from(">ii", data) == (7, 0x7FFFFFFF)
    assert data.endswith(b"\0" * 4 if version else b"\0" * 8)


@pytest.mark.parametrize("version", [0, 4])
def test_a_batch_can_end_in_its_middle(peers: list[ScriptedBroker], version: int) -> None:
    peer = _peer(peers, FETCH=[Departure(halves=True)])
    peer.append(*_ENTRIES)
    cut = bytes(_ask(peer, _fetch(version)).responses[0].partitions[0].records)
    whole = bytes(_ask(peer, _fetch(version)).responses[0].partitions[0].records)
    assert whole.startswith(cut)
    assert answers.entries(cut) == _ENTRIES[:2]
    assert answers.entries(whole) == _ENTRIES


@pytest.mark.parametrize("data", [b"", b"\0\3", b"\0\3\0\0\0\0\0\7", b"\0\x63\0\0\0\0\0\7\xff\xff", b"GET / HTTP/1.1"])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        answers.read_request(data)


def test_who_waits_learns_that_another_node_leads(peers: list[ScriptedBroker]) -> None:
    """What comes after that is not handed out by the old leader, though the request was there before."""
    peer = _peer(peers, nodes=2)
    request = _fetch(4)
    request.max_wait_ms = 5000
    with socket.create_connection(("127.0.0.1", peer.ports[0]), timeout=4.0) as connection:
        _sent(connection, request)
        peer.elect(2)
        peer.append(*_ENTRIES)
        answer: Any = FetchResponse.decode(_frame(connection), version=4, header=True)
    found = answer.responses[0].partitions[0]
    assert (found.error_code, bytes(found.records)) == (ErrorCode.NOT_LEADER_OR_FOLLOWER, b"")
