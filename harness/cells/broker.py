"""What the cells of protocols with a broker share: relays in front of it, and its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.bench import Bench, Peer
from harness.capture import Relay
from harness.cells.doors import PLAIN, Door, flawed
from harness.cells.peer import PeerCell
from harness.certificates import CLIENT, KeyForm, ServerCertificate
from harness.commands import uncoloured
from harness.errors import BrokerFailed, CrateTimeout, Unavailable
from harness.model import Crate, Scenario
from harness.pcapng import OVER_TLS

#: Seconds in which the broker has to log what a client made it do.
_LOGGED = 10.0


def is_ipv6(host: str) -> bool:
    """Whether this is an IPv6 address, and no name."""
    return ":" in host


def no_address(host: str) -> Unavailable:
    """What to say where nobody can listen at an IPv6 address."""
    return Unavailable(f"this machine has no {host}: IPv6 is off")


class BrokerCell(PeerCell):
    """One attempt at a scenario whose crate talks to a broker."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: Peer, folder: Path) -> None:
        super().__init__(bench, scenario, crate, folder)
        self.peer = peer
        self._started_log = peer.log.position()

    # -- who takes part ----------------------------------------------------------------------------

    def relay(self, door: Door = PLAIN) -> Relay:
        """The relay behind a door; records from its first use on."""
        return self._relays.get(door.name) or self._open_door(door)

    def address(self, door: Door, *, shows_certificate: bool = False, key: KeyForm = KeyForm.PKCS8) -> dict[str, Any]:
        """Where the crate's client connects to, as the fields `host`, `port`, `tls` and `websocket` of WIRE.md."""
        relay = self.relay(door)
        if is_ipv6(door.host) and door.host not in relay.hosts:
            raise no_address(door.host)
        fields: dict[str, Any] = {"host": door.host, "port": relay.endpoint[1]}
        if door.websocket:
            fields["websocket"] = True
        if door.shown is not None or door.passes_through:
            certificates = self._bench.certificates()
            fields["tls"] = {"ca": certificates.authority.read_text()}
            if shows_certificate:
                certificate, _ = certificates.pair(CLIENT)
                fields["tls"] |= {"certificate": certificate.read_text(), "key": certificates.client_key(key)}
        return fields

    def _open_door(self, door: Door, listener: str = "", listen: tuple[str, int] = ("127.0.0.1", 0)) -> Relay:
        """A relay to the listener, which is the door's own where it is not named."""
        tls = None
        if door.shown is not None:
            tls = self._bench.certificates().server_context(door.shown, asks_client=door.asks_client)
        port = self.peer.broker.ports[listener or door.listener or "plain"]
        spoken = self.peer.canonical_port
        if door.passes_through:
            spoken = OVER_TLS[spoken]
        return self._open_relay(door.name, port, spoken, listen=listen, tls=tls)

    # -- what can be observed ----------------------------------------------------------------------

    def expect_untrusted(self, connect: Callable[[Door], object], certificate: ServerCertificate) -> None:
        """`connect` ends in an error at a door with a bad certificate, and the client says nothing to who shows it."""
        door = flawed(certificate)
        self.expect_refused(
            lambda: connect(door), expected=f"connect ends in an error, as the certificate is bad ({certificate})"
        )
        relay = self.relay(door)
        for reason in relay.failed_handshakes:
            self.remark(f"the TLS handshake failed: {reason}")
        self.expect(
            relay.accepted > 0 and relay.served == 0,
            expected="the client comes, and leaves during the TLS handshake",
            observed=f"{relay.accepted} connections, {relay.served} of which the peer answered",
        )

    def await_log(self, part: str | tuple[str, ...], position: int, expected: str) -> str:
        """Wait until the broker logs a line with `part`, or with one of several; returns the line.

        Raises:
            CrateTimeout: it did not, so the crate did not send what makes it.
            BrokerFailed: the broker died meanwhile.
        """
        parts = (part,) if isinstance(part, str) else part
        line = self.peer.log.await_line(parts, position, self.remaining(_LOGGED, expected))
        if line is None:
            if not self.peer.control.is_running():
                raise BrokerFailed(f"the broker died while the scenario waited for {parts[0]!r} in its log")
            raise CrateTimeout(f"the broker did not log {parts[0]!r} within {_LOGGED:g} s", expected=expected)
        self.remark(f"the broker logged: {line}")
        return line

    # -- the end -----------------------------------------------------------------------------------

    def broker_log(self) -> str:
        """What the broker logged during this attempt; on a shared broker, what names this attempt's things."""
        lines = [uncoloured(line) for line in self.peer.log.since(self._started_log)]
        if not self.scenario.own_broker:
            lines = [line for line in lines if self.token in line]
        return "".join(f"{line}\n" for line in lines)

    def close(self) -> None:
        """End the clients, the references and the relays, and write the broker's log down."""
        super().close()
        (self._folder / "broker.log").write_text(self.broker_log(), encoding="utf-8")
