"""The names by which wrong clients are started. Apart from `cast`, because what that needs is slow to import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

Client = TypeVar("Client")


def clients_below(base: type[Client]) -> dict[str, type[Client]]:
    """Every wrong client made from `base` by its name, CutsTheBody as cuts-the-body."""
    return {re.sub(r"(?<!^)(?=[A-Z])", "-", client.__name__).lower(): client for client in _all(base)}


def _all(base: type[Client]) -> Iterator[type[Client]]:
    """Every client below `base` that lies; those with an underscore only help."""
    for client in base.__subclasses__():
        if not client.__name__.startswith("_"):
            yield client
        yield from _all(client)
