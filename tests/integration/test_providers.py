"""Each broker from each provider that this machine has: a round trip, a restart, a crash, its log, and its end."""

from __future__ import annotations

import secrets
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from harness.bench import Peer
from harness.brokers import BROKERS, containers, images, processes, providers
from harness.brokers.base import BrokerModule, Image, RunningBroker
from harness.catalog import load_lines
from harness.certificates import Certificates
from harness.commands import RUN_MARK
from harness.errors import BrokerFailed, Unavailable
from harness.liveness import Mark
from harness.model import BrokerLine
from harness.paths import cache
from harness.references.amqp import AmqpReference
from harness.references.kafka import KafkaReference, Written
from harness.references.mqtt import MqttReference

#: A registry that answers nobody: the discard service of this machine.
_NOWHERE = "127.0.0.1:9/nothing:1"


def _mqtt_round_trip(port: int, token: str) -> bytes | None:
    client = MqttReference("127.0.0.1", port, token)
    client.connect()
    try:
        client.subscribe(token, qos=1)
        client.publish(token, b"payload", qos=1)
        message = client.take(10.0)
    finally:
        client.disconnect()
    return None if message is None else message.payload


def _amqp_round_trip(port: int, token: str) -> bytes | None:
    client = AmqpReference("127.0.0.1", port)
    client.connect()
    try:
        client.declare(token, exclusive=True)
        client.consume(token)
        client.publish(token, b"payload")
        message = client.take(10.0)
    finally:
        client.close()
    return None if message is None else message.body


def _kafka_round_trip(port: int, token: str) -> bytes | None:
    client = KafkaReference([f"127.0.0.1:{port}"], token)
    try:
        client.create_topic(token, 1)
        client.produce(token, [Written(b"key", b"payload")])
        (record,) = client.read_all(token)
    finally:
        client.close()
    return record.value


_ROUND_TRIPS: dict[str, Callable[[int, str], bytes | None]] = {
    "mosquitto": _mqtt_round_trip,
    "rabbitmq": _amqp_round_trip,
    "kafka": _kafka_round_trip,
}
#: What the profile `ci` starts, and what it does not.
_BROKERS = ["mosquitto", *(pytest.param(name, marks=pytest.mark.full) for name in ("rabbitmq", "kafka"))]


def _official(_module: BrokerModule, line: BrokerLine) -> tuple[Image, BrokerLine]:
    """The official image where it was pulled; else the local one by a name that no recipe builds."""
    client = containers.connect()
    try:
        known = client.images.list(name=line.image)
        if not known:
            local = images.obtain(client, replace(line, image=_NOWHERE), print)
            client.images.get(local.name).tag("iotyet/pulled", line.line)
            line = replace(line, image=f"iotyet/pulled:{line.line}")
        return images.obtain(client, replace(line, recipe=""), print), line
    finally:
        client.close()


def _local(_module: BrokerModule, line: BrokerLine) -> tuple[Image, BrokerLine]:
    client = containers.connect()
    try:
        return images.obtain(client, replace(line, image=_NOWHERE), print), line
    finally:
        client.close()


def _host(module: BrokerModule, line: BrokerLine) -> tuple[Image, BrokerLine]:
    return processes.obtain(module, line, "asked for"), line


_PROVIDERS = {"official": _official, "local": _local, "host": _host}


@contextmanager
def _started(broker: str, provider: str, mark: Mark, certificates: Certificates) -> Iterator[RunningBroker]:
    """The first line of the broker that the provider has."""
    module, reasons = BROKERS[broker], []
    for line in (line for line in load_lines() if line.broker == broker and line.recipe):
        try:
            image, found = _PROVIDERS[provider](module, line)
            running = providers.start(module, found, image, mark, certificates.folder)
        except Unavailable as error:
            reasons.append(error.observed)
            continue
        control = providers.control(module, running)
        try:
            yield running
        finally:
            control.remove()
        return
    pytest.skip("; ".join(reasons))


@pytest.mark.parametrize("provider", _PROVIDERS)
@pytest.mark.parametrize("broker", _BROKERS)
def test_a_broker_works_and_comes_back(broker: str, provider: str, mark: Mark, certificates: Certificates) -> None:
    with _started(broker, provider, mark, certificates) as running:
        peer = Peer(next(line for line in load_lines() if line.id == running.line), running)
        port, round_trip = running.ports["plain"], _ROUND_TRIPS[broker]
        assert round_trip(port, secrets.token_hex(4)) == b"payload"
        peer.control.restart()
        assert round_trip(port, secrets.token_hex(4)) == b"payload"
        position = peer.log.position()
        peer.control.kill()
        assert round_trip(port, secrets.token_hex(4)) == b"payload"
        assert peer.log.await_line([running.version], position, 10.0), "the log of the broker that was killed goes on"
        assert peer.control.is_running()
        trusting = ssl.create_default_context(cafile=str(certificates.authority))
        listener = next(name for name in running.ports if name.startswith("tls"))
        plain = socket.create_connection(("127.0.0.1", running.ports[listener]), timeout=10)
        with trusting.wrap_socket(plain, server_hostname="localhost") as own:
            assert own.version() == "TLSv1.3", "the broker's own TLS"
        peer.control.remove()
        assert not peer.control.is_running()
        peer.close()
    with pytest.raises(OSError, match="refused"):
        BROKERS[broker].handshake("127.0.0.1", port)


@pytest.mark.full
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_the_brokers_own_programs_reach_it(provider: str, mark: Mark, certificates: Certificates) -> None:
    with _started("rabbitmq", provider, mark, certificates) as running:
        control = providers.control(BROKERS["rabbitmq"], running)
        assert "Listing queues" in control.run("rabbitmqctl", "list_queues")
        with pytest.raises(BrokerFailed, match="rabbitmqctl dance"):
            control.run("rabbitmqctl", "dance")
        control.close()


@pytest.fixture
def on_host(mark: Mark, certificates: Certificates) -> Iterator[RunningBroker]:
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        pytest.skip("mosquitto is not installed on this machine")
    with _started("mosquitto", "host", mark, certificates) as running:
        yield running


def test_without_docker_the_programs_of_this_machine_serve(
    monkeypatch: pytest.MonkeyPatch, on_host: RunningBroker
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    line = next(line for line in load_lines() if line.id == on_host.line)
    image = providers.obtain(BROKERS["mosquitto"], line, print)
    assert (image.provider, image.name) == ("host process", "mosquitto")
    assert "there is no Docker daemon to talk to" in image.note


def test_a_program_of_another_line_is_unavailable_and_leaves_nothing(
    on_host: RunningBroker, mark: Mark, certificates: Certificates
) -> None:
    line = next(line for line in load_lines() if line.id == on_host.line)
    image = processes.obtain(BROKERS["mosquitto"], line, "no Docker")
    before = set((cache() / "brokers").iterdir())
    with pytest.raises(Unavailable, match=r"is version 2\.\S+, which is not of the line mosquitto@\S+ \(no Docker\)"):
        processes.start(BROKERS["mosquitto"], replace(line, version_prefix="7."), image, mark, certificates.folder)
    assert set((cache() / "brokers").iterdir()) == before


def test_a_frozen_process_answers_nobody_and_goes_on(on_host: RunningBroker) -> None:
    control = providers.control(BROKERS["mosquitto"], on_host)
    control.pause()
    with pytest.raises(TimeoutError):
        BROKERS["mosquitto"].handshake("127.0.0.1", on_host.ports["plain"])
    control.resume()
    BROKERS["mosquitto"].handshake("127.0.0.1", on_host.ports["plain"])
    control.close()


def test_a_dead_runs_process_is_removed_and_a_live_runs_stays(on_host: RunningBroker, mark: Mark) -> None:
    control = providers.control(BROKERS["mosquitto"], on_host)
    assert processes.remove_processes(lambda other: other != mark and not other.is_live()) == 0
    assert control.is_running()
    assert processes.remove_processes(lambda other: other == mark) == 1
    assert not control.is_running()
    time.sleep(0.1)
    marked = [p for p in psutil.process_iter() if p.pid != psutil.Process().pid and _mark_of(p) == str(mark)]
    assert not [p for p in marked if p.name() == "mosquitto"]


def _mark_of(process: psutil.Process) -> str:
    try:
        return process.environ().get(RUN_MARK, "")
    except psutil.Error:
        return ""
