"""How a test under scenarios/ says what it states: a decorator with everything that its docstring does not say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import ConfigError
from harness.model import Consequence, Dialect, Level, Need, Profile, Requirement, Scenario

_Function = TypeVar("_Function", bound=Callable[..., None])
_ATTRIBUTE = "__iotyet_scenario__"
#: The source of each protocol's scripted peer, below the project's folder; the report names it.
SCRIPTED_PEERS = {
    Dialect.MQTT_3_1_1: "harness/peers/mqtt.py",
    Dialect.MQTT_5: "harness/peers/mqtt.py",
    Dialect.AMQP_0_9_1: "harness/peers/amqp.py",
    Dialect.COAP_CLIENT: "harness/peers/coap.py",
    Dialect.COAP_SERVER: "harness/peers/coap.py",
    Dialect.ZMTP: "harness/references/zmtp_raw.py",
    Dialect.KAFKA: "harness/peers/kafka.py",
}


def scenario(
    dialect: Dialect,
    *,
    level: Level,
    requirement: Requirement,
    consequence: Consequence,
    spec: Sequence[str],
    also: Mapping[Dialect, Sequence[str]] | None = None,
    capability: str = "base",
    needs: Sequence[Need] = (),
    features: Sequence[str] = (),
    own_broker: bool = False,
    cluster: bool = False,
    scripted: bool = False,
    since: str = "",
    until: str = "",
    deadline: float = 30.0,
    timer: float = 0.0,
    profile: Profile = Profile.CI,
) -> Callable[[_Function], _Function]:
    """Mark a test function as a scenario.

    The id comes from the function's name, the group from its module's, title and details from its docstring.

    Args:
        dialect: what the client speaks.
        level: how much users rely on it.
        requirement: how strongly the clause asks for it.
        consequence: what a failure costs.
        spec: clauses or pages that ask for it.
        also: other dialects that ask for the same, with their clauses.
        capability: `base`, or the capability that a user would choose a crate for.
        needs: behaviour that not every kind of crate has.
        features: what crates.toml may declare as unsupported, and then ends the scenario as `unsupported`.
        own_broker: start a broker for this attempt alone, because the scenario hurts it.
        cluster: the attempt's own broker is a cluster, of which it can lose a node.
        scripted: the crate meets a scripted peer of the harness. A scenario has to say so: its cells are no statement
            about a broker.
        since: the first release line of the broker that has what the scenario asks for; empty where all have it.
        until: the first release line that has it no longer; empty where none lacks it.
        deadline: seconds that the crate may take in all.
        timer: seconds of `deadline` that a protocol timer takes, which no client can shorten.
        profile: the smallest run that asks it; what costs minutes, and much of which others ask too, is not for CI.
    """

    def mark(function: _Function) -> _Function:
        file = Path(inspect.getfile(function))
        title, _, details = inspect.cleandoc(function.__doc__ or "").partition("\n")
        if not title:
            raise ConfigError(file, function.__name__, "has no docstring; the report prints it")
        own = Scenario(
            id=function.__name__.removeprefix("test_"),
            dialect=dialect,
            group=file.stem.removeprefix("test_"),
            capability=capability,
            level=level,
            requirement=requirement,
            consequence=consequence,
            title=title,
            details=" ".join(details.split()),
            spec=tuple(spec),
            needs=tuple(needs),
            features=tuple(features),
            own_broker=own_broker or cluster,
            cluster=cluster,
            scripted=SCRIPTED_PEERS[dialect] if scripted else "",
            since=since,
            until=until,
            deadline=deadline,
            timer=timer,
            profile=profile,
        )
        others = [
            replace(own, dialect=other, spec=tuple(clauses), scripted=SCRIPTED_PEERS[other] if scripted else "")
            for other, clauses in (also or {}).items()
        ]
        setattr(function, _ATTRIBUTE, (own, *others))
        return function

    return mark


def scenarios_of(function: Any) -> tuple[Scenario, ...]:
    """What a test function states, once for each dialect, its own one first; empty where it is no scenario."""
    found = getattr(function, _ATTRIBUTE, ())
    return found if isinstance(found, tuple) else ()


def scenario_of(function: Any) -> Scenario | None:
    """What a test function states in its own dialect; null where it is no scenario."""
    return next(iter(scenarios_of(function)), None)
