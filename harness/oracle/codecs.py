"""Third-party codecs as a second opinion: whether they can read what a rule found nothing wrong with."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import aiocoap
import aiocoap.error
import pika.exceptions
import pika.frame

#: connection.update-secret, of which pika cannot make an object. Bodies are left out because they are bytes alone.
_UPDATE_SECRET = b"\0\x0a\0\x46"


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


def refused_by_aiocoap(message: bytes) -> str:
    """Why aiocoap cannot read a datagram; empty where it can."""
    try:
        aiocoap.Message.decode(message)
    except (aiocoap.error.Error, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
