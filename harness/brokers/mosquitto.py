"""Eclipse Mosquitto."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from harness.brokers.base import CERTIFICATES, HostProcess, installed
from harness.model import BrokerLine, Dialect

name = "mosquitto"
listeners: Mapping[str, int] = {"plain": 1883, "tls": 8883, "mutual_tls": 8884}
dialects: tuple[Dialect, ...] = (Dialect.MQTT_3_1_1, Dialect.MQTT_5)

#: Refuses subscriptions, as access.json says.
_PLUGIN = "mosquitto_dynamic_security.so"
#: CONNECT with protocol level 4, clean session, keep-alive 10 s, client id "ready" (MQTT 3.1.1, section 3.1).
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05ready"
_CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"


def handshake(host: str, port: int) -> None:
    """CONNECT, and CONNACK with code 0 in return.

    Raises:
        OSError: another answer, or none.
    """
    with socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(_CONNECT)
        answer = connection.recv(4)
        if answer != _CONNACK_ACCEPTED:
            raise OSError(f"CONNACK expected, got {answer.hex() or 'the end of the connection'}")
        connection.sendall(_DISCONNECT)


def version_in(log: str) -> str:
    """The version in the line that Mosquitto logs first."""
    found = re.search(r"mosquitto version (\S+) starting", log)
    return found.group(1) if found else ""


def program(_line: BrokerLine) -> Path | None:
    """The installed server."""
    return installed(name)


def on_host(line: BrokerLine, settings: Path, home: Path, ports: Mapping[str, int], certificates: Path) -> HostProcess:
    """compose's configuration with this machine's ports and folders."""
    own, tls = ((settings / file).read_text(encoding="utf-8") for file in ("mosquitto.conf", "tls.conf"))
    config = (own + tls).replace("include_dir /mosquitto/config\n", "").replace(CERTIFICATES, str(certificates))
    for listener, port in listeners.items():
        config = config.replace(f"listener {port}", f"listener {ports[listener]} 127.0.0.1")
    config = config.replace("/mosquitto/config/", f"{settings}/").replace("/mosquitto/data/", f"{home}/")
    # Debian has it in a folder that names the machine's architecture.
    for plugin in Path("/usr/lib").glob(f"*/{_PLUGIN}"):
        config = config.replace(f"/usr/lib/{_PLUGIN}", str(plugin))
    # As root it would become another user, who cannot write to the folder.
    (home / "mosquitto.conf").write_text(f"{config}\nuser {getpass.getuser()}\n", encoding="utf-8")
    return HostProcess((str(program(line)), "-c", str(home / "mosquitto.conf")), {})
