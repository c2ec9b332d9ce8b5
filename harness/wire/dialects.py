"""The table of vocabularies: a new protocol is one module and one line here."""

from __future__ import annotations

from harness.model import Dialect
from harness.wire import amqp, coap, kafka, mqtt, zmtp
from harness.wire.operations import Vocabulary

VOCABULARIES: tuple[Vocabulary, ...] = (
    mqtt.VOCABULARY,
    coap.VOCABULARY,
    amqp.VOCABULARY,
    zmtp.VOCABULARY,
    kafka.VOCABULARY,
)


def vocabulary_of(dialect: Dialect) -> Vocabulary:
    """The operations and events of `dialect`.

    Raises:
        KeyError: the dialect has no wire vocabulary (`package` has none).
    """
    for vocabulary in VOCABULARIES:
        if dialect in vocabulary.dialects:
            return vocabulary
    raise KeyError(dialect)
