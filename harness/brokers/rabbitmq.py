"""RabbitMQ."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from harness.brokers.base import CERTIFICATES, HostProcess, pick_port
from harness.model import BrokerLine, Dialect
from harness.streams import read_exactly

name = "rabbitmq"
listeners: Mapping[str, int] = {"plain": 5672, "tls": 5671}
dialects: tuple[Dialect, ...] = (Dialect.AMQP_0_9_1,)

_HEADER = b"AMQP\x00\x00\x09\x01"
_FRAME_END = b"\xce"
_START, _START_OK, _TUNE, _TUNE_OK, _OPEN, _OPEN_OK, _CLOSE = 10, 11, 30, 31, 40, 41, 50


def handshake(host: str, port: int) -> None:
    """The whole opening of a connection as guest, up to connection.open-ok (AMQP 0-9-1, section 2.2.4).

    Raises:
        OSError: another answer, or none.
    """
    with socket.create_connection((host, port), timeout=5.0) as connection:
        connection.sendall(_HEADER)
        _expect(connection, _START)
        response = b"\x00guest\x00guest"
        mechanism = b"\x05PLAIN" + struct.pack(">I", len(response)) + response
        _send(connection, _START_OK, b"\x00\x00\x00\x00" + mechanism + b"\x05en_US")
        limits = _expect(connection, _TUNE)[:6]
        _send(connection, _TUNE_OK, limits + b"\x00\x00")
        _send(connection, _OPEN, b"\x01/\x00\x00")
        _expect(connection, _OPEN_OK)
        _send(connection, _CLOSE, struct.pack(">HBHH", 200, 0, 0, 0))


def version_in(log: str) -> str:
    """The version in the line that RabbitMQ logs when it starts."""
    found = re.search(r"Starting RabbitMQ (\S+) on Erlang", log)
    return found.group(1) if found else ""


def program(_line: BrokerLine) -> Path | None:
    """The installed server's own script: Debian's in the PATH becomes another user and does not pass a stop on."""
    script = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return script if script.is_file() else None


def on_host(line: BrokerLine, settings: Path, home: Path, ports: Mapping[str, int], certificates: Path) -> HostProcess:
    """compose's configuration with this machine's ports and folders, and a node name and port mapper of its own."""
    own, tls = ((settings / file).read_text(encoding="utf-8") for file in ("rabbitmq.conf", "tls.conf"))
    config = (own + tls).replace(CERTIFICATES, str(certificates))
    for listener, port in listeners.items():
        config = config.replace(f"= {port}", f"= 127.0.0.1:{ports[listener]}")
    config = config.replace("/etc/rabbitmq/", f"{settings}/")
    (home / "rabbitmq.conf").write_text(config, encoding="utf-8")
    environment = {
        "HOME": str(home),  # for Erlang's cookie
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_NODENAME": f"iotyet{ports['plain']}@localhost",
        "RABBITMQ_DIST_PORT": str(pick_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(pick_port()),
    }
    return HostProcess((str(program(line)),), environment)


def _send(connection: socket.socket, method: int, arguments: bytes) -> None:
    """One method of class connection, on channel 0."""
    payload = struct.pack(">HH", 10, method) + arguments
    connection.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + _FRAME_END)


def _expect(connection: socket.socket, method: int) -> bytes:
    """Read one frame; its arguments, where it is this method of class connection."""
    kind, channel, size = struct.unpack(">BHI", read_exactly(connection, 7))
    payload = read_exactly(connection, size + 1)
    got = struct.unpack(">HH", payload[:4])
    if (kind, channel, got) != (1, 0, (10, method)):
        raise OSError(f"method 10.{method} expected, got frame type {kind} with method {got[0]}.{got[1]}")
    return payload[4:-1]
