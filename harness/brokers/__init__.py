"""Brokers: one module each, in this table. A new broker is a module, a folder below compose/ and a line here."""

from __future__ import annotations

from harness.brokers import kafka, mosquitto, rabbitmq
from harness.brokers.base import BrokerModule

BROKERS: dict[str, BrokerModule] = {
    mosquitto.name: mosquitto,
    rabbitmq.name: rabbitmq,
    kafka.name: kafka,
}
