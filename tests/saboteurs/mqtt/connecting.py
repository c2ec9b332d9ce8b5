"""Lies about connecting, leaving and TLS."""

from __future__ import annotations

import os
import socket
import ssl

from harness.wire import mqtt
from harness.wire.messages import Empty, ErrorCode
from harness.wire.serve import ProbeFailure
from tests.saboteurs.mqtt.liar import Liar

# -- connecting and leaving ----------------------------------------------------------------------------


class IgnoresKeepAlive(Liar):
    """Connects with a keep-alive of 15 s, whatever the application chose."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"keep_alive_s": 15}))


class TakesRefusalForSuccess(Liar):
    """Does not look at CONNACK's return code."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Report success."""
        try:
            return super().connect(request)
        except ProbeFailure:
            return mqtt.ConnectReply(session_present=False)


class ForgetsCredentials(Liar):
    """Sends no user name, so that a broker which lets anyone in takes it for anyone."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop both."""
        return super().connect(request.model_copy(update={"username": None, "password": None}))


class LeavesWithoutDisconnect(Liar):
    """Closes the socket where it should send DISCONNECT first."""

    def disconnect(self, _request: mqtt.DisconnectRequest) -> Empty:
        """Close the socket."""
        self.reference.on_lost = None
        self.paho.loop_stop()
        self.paho._sock_close()
        self._client = None
        return Empty()


class SharesOneClientId(Liar):
    """Uses one client id for all its connections, so that they throw each other out."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Keep what all clients of the attempt have in common."""
        return super().connect(request.model_copy(update={"client_id": request.client_id.split("-")[0]}))


class ForgetsTheWill(Liar):
    """Connects without the will that it was given."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop it."""
        return super().connect(request.model_copy(update={"will": None}))


class AlwaysClean(Liar):
    """Starts a clean session even where the application asked for a lasting one."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"clean_session": True}))


class AlwaysCleanAndLies(AlwaysClean):
    """Starts a clean session and says that the old one is present."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace what CONNACK said."""
        super().connect(request)
        return mqtt.ConnectReply(session_present=True)


class NeverClean(Liar):
    """Goes on with the old session even where the application asked for a clean one."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"clean_session": False}))


class MakesUpAClientId(Liar):
    """Sends a client id of its own where the application left it to the broker."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Fill it in."""
        return super().connect(request.model_copy(update={"client_id": request.client_id or "made-up"}))


class KnowsOnlyIpv4(Liar):
    """Takes an address apart at its first colon."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Leave nothing of an IPv6 address."""
        if ":" in request.host:
            raise ProbeFailure(ErrorCode.IO, "invalid port number")
        return super().connect(request)


class TriesOneAddress(Liar):
    """Connects to the first address of a name alone."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take the first."""
        first = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)[0][4][0]
        return super().connect(request.model_copy(update={"host": first}))


class KeepsEveryConnection(Liar):
    """Opens a file for each connection and never closes it."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Open one."""
        os.open(os.devnull, os.O_RDONLY)
        return super().connect(request)


class NeverPings(Liar):
    """Announces a keep-alive and then sends no PINGREQ."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Turn paho's own timer off after CONNECT carried the value."""
        reply = super().connect(request)
        self.paho._keepalive = 0
        return reply


# -- TLS -----------------------------------------------------------------------------------------------


class TrustsAnyCertificate(Liar):
    """Verifies nothing, as with the options that tutorials turn off."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Turn them off."""
        context = super().trust(tls)
        if context is not None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class IgnoresTheHostName(Liar):
    """Takes any host's certificate of an authority that it trusts."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Compare no names."""
        context = super().trust(tls)
        if context is not None:
            context.check_hostname = False
        return context


class IgnoresExpiry(Liar):
    """Takes certificates whose time is over."""

    #: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name.
    _NO_CHECK_TIME = 0x200000

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Compare no dates."""
        context = super().trust(tls)
        if context is not None:
            context.verify_flags |= self._NO_CHECK_TIME
        return context


class SpeaksPlain(Liar):
    """Speaks plain TCP where TLS was asked for."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Encrypt nothing."""
        return None


class ShowsNoCertificate(Liar):
    """Keeps the client certificate that it was given to itself."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Leave it out."""
        return super().trust(tls and mqtt.Tls(ca=tls.ca))
