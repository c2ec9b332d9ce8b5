"""Third-party codecs as a second opinion: whether they can read what a rule found nothing wrong with."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

import aiocoap
import aiocoap.error
import mqtt5
import pika.exceptions
import pika.frame

from harness.oracle.mqtt import remaining_length

#: connection.update-secret, of which pika cannot make an object. Bodies are left out because they are bytes alone.
_UPDATE_SECRET = b"\0\x0a\0\x46"
#: What the variable header of an MQTT 5 client's first packet begins with.
_MQTT_5 = b"\0\4MQTT\5"


def refused_by_pika(data: bytes) -> Iterator[tuple[int, str]]:
    """The end and the reason of each frame of an AMQP client's stream that pika cannot read."""
    offset = 8
    while offset + 7 <= len(data):
        (size,) = struct.unpack_from(">I", data, offset + 3)
        end = offset + 8 + size
        if end > len(data):
            return
        if data[offset] != pika.spec.FRAME_BODY and data[offset + 7 : offset + 11] != _UPDATE_SECRET:
            try:
                pika.frame.decode_frame(data[offset:end])
            except (pika.exceptions.AMQPError, struct.error, ValueError, LookupError) as error:
                yield end, f"{type(error).__name__}: {error}"
        offset = end


def refused_by_mqtt5(data: bytes, judged: Collection[int]) -> Iterator[tuple[int, str]]:
    """The end and the reason of each packet of an MQTT 5 client's stream that mqtt5 cannot read.

    Args:
        data: the stream; where it does not begin with CONNECT of version 5, nothing is said of it.
        judged: the ends of packets that a rule objects to, which are left out: where a string is no UTF-8 mqtt5 panics.
    """
    size, width = remaining_length(data, 1)
    if data[:1] != b"\x10" or not data[1 + width : 1 + width + size].startswith(_MQTT_5):
        return
    offset = 0
    while offset + 1 < len(data):
        size, width = remaining_length(data, offset + 1)
        end = offset + 1 + width + size
        if not 0 < width <= 4 or end > len(data):
            return
        if end not in judged:
            try:
                mqtt5.read(memoryview(data)[offset:end])
            except (ValueError, LookupError) as error:
                yield end, f"{type(error).__name__}: {error}"
        offset = end


def refused_by_aiocoap(message: bytes) -> str:
    """Why aiocoap cannot read a datagram; empty where it can."""
    try:
        aiocoap.Message.decode(message)
    except (aiocoap.error.Error, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
