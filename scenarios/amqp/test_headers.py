"""Headers: a value of each type of field tables, in both directions."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.amqp_tables import properties_to_pika
from harness.scenario import scenario
from harness.wire import amqp

#: Values of field tables in the contract's form. Their names differ without regard to case, as page addresses have to.
HEADERS = {
    "boolean-true": {"t": "t", "v": True},
    "boolean-false": {"t": "t", "v": False},
    "short-short-int": {"t": "b", "v": -5},
    "short-short-uint": {"t": "B", "v": 200},
    "short-int": {"t": "s", "v": -3000},
    "short-uint": {"t": "u", "v": 60000},
    "long-int": {"t": "I", "v": -40},
    "long-uint": {"t": "i", "v": 4000000000},
    "long-long-int": {"t": "l", "v": str(-(2**40))},
    "float": {"t": "f", "v": -2.75},
    "double": {"t": "d", "v": 0.1},
    "decimal": {"t": "D", "v": "3.14"},
    "long-string": {"t": "S", "v": "Küche"},
    "array": {"t": "A", "v": [{"t": "I", "v": 1}, {"t": "S", "v": "two"}]},
    "timestamp": {"t": "T", "v": "1700000000"},
    "table": {"t": "F", "v": {"inner": {"t": "S", "v": "yes"}}},
    "void": {"t": "V", "v": None},
}


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.2.5.5", "https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3"],
)
@pytest.mark.parametrize("kind", list(HEADERS))
def test_publishes_a_header(cell: AmqpCell, kind: str) -> None:
    """A header of each type arrives with its value."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    properties = {"headers": {"value": HEADERS[kind]}}
    cell.connected().publish(cell.name("inbox"), body, properties=properties)
    cell.expect_received(reader, [Delivered(body, properties=properties)], expected="the message with its header")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3"],
    features=["table-type-x"],
)
def test_publishes_a_header_of_bytes(cell: AmqpCell) -> None:
    """A header that is a byte array, which RabbitMQ adds to the specification's types, arrives with its value."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    properties = {"headers": {"value": {"t": "x", "v": "AP8="}}}
    cell.connected().publish(cell.name("inbox"), body, properties=properties)
    cell.expect_received(reader, [Delivered(body, properties=properties)], expected="the message with its header")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.2.5.5", "https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3"],
)
@pytest.mark.parametrize("kind", list(HEADERS))
def test_reads_a_header(cell: AmqpCell, kind: str) -> None:
    """A header of each type reaches the application with its value."""
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    properties = {"headers": {"value": HEADERS[kind]}}
    reference.publish(name, body, properties=properties_to_pika(amqp.Properties.model_validate(properties)))
    cell.expect_message(
        cell.connected().get(name),
        Delivered(body, properties=properties),
        expected="the message with its header",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3"],
)
def test_reads_a_header_of_bytes(cell: AmqpCell) -> None:
    """A message with a header that is a byte array, which RabbitMQ adds to the specification's types, can be read."""
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    properties = {"headers": {"value": {"t": "x", "v": "AP8="}}}
    reference.publish(name, body, properties=properties_to_pika(amqp.Properties.model_validate(properties)))
    cell.expect_message(
        cell.connected().get(name), Delivered(body, properties=properties), expected="the message with its header"
    )
