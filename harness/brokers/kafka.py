"""Apache Kafka: one node that is broker and controller."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping

from harness.brokers.base import CLUSTER, RELAY_HOST
from harness.model import Dialect

name = "kafka"
#: Clients follow the address that their listener advertises: `plain` is for who connects directly, and each probe's
#: listener advertises the relay that stands before it.
PROBES = ("probe0", "probe1", "probe2", "probe3")
#: The same with SASL; whoever has a probe's listener has the one of the same number too.
SASL = ("sasl0", "sasl1", "sasl2", "sasl3")
listeners: Mapping[str, int] = {
    "plain": 9092,
    **{probe: 9100 + number for number, probe in enumerate(PROBES)},
    **{sasl: 9110 + number for number, sasl in enumerate(SASL)},
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
    advertised += [f"{probe.upper()}://{RELAY_HOST}:{ports[probe]}" for probe in (*PROBES, *SASL)]
    return {"ADVERTISED": ",".join(advertised)}


def handshake(host: str, port: int) -> None:
    """ApiVersions, and a list of versions in return.

    Raises:
        OSError: another answer, or none.
    """
    with socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
        (length,) = struct.unpack(">i", _read(connection, 4))
        answer = _read(connection, min(length, 65_536))
    correlation, code, count = struct.unpack(">ihi", answer[:10].ljust(10, b"\xff"))
    if (correlation, code) != (7, 0) or count <= 0:
        raise OSError(f"a list of API versions expected, got {answer[:16].hex()}")


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise OSError("the connection ended in the middle of the answer to ApiVersions")
        data += chunk
    return data


def version_in(log: str) -> str:
    """The version that Kafka logs while it starts."""
    found = re.search(r"Kafka version ?: (\S+)", log)
    return found.group(1) if found else ""
