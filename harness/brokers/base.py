"""The contract between the harness and a broker module, and what a running broker is."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.errors import BrokerFailed
from harness.model import BrokerLine, Dialect

#: Ports on this machine to choose from: below Linux's default ephemeral range (ip(7), ip_local_port_range).
PORTS = range(20_000, 32_000)
#: Seconds from start to the first handshake. A busy machine needs ten times what an idle one does.
READY_LIMIT = 60.0
#: Seconds in which a broker that answers has to have logged its version.
_LOG_LIMIT = 10.0


@dataclass(frozen=True)
class Image:
    """What a broker can be started from, on this machine now: an image, or a program."""

    provider: str
    name: str
    digest: str
    note: str = ""


@dataclass(frozen=True)
class RunningBroker:
    """A broker that answers; plain data, so that workers can share it."""

    line: str
    version: str
    provider: str
    image: str
    digest: str
    #: The container's id, or the name of the process's folder.
    handle: str
    ports: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """As a lease stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunningBroker:
        """What `to_json` was made from."""
        return cls(**data)


class BrokerModule(Protocol):
    """What the harness must know of one broker; a module of `harness.brokers` with these names."""

    #: Name of the folder below compose/ and of the service in its compose.yaml.
    name: str
    #: Listener name -> port inside the container.
    listeners: Mapping[str, int]
    dialects: tuple[Dialect, ...]

    def handshake(self, host: str, port: int) -> None:
        """One real protocol handshake with the first listener.

        Raises:
            OSError: the broker does not answer, or not as the protocol has it.
        """

    def version_in(self, log: str) -> str:
        """The version that the broker's log states; empty where it does not."""


class BrokerControl(Protocol):
    """Acts on one running broker. Any process of the run may have one."""

    def close(self) -> None:
        """Let go of the broker; it goes on running."""

    def is_running(self) -> bool:
        """False where the broker died."""

    def follow(self, moment: float) -> Iterator[str]:
        """Log lines from `moment` (seconds since 1970) on as they come, each after a word that sorts by its age."""

    def restart(self) -> None:
        """Stop the broker in good order (SIGTERM), start it again and wait until it answers."""

    def kill(self) -> None:
        """Kill the broker (SIGKILL), start it again and wait until it answers."""

    def kill_node(self, number: int) -> None:
        """Kill one node of a cluster (SIGKILL), for good.

        Raises:
            BrokerFailed: there is no such node.
        """

    def run(self, *argv: str) -> str:
        """Run one of the broker's own programs, such as rabbitmqctl, where the broker runs; returns what it printed.

        Raises:
            BrokerFailed: it ended with an error.
        """

    def pause(self) -> None:
        """Freeze the broker: it keeps its connections and does nothing."""

    def resume(self) -> None:
        """Let a frozen broker go on."""

    def remove(self) -> None:
        """End the broker and delete its data."""


#: Where compose/<broker>/ expects the run's certificates (`harness.certificates`).
CERTIFICATES = "/certificates"
#: Where a relay listens that a broker advertises, on the port that the broker's listener has on 127.0.0.1: Docker holds
#: that port as long as the broker lives, so that nobody else is given it.
RELAY_HOST = "127.0.1.1"
#: The same of relays with an IPv6 address.
RELAY_HOST_IPV6 = "::1"


#: Brokers of a cluster of an advertising broker, with the listeners at which each is reached directly and through a
#: relay.
CLUSTER = {2: ("plain", "probe0"), 3: ("probe2", "probe1")}


@runtime_checkable
class Advertises(Protocol):
    """A broker module whose broker tells clients where to connect, and so has to be told before it starts."""

    def environment(self, ports: Mapping[str, int], *, cluster: bool = False) -> dict[str, str]:
        """Environment variables beside those of compose.yaml, from the host port of each listener.

        Args:
            ports: by the listener's name.
            cluster: whether the container is to run several nodes.
        """


@dataclass(frozen=True)
class HostProcess:
    """How to start a broker without a container; `environment` is beside ours."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@runtime_checkable
class RunsOnHost(Protocol):
    """A broker module whose broker can be started as a process of this machine."""

    def program(self, line: BrokerLine, /) -> Path | None:
        """The installed program; null where there is none.

        Raises:
            Unavailable: it cannot be had.
        """

    def on_host(
        self, line: BrokerLine, settings: Path, home: Path, ports: Mapping[str, int], certificates: Path
    ) -> HostProcess:
        """Write a configuration that uses this machine's ports and no folder but `home`, and say how to start with it.

        Args:
            line: what is wanted.
            settings: the broker's folder below compose/.
            home: an empty folder, for the broker alone.
            ports: the port on 127.0.0.1 of each listener.
            certificates: the run's folder of them, an absolute path.
        """


def installed(name: str) -> Path | None:
    """A server program on this machine; null where there is none. Not every user's PATH has the servers' folders."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")
    return Path(found) if found else None


def pick_port() -> int:
    """A free port on 127.0.0.1, outside the range that the system gives to others.

    Raises:
        BrokerFailed: none was found.
    """
    for _ in range(200):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise BrokerFailed("no free port below the ephemeral range was found on 127.0.0.1")


def await_ready(module: BrokerModule, ports: Mapping[str, int], end_of: Callable[[], str | None]) -> None:
    """Wait until a starting broker answers a handshake.

    Args:
        module: what to know of this broker.
        ports: the port on 127.0.0.1 of each listener.
        end_of: the end of the broker's log where the broker is gone; null while it lives.

    Raises:
        BrokerFailed: it exited, or did not answer in time.
    """
    first = next(iter(module.listeners))
    end = time.monotonic() + READY_LIMIT
    while True:
        try:
            module.handshake("127.0.0.1", ports[first])
            return
        except OSError as error:
            log = end_of()
            if log is not None:
                raise BrokerFailed(f"the broker exited while starting; its log ends: {log}") from error
            if time.monotonic() > end:
                raise BrokerFailed(f"the broker answered no handshake within {READY_LIMIT:g} s: {error}") from error
        time.sleep(0.05)


def logged_version(module: BrokerModule, log: Callable[[], str]) -> str:
    """The version in a broker's log, which may show a moment later than the broker answers; empty where it does not."""
    end = time.monotonic() + _LOG_LIMIT
    while True:
        version = module.version_in(log())
        if version or time.monotonic() > end:
            return version
        time.sleep(0.05)
