"""The wrong MQTT clients by name. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.mqtt_clients NAME
"""

from __future__ import annotations

import inspect
import re
import sys
from types import ModuleType
from typing import TypeVar

from harness.model import Dialect
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from harness.wire.serve import Events, Server
from tests.saboteurs.mqtt import confused, connecting, conversations, framing, losing, properties, publishing, receiving

_Base = TypeVar("_Base", bound=object)


def _named(base: type[_Base], *modules: ModuleType) -> dict[str, type[_Base]]:
    """The classes of these modules below `base`: SendsTwice is sends-twice."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): found
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, base) and found.__module__ == module.__name__
    }


CLIENTS = _named(ControlClient, confused, connecting, publishing, receiving, losing, properties, framing, conversations)
CONVERSATIONS = {
    name: found for name, found in _named(Server, conversations).items() if found is not conversations.Conversation
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    server = CONVERSATIONS.get(name, Server)
    client = CLIENTS.get(name, ControlClient)
    if (server, client) == (Server, ControlClient):
        raise SystemExit(f"there is no saboteur {name!r}")
    return server(
        crate="paho-mqtt",
        version="0.0.0",
        vocabulary=mqtt.VOCABULARY,
        dialects=[Dialect.MQTT_3_1_1, Dialect.MQTT_5],
        client=client(events),
        events=events,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
