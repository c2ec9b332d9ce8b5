"""The batches of a partition as a broker has them stored, which a consumer takes apart.

https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any

from kafka.protocol.consumer import FetchRequest, FetchResponse
from kafka.record import MemoryRecords

from harness.errors import ReferenceFailed
from harness.streams import read_exactly

#: The version of Fetch that every broker from 0.11 to 4.x answers, and that has batches of format 2 (KIP-98, KIP-896).
_VERSION = 4
#: Bytes of a partition that one answer may have.
_MOST = 16 * 1024 * 1024
#: Seconds for the broker's answer.
_STEP = 20.0


@dataclass(frozen=True)
class Batch:
    """What a batch says of its producer: -1 where it says nothing (KIP-98), as formats 0 and 1 do always."""

    first_offset: int
    producer_id: int
    first_sequence: int


def stored_batches(address: tuple[str, int], topic: str, partition: int = 0) -> list[Batch]:
    """The batches of a partition, up to 16 MiB of them.

    Raises:
        ReferenceFailed: the broker does not hand them over.
    """
    try:
        with socket.create_connection(address, timeout=_STEP) as connection:
            connection.sendall(_request(topic, partition))
            (size,) = struct.unpack(">i", read_exactly(connection, 4))
            answer: Any = FetchResponse.decode(read_exactly(connection, size), version=_VERSION, header=True)
    except OSError as error:
        raise ReferenceFailed(f"the broker did not hand over the batches of {topic}: {error}") from error
    found = answer.responses[0].partitions[0]
    if found.error_code:
        raise ReferenceFailed(f"the broker did not hand over the batches of {topic}: error {found.error_code}")
    records, batches = MemoryRecords(bytes(found.records or b"")), []
    while (batch := records.next_batch()) is not None:
        producer, sequence = getattr(batch, "producer_id", -1), getattr(batch, "base_sequence", -1)
        batches.append(Batch(batch.base_offset, producer, sequence))
    return batches


def _request(topic: str, partition: int) -> bytes:
    place = FetchRequest.FetchTopic.FetchPartition(
        version=_VERSION, partition=partition, fetch_offset=0, partition_max_bytes=_MOST
    )
    request: Any = FetchRequest(
        version=_VERSION,
        replica_id=-1,
        max_wait_ms=100,
        min_bytes=1,
        max_bytes=_MOST,
        isolation_level=0,
        topics=[FetchRequest.FetchTopic(version=_VERSION, topic=topic, partitions=[place])],
    )
    request.with_header(correlation_id=1, client_id="reference")
    return bytes(request.encode(framed=True, header=True))
