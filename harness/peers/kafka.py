"""A scripted Kafka cluster with one topic of one partition, for one client at a time or several.

It does what a healthy broker does, in every version of the requests up to those of Kafka 1.0, and departs from it where
its script says so: the first answers to a kind of request are those of the script, the others the usual ones. What the
protocol lets a broker do, and what it forbids, is said where a scenario writes the script.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.peers import kafka_answers as answers
from harness.peers.kafka_answers import Answered, Api, Entry, ErrorCode, Request
from harness.streams import read_exactly

#: What a stray answer has: far from every number that clients count up from 0 to, and from every record's offset.
_STRAY_NUMBER, _STRAY_OFFSET = 1_000_000, 777_777


@dataclass(frozen=True)
class Departure:
    """How one answer differs from the usual one: the first three as the protocol lets a broker do, the others not."""

    #: The error of the partition (protocol guide, "Error Codes"). What is produced is not stored then; metadata has no
    #: leader.
    error: int = ErrorCode.NONE
    #: Milliseconds by which the answer says that the client is throttled (KIP-219); to Produce.
    throttle_ms: int = 0
    #: The last batch ends in its middle (A Guide To The Kafka Protocol, "Fetch Response"); to a Fetch with several.
    halves: bool = False
    #: A complete answer with the correlation id of no request comes first: to Produce, with a wrong offset.
    stray: bool = False
    #: What the answer says to be its size, in bytes.
    size: int | None = None
    #: The answer claims to tell of 2,147,483,647 topics.
    boasts: bool = False


_USUAL = Departure()


class ScriptedBroker:
    """Listens on 127.0.0.1 until it is closed, once for each node.

    Args:
        topic: the only one that there is.
        script: the first answers to each kind of request; to Fetch, of those that have records.
        nodes: how many brokers there seem to be. The first one leads.
    """

    def __init__(self, topic: str, script: Mapping[Api, Sequence[Departure]], nodes: int = 1) -> None:
        self.topic = topic
        self._script = {api: list(departures) for api, departures in script.items()}
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(nodes)]
        #: Where each node listens, and where clients are told that it does.
        self.ports: list[int] = [listener.getsockname()[1] for listener in self._listeners]
        self.advertised = [("127.0.0.1", port) for port in self.ports]
        self._leader = self._coordinator = 1
        #: The partition, from offset 0 on. `append` adds to it.
        self.log: list[Entry] = []
        #: What groups committed for the partition.
        self.committed: dict[str, int] = {}
        #: Versions of Produce that came.
        self.produce_versions: set[int] = set()
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._threads = [
            threading.Thread(target=self._accept, args=(number, listener), daemon=True)
            for number, listener in enumerate(self._listeners, start=1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def left(self) -> int:
        """How many answers of the script nobody got yet."""
        return sum(map(len, self._script.values()))

    def append(self, *entries: Entry) -> None:
        """Have records in the partition that no client of this cluster produced."""
        with self._changed:
            self.log += entries
            self._changed.notify_all()

    def elect(self, node: int) -> None:
        """Have another node lead, counted from 1; the others refuse what only the leader answers."""
        with self._changed:
            self._leader = node
            self._changed.notify_all()

    def appoint(self, node: int) -> None:
        """Have another node coordinate groups, counted from 1; the others refuse what only the coordinator answers."""
        with self._changed:
            self._coordinator = node

    def close(self) -> None:
        """End everything."""
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            listener.close()
        with self._changed:
            open_ones = list(self._connections)
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5.0)

    # -- serving -----------------------------------------------------------------------------------

    def _accept(self, node: int, listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(node, connection), daemon=True).start()

    def _converse(self, node: int, connection: socket.socket) -> None:
        with self._changed:
            self._connections.add(connection)
        # Who sends what is no request is cut off, as brokers do.
        with connection, contextlib.suppress(OSError, ValueError):
            while True:
                (size,) = struct.unpack(">i", read_exactly(connection, 4))
                request = answers.read_request(read_exactly(connection, size))
                for piece in self._answers(node, request):
                    connection.sendall(piece)
        with self._changed:
            self._connections.discard(connection)

    def _answers(self, node: int, request: Request) -> Iterator[bytes]:
        """The answer to a request, and what comes before it."""
        departure = _USUAL if request.api is Api.FETCH else self._next(request.api)
        match request.api:
            case Api.API_VERSIONS:
                answer = answers.versions()
            case Api.METADATA:
                leader = -1 if departure.error else self._leader
                answer = answers.metadata(self.advertised, self.topic, leader, departure.error, boasts=departure.boasts)
            case Api.LIST_OFFSETS:
                answer = answers.looked_up(self._look_up(node, request))
            case Api.FIND_COORDINATOR:
                answer = answers.coordinator(self._coordinator, self.advertised[self._coordinator - 1])
            case Api.OFFSET_COMMIT:
                answer = answers.committed(self._commit(node, request))
            case Api.OFFSET_FETCH:
                answer = answers.of_group(self._of_group(node, request), self._stranger(node))
            case Api.FETCH:
                answered, departure = self._fetch(node, request)
                answer = answers.fetched(answered, boasts=departure.boasts)
            case Api.PRODUCE:
                answered = self._store(node, request, departure)
                if departure.stray:
                    wrong = [Answered(one.topic, one.partition, offset=_STRAY_OFFSET) for one in answered]
                    yield self._frame(answers.produced(wrong), request, request.correlation_id + _STRAY_NUMBER)
                answer = answers.produced(answered, throttle_ms=departure.throttle_ms, boasts=departure.boasts)
        if request.wants_answer:
            yield self._frame(answer, request, request.correlation_id, departure.size)

    def _frame(self, answer: Any, request: Request, correlation_id: int, size: int | None = None) -> bytes:
        answer.API_VERSION = request.version
        return answers.frame(answer, correlation_id, size)

    def _next(self, api: Api) -> Departure:
        with self._changed:
            left = self._script.get(api)
            return left.pop(0) if left else _USUAL

    def _error(self, node: int, topic: str, partition: int) -> int:
        """What a healthy broker has against a request about this partition."""
        if (topic, partition) != (self.topic, 0):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return ErrorCode.NONE if node == self._leader else ErrorCode.NOT_LEADER_OR_FOLLOWER

    # -- the partition -----------------------------------------------------------------------------

    def _store(self, node: int, request: Request, departure: Departure) -> list[Answered]:
        self.produce_versions.add(request.version)
        answered = []
        for topic in request.body.topic_data:
            for partition in topic.partition_data:
                error = departure.error or self._error(node, topic.name, partition.index)
                offset = -1
                if not error:
                    with self._changed:
                        offset = len(self.log)
                        self.append(*answers.entries(bytes(partition.records or b"")))
                answered.append(Answered(topic.name, partition.index, error, offset))
        return answered

    def _look_up(self, node: int, request: Request) -> list[Answered]:
        return [
            Answered(
                topic.name,
                partition.partition_index,
                self._error(node, topic.name, partition.partition_index),
                0 if answers.is_earliest(partition.timestamp) else len(self.log),
            )
            for topic in request.body.topics
            for partition in topic.partitions
        ]

    def _fetch(self, node: int, request: Request) -> tuple[list[Answered], Departure]:
        """What there is, as soon as there is something, or when the time that the client gives is over."""
        departure = _USUAL
        answered = []
        end = time.monotonic() + request.body.max_wait_ms / 1000
        for topic in request.body.topics:
            for partition in topic.partitions:
                place = (topic.topic, partition.partition)
                error = self._await_news(node, *place, partition.fetch_offset, end)
                records = [] if error else self._batches(partition.fetch_offset, request.version)
                if records:
                    departure = self._next(Api.FETCH)
                if departure.halves:
                    records[-1] = records[-1][: len(records[-1]) // 2]
                answered.append(Answered(*place, error, len(self.log), b"".join(records)))
        return answered, departure

    def _await_news(self, node: int, topic: str, partition: int, offset: int, end: float) -> int:
        """Wait for records, or for something that is against the request; returns that."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._error(node, topic, partition) or len(self.log) > offset,
                max(0.0, end - time.monotonic()),
            )
            return self._error(node, topic, partition)

    def _batches(self, offset: int, version: int) -> list[bytes]:
        return [answers.batch(entry, number, version) for number, entry in enumerate(self.log) if number >= offset]

    # -- groups ------------------------------------------------------------------------------------

    def _stranger(self, node: int) -> int:
        """What a node that does not coordinate has against a request about a group."""
        return ErrorCode.NONE if node == self._coordinator else ErrorCode.NOT_COORDINATOR

    def _commit(self, node: int, request: Request) -> list[Answered]:
        error = self._stranger(node)
        answered = []
        for topic in request.body.topics:
            for partition in topic.partitions:
                if not error:
                    self.committed[request.body.group_id] = partition.committed_offset
                answered.append(Answered(topic.name, partition.partition_index, error))
        return answered

    def _of_group(self, node: int, request: Request) -> list[Answered]:
        error = self._stranger(node)
        offset = -1 if error else self.committed.get(request.body.group_id, -1)
        return [
            Answered(topic.name, partition, error, offset)
            for topic in request.body.topics
            for partition in topic.partition_indexes
        ]
