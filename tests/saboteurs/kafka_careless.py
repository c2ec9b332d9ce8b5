"""Wrong Kafka clients that are careless with answers: part of `kafka_clients`, which runs them."""

from __future__ import annotations

import os
import struct
import time
from typing import Any

from kafka import errors as kafka_errors
from kafka.cluster import ClusterMetadata
from kafka.coordinator.base import BaseCoordinator
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.protocol.parser import KafkaProtocol

from harness.references.kafka import Read
from harness.references.kafka_control import ControlClient
from harness.wire import kafka
from harness.wire.serve import Events

#: Of a crash, as shells tell of SIGABRT.
_ABORTED = 134


class TakesAnyAnswer(ControlClient):
    """Whatever comes next on a connection is the answer, whichever request it belongs to."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        compared: Any = KafkaProtocol._process_response

        def taken(parser: Any, answer: Any) -> Any:
            if parser.in_flight_requests:
                # The correlation id comes first in every answer.
                wanted = parser.in_flight_requests[0].correlation_id
                answer[:4] = struct.pack(">i", wanted)
            return compared(parser, answer)

        KafkaProtocol._process_response = taken


class DiesOfMalformedAnswers(ControlClient):
    """An answer that cannot be read ends the process."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        received: Any = KafkaProtocol.receive_bytes

        def dying(parser: Any, data: Any) -> Any:
            try:
                return received(parser, data)
            except kafka_errors.KafkaError:
                os._exit(_ABORTED)

        KafkaProtocol.receive_bytes = dying


class SendsAgainWhenThrottled(ControlClient):
    """A request whose answer tells of a throttle time is sent again after that time."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Produce, and produce again."""
        throttled: list[float] = []
        noticed: Any = KafkaConnection._maybe_throttle

        def noticing(connection: Any, response: Any) -> Any:
            throttled.append(getattr(response, "throttle_time_ms", 0) / 1000)
            return noticed(connection, response)

        KafkaConnection._maybe_throttle = noticing
        try:
            reply = super().produce(request)
        finally:
            KafkaConnection._maybe_throttle = noticed
        if any(throttled):
            time.sleep(max(throttled))
            return super().produce(request)
        return reply


class LosesWhatWasCutOff(ControlClient):
    """The record after the second is passed over, as if it had been whole."""

    def deliver(self, record: Read) -> None:
        """Deliver the others."""
        if record.offset != 2:
            super().deliver(record)


class KeepsItsFirstMetadata(ControlClient):
    """What the first metadata tells holds for ever; later answers are not looked at."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        updated: Any = ClusterMetadata.update_metadata
        first: dict[int, Any] = {}

        def updating(cluster: Any, metadata: Any) -> Any:
            return updated(cluster, first.setdefault(id(cluster), metadata))

        ClusterMetadata.update_metadata = updating


class KeepsItsCoordinator(ControlClient):
    """A node that coordinates the group no more is asked again and again."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        BaseCoordinator.coordinator_dead = lambda _self, _error: None


class ConnectsWithoutAPause(ControlClient):
    """Where a connection is refused, the next one is tried at once."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        KafkaConnectionManager.connection_delay = lambda _self, _node: 0.0
        KafkaConnectionManager.update_backoff = lambda _self, _node: 0.0


class ConnectsAtLeisure(ControlClient):
    """The witness where kafka-python is wrong: waits longer each time, also where connections are accepted at first."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        connected: Any = KafkaConnectionManager.reset_backoff

        def reset(manager: Any, node: Any) -> None:
            """Do so where the broker has answered."""
            connection = manager._conns.get(node)
            if connection is not None and connection.connected:
                connected(manager, node)
            else:
                manager.update_backoff(node)

        KafkaConnectionManager.reset_backoff = reset
