"""The contract between the harness and a broker module, and what a running broker is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from harness.model import Dialect


@dataclass(frozen=True)
class RunningBroker:
    """A broker that answers; plain data, so that workers can share it."""

    line: str
    version: str
    provider: str
    image: str
    digest: str
    container: str
    ports: Mapping[str, int]
    config: str = ""

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


#: Where a relay listens that a broker advertises, on the port that the broker's listener has on 127.0.0.1: Docker holds
#: that port as long as the broker lives, so that nobody else is given it.
RELAY_HOST = "127.0.1.1"


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
