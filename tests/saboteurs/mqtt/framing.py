"""Lies about WebSocket."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import patch

from paho.mqtt.client import _WebsocketWrapper

from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from tests.saboteurs.mqtt.liar import Liar

#: A frame's length without its extensions (RFC 6455, section 5.2), and the bytes of a CONNACK of 3.1.1.
_LENGTH, _CONNACK = 0x7F, 4


class OffersNoSubprotocol(Liar):
    """Says nothing of MQTT in the handshake."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take it out of the headers."""
        handshake = _WebsocketWrapper._do_handshake

        def without(headers: dict[str, str]) -> dict[str, str]:
            return {name: value for name, value in headers.items() if name != "Sec-Websocket-Protocol"}

        with patch.object(_WebsocketWrapper, "_do_handshake", lambda wrapper, _extra: handshake(wrapper, without)):
            return super().connect(request)


class TakesAFrameForAPacket(Liar):
    """Waits for ever where a frame has less than a packet."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Look before paho reads."""
        read = _WebsocketWrapper._recv_impl

        def recv(wrapper: Any, length: int) -> bytes:
            wrapper._readbuffer_head = 0
            if wrapper._buffered_read(2)[1] & _LENGTH < _CONNACK:
                threading.Event().wait()
            return read(wrapper, length)

        with patch.object(_WebsocketWrapper, "_recv_impl", recv):
            return super().connect(request)


class PassesOverTextFrames(Liar):
    """Goes on after a text frame, as paho does."""


class ClosesAtTextFrames(ControlClient):
    """The witness where paho itself is wrong: a text frame ends the connection."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Look before paho reads."""
        reply = super().connect(request)
        wrapper: Any = self._connected()._client._sock
        read = wrapper._recv_impl

        def recv(length: int) -> bytes:
            wrapper._readbuffer_head = 0
            is_text = wrapper._buffered_read(1)[0] & 0b1111 == wrapper.OPCODE_TEXT
            return b"" if is_text else bytes(read(length))

        wrapper._recv_impl = recv
        return reply
