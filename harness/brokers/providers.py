"""Where brokers come from: the first of Docker's official images, images built here, and this machine's own programs.

Never another line instead: what no provider has is unavailable.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.brokers import containers, images, processes
from harness.brokers.base import BrokerControl, BrokerModule, Image, RunningBroker
from harness.errors import Unavailable
from harness.liveness import Mark
from harness.model import BrokerLine


def obtain(module: BrokerModule, line: BrokerLine, say: Callable[[str], None]) -> Image:
    """What to start `line` from.

    Args:
        module: what to know of the broker.
        line: what is wanted.
        say: told about work that takes long.

    Raises:
        Unavailable: no provider has it.
    """
    try:
        client = containers.connect()
    except Unavailable as no_docker:
        return processes.obtain(module, line, no_docker.observed)
    try:
        return images.obtain(client, line, say)
    finally:
        client.close()


def start(
    module: BrokerModule, line: BrokerLine, image: Image, mark: Mark, certificates: Path, *, cluster: bool = False
) -> RunningBroker:
    """Start one broker, or a cluster of several nodes, and wait until it answers a real handshake.

    Args:
        module: what to know of the broker.
        line: the release line.
        image: what `obtain` found for the line.
        mark: the run that the broker belongs to.
        certificates: the folder with what the broker's own TLS shows, an absolute path.
        cluster: whether it is to run several nodes, which have no TLS.

    Raises:
        Unavailable: it cannot be had, or what was found is of another line.
        BrokerFailed: it did not start.
    """
    if image.provider != processes.PROVIDER:
        return containers.start(module, line, image, mark, certificates, cluster=cluster)
    if cluster:
        raise Unavailable(f"a cluster of {module.name} needs Docker ({image.note})")
    return processes.start(module, line, image, mark, certificates)


def control(module: BrokerModule, broker: RunningBroker) -> BrokerControl:
    """Acts on a running broker."""
    if broker.provider == processes.PROVIDER:
        return processes.ProcessControl(module, broker)
    return containers.ContainerControl(module, broker)


def remove(unwanted: Callable[[Mark], bool]) -> int:
    """Remove our brokers whose mark `unwanted` accepts; returns how many."""
    return containers.remove_containers(unwanted) + processes.remove_processes(unwanted)
