"""Rules for the requests that a Kafka client sends, and for the records in them; bodies are read by kafka-python."""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import crc32c
from kafka.protocol.api_key import ApiKey
from kafka.protocol.api_message import ApiMessage

from harness.oracle.reading import Fields, Outcome, Unjudged, Wrong, demand

_PRODUCE, _SASL_HANDSHAKE = 0, 17
#: The first version of Produce whose records are of format 2 (KIP-98).
_BATCHES_SINCE = 3
_BATCH_HEAD = 61
_KEYS = {int(key): key.name for key in ApiKey}
#: Above every key that Kafka has given out so far, of which kafka-python may not know the newest.
_BEYOND_KEYS = 1 << 8
#: Tokens that a client sends after SaslHandshake v0, without any header, by mechanism.
_RAW_TOKENS = {"PLAIN": 1, "SCRAM-SHA-256": 2, "SCRAM-SHA-512": 2}


# kafka-python defines each request where it is used; only what was imported is known.
for _part in ("admin", "consumer", "metadata", "producer", "sasl"):
    importlib.import_module(f"kafka.protocol.{_part}")


def _schemas(base: Any) -> Iterator[tuple[int, Any]]:
    for found in base.__subclasses__():
        if found._class_version is None and getattr(found, "_json", None) and found.type == "request":
            yield found.API_KEY, found
        yield from _schemas(found)


#: kafka-python's classes, which are made of Kafka's own schemas.
_SCHEMAS: dict[int, Any] = dict(_schemas(ApiMessage))


def judge(data: bytes) -> Outcome:
    """What a client sent on one connection."""
    outcome, offset, raw_tokens = Outcome(), 0, 0
    while offset + 4 <= len(data):
        (size,) = struct.unpack_from(">i", data, offset)
        if size < (0 if raw_tokens else 10):
            with outcome.frame(offset + 4):
                raise Wrong("kafka.size", f"{size} bytes")
            return outcome
        end = offset + 4 + size
        if end > len(data):
            break
        with outcome.frame(end):
            if raw_tokens:
                raw_tokens -= 1
            else:
                raw_tokens = _request(data[offset + 4 : end])
        offset = end
    outcome.rest = len(data) - offset
    return outcome


def _request(request: bytes) -> int:
    """Check a request; returns how many SASL tokens without a header follow it."""
    fields = Fields(request, "kafka.header")
    key, version, _ = (fields.number(kind) for kind in "hhi")
    demand(0 <= key < _BEYOND_KEYS, "kafka.api-key", f"API key {key}")
    client = fields.number("h")
    demand(client >= -1, "kafka.header", f"a client id of {client} bytes")
    fields.take(max(client, 0))
    body = _body(request, key, version)
    if key == _PRODUCE:
        for topic in body.topic_data:
            for partition in topic.partition_data:
                _records(bytes(partition.records or b""), version)
    if key == _SASL_HANDSHAKE and version == 0:
        return _RAW_TOKENS.get(body.mechanism, 0)
    return 0


def _body(request: bytes, key: int, version: int) -> Any:
    schema = _SCHEMAS.get(key)
    if schema is None or not 0 <= version <= schema.max_version:
        raise Unjudged(f"kafka-python does not know {_KEYS.get(key, f'the API key {key} in version')} {version}")
    # kafka-python reads what is below a schema's own versions too, but there the schema may have lost fields.
    certain = version >= schema.valid_versions[0]
    try:
        body, end = _decode(schema, request, version)
    except Exception as error:  # whatever a decoder raises for bytes that it cannot read
        if not certain:
            raise Unjudged(f"kafka-python cannot read {schema.__name__} {version}: {error}") from error
        raise Wrong("kafka.body", f"{schema.__name__} {version}: {error}") from error
    if end != len(request):
        detail = f"{schema.__name__} {version}: {len(request) - end} bytes"
        if not certain:
            raise Unjudged(f"kafka-python does not account for every byte: {detail}")
        raise Wrong("kafka.left-over" if end < len(request) else "kafka.body", detail)
    return body


def _decode(schema: Any, request: bytes, version: int) -> tuple[Any, int]:
    """The body, and the offset at which it ends, which kafka-python's own `decode` keeps to itself."""
    flexible = schema.flexible_version_q(version)
    head = io.BytesIO(request)
    schema.parse_header(head, version=version)
    decode = schema._struct.compiled_decode_from(version, compact=flexible, tagged=flexible, data_class=schema[None])
    body, end = decode(memoryview(request), head.tell())
    return body, end


def _records(records: bytes, version: int) -> None:
    """Check batches (format 2) or messages (formats 0 and 1), the outer ones where they are compressed."""
    offset = 0
    while offset < len(records):
        demand(offset + 17 <= len(records), "kafka.records", f"{len(records) - offset} bytes are no batch")
        (length,) = struct.unpack_from(">i", records, offset + 8)
        end, magic = offset + 12 + length, records[offset + 16]
        demand(length >= 5 and end <= len(records), "kafka.records", f"a length of {length} bytes")
        demand((magic == 2) == (version >= _BATCHES_SINCE) and magic <= 2, "kafka.magic", f"Produce {version}: {magic}")
        batch = records[offset:end]
        if magic == 2:
            demand(len(batch) >= _BATCH_HEAD, "kafka.records", f"a batch of {len(batch)} bytes")
            (said,) = struct.unpack_from(">I", batch, 17)
            computed = crc32c.crc32c(batch[21:])
        else:
            (said,) = struct.unpack_from(">I", batch, 12)
            computed = zlib.crc32(batch[16:])
        demand(said == computed, "kafka.crc", f"{said:#010x}, and {computed:#010x} is right")
        offset = end
