"""What scenarios hold in their hands: one module a protocol, in this table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.bench import Bench
from harness.cells.amqp import AmqpCell
from harness.cells.base import Cell
from harness.cells.coap_dtls import DtlsCell
from harness.cells.kafka import KafkaCell
from harness.cells.mqtt import MqttCell
from harness.cells.zmtp import ZmtpCell
from harness.model import Crate, Dialect, Scenario

#: The `cell` of each dialect that is spoken with a peer, which is a `Peer` or a `ReferencePeer`.
CELLS: dict[Dialect, Callable[[Bench, Scenario, Crate, Any, Path], Cell]] = {
    Dialect.MQTT_3_1_1: MqttCell,
    Dialect.MQTT_5: MqttCell,
    Dialect.AMQP_0_9_1: AmqpCell,
    Dialect.KAFKA: KafkaCell,
    Dialect.ZMTP: ZmtpCell,
    Dialect.COAP_CLIENT: DtlsCell,
    Dialect.COAP_SERVER: DtlsCell,
}
