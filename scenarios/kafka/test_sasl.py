"""Who may come in: SASL with PLAIN and SCRAM."""

from __future__ import annotations

import pytest

from harness.cells.doors import SASL, SASL_TLS, Door
from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_PLAIN = "https://kafka.apache.org/documentation/#security_sasl_plain"
_SCRAM = "https://kafka.apache.org/documentation/#security_sasl_scram"
_SCRAMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"]


def _logs_in(cell: KafkaCell, mechanism: str, door: Door = SASL) -> None:
    """The right password opens the door: what the client produces is stored."""
    topic, record = cell.topic(), Written(b"key", cell.payload())
    client = cell.connected(door=door, sasl=cell.user(mechanism))
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the record")


def _reports_a_wrong_password(cell: KafkaCell, mechanism: str) -> None:
    """The right password opens the door, another one does not."""
    user = cell.user(mechanism)
    cell.connected(door=SASL, sasl=user).disconnect()
    wrong = user.model_copy(update={"password": cell.token})
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(within=30.0, door=SASL, sasl=wrong),
        expected="connecting with a wrong password ends in an error within 30 s",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_PLAIN, "RFC 4616"],
    capability="sasl",
    features=["sasl"],
    since="1.1",
    deadline=45.0,
)
def test_logs_in_with_plain(cell: KafkaCell) -> None:
    """The client logs in with user name and password, and produces."""
    _logs_in(cell, "PLAIN")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MAY,
    consequence=Consequence.SECURITY,
    spec=[_PLAIN, "RFC 4616, section 6"],
    capability="sasl",
    needs=[Need.TLS],
    features=["sasl", "tls"],
    since="1.1",
    deadline=45.0,
)
def test_logs_in_with_plain_over_tls(cell: KafkaCell) -> None:
    """The client logs in with user name and password over TLS, without which everyone could read them, and produces."""
    _logs_in(cell, "PLAIN", SASL_TLS)


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_PLAIN, "RFC 4616"],
    capability="sasl",
    features=["sasl"],
    since="1.1",
    deadline=75.0,
)
def test_reports_a_wrong_password_with_plain(cell: KafkaCell) -> None:
    """A wrong password ends in an error within 30 seconds, where the right one works."""
    _reports_a_wrong_password(cell, "PLAIN")


@pytest.mark.parametrize("mechanism", _SCRAMS)
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_SCRAM, "RFC 5802"],
    capability="sasl",
    features=["sasl"],
    since="2.7",
    deadline=45.0,
)
def test_logs_in_with_scram(cell: KafkaCell, mechanism: str) -> None:
    """The client proves that it knows the password without sending it, and produces."""
    _logs_in(cell, mechanism)


@pytest.mark.parametrize("mechanism", _SCRAMS)
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_SCRAM, "RFC 5802"],
    capability="sasl",
    features=["sasl"],
    since="2.7",
    deadline=75.0,
)
def test_reports_a_wrong_password_with_scram(cell: KafkaCell, mechanism: str) -> None:
    """A wrong password ends in an error within 30 seconds, where the right one works."""
    _reports_a_wrong_password(cell, mechanism)
