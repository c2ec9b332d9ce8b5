"""Mosquitto in real containers: started, hurt, followed and removed."""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import docker
import pytest

from harness.bench import Bench, Peer
from harness.brokers import base, containers, images, mosquitto
from harness.brokers.base import PORTS, Image, RunningBroker, pick_port
from harness.brokers.containers import LABEL, ContainerControl, connect, remove_containers, start
from harness.brokers.images import obtain
from harness.catalog import load_lines
from harness.certificates import Certificates
from harness.errors import BrokerFailed, Unavailable
from harness.liveness import Mark, RunLock
from harness.model import Suite
from harness.paths import COMPOSE
from harness.references.mqtt import MqttReference
from harness.store import RunFolder

(LINE,) = [line for line in load_lines() if line.id == "mosquitto@2.0"]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    made = connect()
    yield made
    made.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> Image:
    return obtain(client, LINE, print)


@pytest.fixture
def broker(image: Image, mark: Mark, certificates: Certificates) -> Iterator[RunningBroker]:
    """A broker of the test's own."""
    yield start(mosquitto, LINE, image, mark, certificates.folder)
    remove_containers(lambda other: other == mark)


@pytest.fixture
def peer(broker: RunningBroker) -> Iterator[Peer]:
    made = Peer(LINE, broker)
    yield made
    made.close()


def _ids(client: docker.DockerClient) -> set[str]:
    """Of every container on this machine, whatever its state."""
    return {container["Id"] for container in client.api.containers(all=True)}


def _reference(broker: RunningBroker, name: str, **options: Any) -> MqttReference:
    reference = MqttReference("127.0.0.1", broker.ports["plain"], name, **options)
    reference.connect()
    return reference


def _containers_of(client: docker.DockerClient, mark: Mark) -> int:
    return len(client.api.containers(all=True, filters={"label": f"{LABEL}={mark}"}))


# -- starting -----------------------------------------------------------------------------------------


def test_a_broker_answers_with_its_version_on_this_machine_alone(
    broker: RunningBroker, image: Image, client: docker.DockerClient, mark: Mark
) -> None:
    assert broker.version.startswith("2.0.")
    assert (broker.line, broker.image, broker.digest) == ("mosquitto@2.0", image.name, image.digest)
    mosquitto.handshake("127.0.0.1", broker.ports["plain"])
    container = client.containers.get(broker.handle)
    assert container.labels[LABEL] == str(mark)
    assert container.attrs["HostConfig"]["PortBindings"] == {
        f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(broker.ports[listener])}]
        for listener, port in mosquitto.listeners.items()
    }
    assert RunningBroker.from_json(broker.to_json()) == broker


def test_ports_lie_below_those_that_the_system_gives_away() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    assert PORTS.stop <= lowest
    assert {pick_port() in PORTS for _ in range(20)} == {True}


def test_a_taken_port_is_not_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(base, "PORTS", [taken.getsockname()[1]])
        with pytest.raises(BrokerFailed, match="no free port below the ephemeral range"):
            pick_port()


def test_a_port_that_was_taken_meanwhile_is_replaced(
    image: Image, mark: Mark, client: docker.DockerClient, certificates: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", pick_port())) as taken:
        ports = chain([taken.getsockname()[1]], (pick_port() for _ in range(10)))
        try:
            broker = start(mosquitto, LINE, image, mark, certificates.folder, ports=ports.__next__)
            assert broker.ports["plain"] != taken.getsockname()[1]
            assert _containers_of(client, mark) == 1, "the container that did not get its port is gone"
        finally:
            remove_containers(lambda other: other == mark)


def test_ports_that_are_always_taken_are_told_with_the_command_that_shows_by_whom(
    image: Image, mark: Mark, client: docker.DockerClient, certificates: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", pick_port())) as taken:
        port = taken.getsockname()[1]
        message = (
            rf"10 times in a row another program took the port.*\(last: \[{port}, {port}, {port}\]\); .*`ss -ltnp`"
        )
        with pytest.raises(BrokerFailed, match=message):
            start(mosquitto, LINE, image, mark, certificates.folder, ports=lambda: port)
    assert _containers_of(client, mark) == 0


def test_an_image_of_another_line_is_unavailable_and_not_used(
    image: Image, mark: Mark, client: docker.DockerClient, certificates: Certificates
) -> None:
    other = replace(LINE, line="1.6", version_prefix="1.6.")
    with pytest.raises(Unavailable, match=r"runs version 2\.0\.\d+, which is not of the line mosquitto@1\.6$"):
        start(mosquitto, other, image, mark, certificates.folder)
    assert _containers_of(client, mark) == 0


def test_an_image_that_cannot_be_built_is_unavailable_with_what_its_command_printed_last(
    image: Image, client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del image  # It stands on the same base, which is there therefore.
    (tmp_path / "broken").mkdir()
    recipe = "ARG BASE\nFROM ${BASE}\nRUN echo first; echo 'E: the mirror is closed' >&2; exit 3\n"
    (tmp_path / "broken" / "Dockerfile").write_text(recipe)
    monkeypatch.setattr(images, "COMPOSE", tmp_path)
    with pytest.raises(Unavailable, match=r"E: the mirror is closed.* \(.*returned a non-zero code: 3"):
        images.tool(client, "broken", Suite.TRIXIE, print)


def test_a_broker_that_exits_while_starting_is_told_with_the_end_of_its_log(
    image: Image,
    mark: Mark,
    client: docker.DockerClient,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "compose" / "mosquitto"
    folder.mkdir(parents=True)
    for file in (COMPOSE / "mosquitto").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "mosquitto.conf").write_text("no_such_option true\n")
    monkeypatch.setattr(containers, "COMPOSE", tmp_path / "compose")
    with pytest.raises(BrokerFailed, match=r"exited while starting; its log ends: [\s\S]*no_such_option"):
        start(mosquitto, LINE, image, mark, certificates.folder)
    assert _containers_of(client, mark) == 0


# -- hurting ------------------------------------------------------------------------------------------


def test_a_restart_keeps_port_and_persistent_session(peer: Peer) -> None:
    """A session outlives the broker's restart only where the broker was stopped in good order and kept its data."""
    subscriber = _reference(peer.broker, "away", clean_session=False)
    subscriber.subscribe("kept", qos=1)
    subscriber.disconnect()
    peer.control.restart()
    writer = _reference(peer.broker, "writer")
    writer.publish("kept", b"for later", qos=1)
    writer.disconnect()
    again = _reference(peer.broker, "away", clean_session=False)
    received = again.take(10)
    again.disconnect()
    assert again.session_present
    assert received is not None
    assert received.payload == b"for later"


def test_a_killed_broker_breaks_connections_and_comes_back_on_its_port(peer: Peer) -> None:
    client = _reference(peer.broker, "victim", reconnect=False)
    peer.control.kill()
    assert client.lost.wait(10)
    assert peer.control.is_running()
    mosquitto.handshake("127.0.0.1", peer.broker.ports["plain"])


def test_a_paused_broker_answers_nobody_and_keeps_its_connections(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = _reference(peer.broker, "patient")
    peer.control.pause()
    with socket.create_connection(("127.0.0.1", peer.broker.ports["plain"]), timeout=10) as stranger:
        stranger.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05ready")
        stranger.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stranger.recv(1)
        peer.control.resume()
        stranger.settimeout(10)
        assert stranger.recv(4) == b"\x20\x02\x00\x00"
    client.publish("t", b"still here", qos=1)
    assert not client.lost.is_set()
    client.disconnect()


def test_a_removed_broker_is_not_running(peer: Peer) -> None:
    peer.control.remove()
    assert not peer.control.is_running()
    peer.control.remove()


# -- following the log --------------------------------------------------------------------------------


def test_the_log_is_followed_across_restarts_without_repeating_itself(peer: Peer) -> None:
    for number, hurt in enumerate((peer.control.restart, peer.control.kill), 1):
        position = peer.log.position()
        hurt()
        assert peer.log.await_line(["mosquitto version"], position, 20), f"restart {number}"
        name = f"client-{number}"
        _reference(peer.broker, name).disconnect()
        assert peer.log.await_line([f"as {name} ("], position, 20)
    assert [peer.log.count(f"as client-{number} (", 0) for number in (1, 2)] == [1, 1]
    assert peer.log.count(" terminating", 0) == 1, "the first restart was in good order, and is told once"


def test_a_line_that_never_comes_is_null_after_the_time(peer: Peer) -> None:
    assert peer.log.await_line(["never"], 0, 0.1) is None


# -- sharing ------------------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path, mark: Mark) -> Iterator[Callable[[], Bench]]:
    """Makes benches of one run, as its workers have them."""
    made: list[Bench] = []

    def make() -> Bench:
        made.append(Bench(RunFolder(tmp_path), mark, lambda _text: None))
        return made[-1]

    yield make
    for entry in made:
        entry.close()
    remove_containers(lambda other: other == mark)


def test_workers_share_one_broker_and_an_attempt_can_have_its_own(
    bench: Callable[[], Bench], client: docker.DockerClient, mark: Mark
) -> None:
    first, second = bench(), bench()
    shared = first.shared_peer(LINE)
    assert second.shared_peer(LINE).broker == shared.broker
    assert first.shared_peer(LINE) is shared
    with second.own_peer(LINE) as own:
        assert own.broker.handle != shared.broker.handle
        assert _containers_of(client, mark) == 2
    assert _containers_of(client, mark) == 1


def test_a_shared_broker_that_died_is_told_with_the_end_of_its_log(bench: Callable[[], Bench]) -> None:
    one = bench()
    peer = one.shared_peer(LINE)
    assert isinstance(peer.control, ContainerControl)
    peer.control._container.kill()
    peer.control._container.wait()
    with pytest.raises(BrokerFailed, match=r"the shared mosquitto@2\.0 is no longer running; its log ends: "):
        one.shared_peer(LINE)


# -- sweeping -----------------------------------------------------------------------------------------


def test_a_dead_runs_container_is_removed_and_a_live_runs_and_anybodys_stay(
    image: Image, mark: Mark, client: docker.DockerClient, certificates: Certificates, tmp_path: Path
) -> None:
    dead = RunLock(tmp_path / "dead", "r")
    labels = [{LABEL: str(dead.mark)}, {LABEL: str(mark)}, {LABEL: "no mark of ours"}, {}]
    made = [client.containers.create(image.name, labels=label) for label in labels]
    try:
        remove_containers(lambda other: not other.is_live())
        left = _ids(client)
        assert [container.id in left for container in made] == [False, True, True, True]
    finally:
        for container in made[1:]:
            container.remove(force=True)


def test_sweeps_that_meet_remove_each_container_once_and_return_when_it_is_gone(
    image: Image, client: docker.DockerClient, tmp_path: Path
) -> None:
    sweepers = 6
    dead = RunLock(tmp_path / "dead", "r").mark
    for _ in range(3):
        container = client.containers.run(image.name, labels={LABEL: str(dead)}, detach=True)
        together = threading.Barrier(sweepers)

        def sweep(together: threading.Barrier = together, gone: str = str(container.id)) -> tuple[int, bool]:
            together.wait()
            return remove_containers(lambda other: other == dead), gone in _ids(client)

        with ThreadPoolExecutor(sweepers) as pool:
            swept = [future.result() for future in [pool.submit(sweep) for _ in range(sweepers)]]
        assert sum(removed for removed, _ in swept) <= 1, "none where a sweep of another test was first"
        assert not any(left for _, left in swept)


def test_without_docker_there_is_nothing_to_sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert remove_containers(lambda _mark: True) == 0


# -- no Docker ----------------------------------------------------------------------------------------


def test_without_a_daemon_the_message_names_the_command_that_starts_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(Unavailable, match=r"there is no Docker daemon to talk to \(.*No such file.*\); `make setup`"):
        connect()


def _connect_as_nobody(answer: Any) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        connect()
    except Unavailable as error:
        answer.put(str(error))
    else:
        answer.put("connected")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_without_rights_the_message_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        Path(folder).chmod(0o755)
        listener.bind(f"{folder}/docker.sock")
        listener.listen()
        Path(f"{folder}/docker.sock").chmod(0)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        # A fork, because whoever becomes nobody may not be able to read this Python any more.
        context = multiprocessing.get_context("fork")
        answer = context.Queue()
        child = context.Process(target=_connect_as_nobody, args=(answer,))
        child.start()
        message = answer.get(timeout=30)
        child.join(10)
    assert "permission denied on its socket" in message
    assert "`sudo usermod -aG docker $USER`" in message


def test_a_broker_control_can_be_made_by_any_process_of_the_run(broker: RunningBroker) -> None:
    control = ContainerControl(mosquitto, RunningBroker.from_json(broker.to_json()))
    assert control.is_running()
    assert "mosquitto version" in control.log_since(0)
    control.close()
