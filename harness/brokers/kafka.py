"""Apache Kafka: one node that is broker and controller."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from harness.brokers.base import CLUSTER, RELAY_HOST, RELAY_HOST_IPV6, HostProcess, installed, pick_port
from harness.brokers.jars import gather_jars
from harness.model import BrokerLine, Dialect
from harness.paths import COMPOSE, cache
from harness.streams import read_exactly

name = "kafka"
#: Clients follow the address that their listener advertises: `plain` is for who connects directly, and each probe's
#: listener advertises the relay that stands before it.
PROBES = ("probe0", "probe1", "probe2", "probe3")
#: The same with SASL; whoever has a probe's listener has the one of the same number too.
SASL = ("sasl0", "sasl1", "sasl2", "sasl3")
#: The same for relays with an IPv6 address.
IPV6 = ("ipv6_0", "ipv6_1", "ipv6_2", "ipv6_3")
#: The same for relays that pass TLS on, which Kafka itself ends; from 3.0 on.
TLS = ("tls0", "tls1", "tls2", "tls3")
listeners: Mapping[str, int] = {
    "plain": 9092,
    **{probe: 9100 + number for number, probe in enumerate(PROBES)},
    **{sasl: 9110 + number for number, sasl in enumerate(SASL)},
    **{ipv6: 9120 + number for number, ipv6 in enumerate(IPV6)},
    **{tls: 9130 + number for number, tls in enumerate(TLS)},
}
dialects: tuple[Dialect, ...] = (Dialect.KAFKA,)

#: ApiVersions version 0 with correlation id 7 and client id "ready" (KIP-35); every version of Kafka answers it.
_API_VERSIONS = struct.pack(">hhih5s", 18, 0, 7, 5, b"ready")


def environment(ports: Mapping[str, int], *, cluster: bool = False) -> dict[str, str]:
    """What the listeners advertise, from their ports on this machine."""
    if cluster:
        return {"CLUSTER": "yes"} | {
            f"ADVERTISED_{node}": f"PLAIN://127.0.0.1:{ports[plain]},PROBE0://{RELAY_HOST}:{ports[probe]}"
            for node, (plain, probe) in CLUSTER.items()
        }
    advertised = [f"PLAIN://127.0.0.1:{ports['plain']}"]
    advertised += [f"{probe.upper()}://{RELAY_HOST}:{ports[probe]}" for probe in (*PROBES, *SASL, *TLS)]
    advertised += [f"{ipv6.upper()}://[{RELAY_HOST_IPV6}]:{ports[ipv6]}" for ipv6 in IPV6]
    return {"ADVERTISED": ",".join(advertised)}


def program(line: BrokerLine) -> Path | None:
    """The server's jar, gathered by Maven together with those that it needs; null where there is no Java.

    Raises:
        Unavailable: the jars cannot be had.
    """
    if installed("java") is None:
        return None
    release = line.image.rpartition(":")[2]
    folder = cache() / "jars" / f"kafka-{release}"
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            partial = folder.with_suffix(".partial")
            gather_jars(line, COMPOSE / name, partial)
            partial.rename(folder)
    return next(folder.glob(f"kafka_2.1?-{release}.jar"), None)


def on_host(line: BrokerLine, settings: Path, home: Path, ports: Mapping[str, int], certificates: Path) -> HostProcess:
    """compose's scripts with this machine's ports and folders."""
    server = program(line)
    jars = server.parent if server is not None else home
    replacements = {
        "/opt/kafka/libs": str(jars),
        "/opt/kafka/config": str(home),
        "/tmp/iotyet-kafka": str(home / "node"),  # noqa: S108 - a folder in the container
    }
    replacements |= {port: str(pick_port()) for port in ("9093", "9094", "2181")}
    for file in (*settings.glob("*.sh"), *settings.glob("*.properties")):
        text = file.read_text(encoding="utf-8")
        for old, new in replacements.items():
            text = text.replace(old, new)
        (home / file.name).write_text(text, encoding="utf-8")
    listening = ",".join(f"{listener.upper()}://127.0.0.1:{port}" for listener, port in ports.items())
    return HostProcess(
        ("/bin/sh", str(home / "start.sh")), {**environment(ports), "LISTENERS": listening, "TLS": str(certificates)}
    )


def handshake(host: str, port: int) -> None:
    """ApiVersions, and a list of versions in return.

    Raises:
        OSError: another answer, or none.
    """
    with socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
        (length,) = struct.unpack(">i", read_exactly(connection, 4))
        answer = read_exactly(connection, min(length, 65_536))
    correlation, code, count = struct.unpack(">ihi", answer[:10].ljust(10, b"\xff"))
    if (correlation, code) != (7, 0) or count <= 0:
        raise OSError(f"a list of API versions expected, got {answer[:16].hex()}")


def version_in(log: str) -> str:
    """The version that Kafka logs while it starts."""
    found = re.search(r"Kafka version ?: (\S+)", log)
    return found.group(1) if found else ""
