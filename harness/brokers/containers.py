"""Starts, watches, restarts and removes broker containers, through docker-py.

Settings come from compose/<broker>/compose.yaml and tls.yaml, which also work by hand. Ports are picked here, below the
ephemeral range: Docker gives a container another system-picked port at every restart, and a picked one stays.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import yaml
from docker.models.containers import Container

from harness.brokers.base import (
    Advertises,
    BrokerModule,
    Image,
    RunningBroker,
    await_ready,
    logged_version,
    pick_port,
)
from harness.errors import BrokerFailed, Unavailable
from harness.liveness import Mark
from harness.model import BrokerLine
from harness.paths import COMPOSE

LABEL = "iotyet.run"
_PORT_ATTEMPTS = 10


def connect() -> docker.DockerClient:
    """The Docker daemon.

    Raises:
        Unavailable: it cannot be reached; the message says what to do.
    """
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except docker.errors.DockerException as error:
        raise Unavailable(explain(error)) from error
    return client


def explain(error: Exception) -> str:
    """Why Docker cannot be reached, and the command that mends it."""
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return (
            "Docker refuses this user (permission denied on its socket); run "
            "`sudo usermod -aG docker $USER` and log in again, or run the command as root"
        )
    return f"there is no Docker daemon to talk to ({text.rsplit(': ', 1)[-1]}); `make setup` installs and starts one"


def start(
    module: BrokerModule,
    line: BrokerLine,
    image: Image,
    mark: Mark,
    certificates: Path,
    *,
    ports: Callable[[], int] = pick_port,
    cluster: bool = False,
) -> RunningBroker:
    """Start one broker and wait until it answers a real handshake.

    Args:
        module: what to know of this broker.
        line: the release line.
        image: what `images.obtain` found for the line.
        mark: the run that the container belongs to.
        certificates: the folder with what the broker's own TLS shows, an absolute path.
        ports: gives a host port that looks free; asked again where Docker finds it taken.
        cluster: whether the container is to run several nodes.

    Raises:
        Unavailable: Docker cannot be reached, or the image is of another line.
        BrokerFailed: it did not start.
    """
    client = connect()
    try:
        container, published = _run_container(client, module, line, image, mark, certificates, ports, cluster=cluster)
        try:
            await_ready(module, published, lambda: _end_of(container))
            version = logged_version(module, lambda: container.logs().decode("utf-8", "replace"))
            if not version.startswith(line.version_prefix):
                raise Unavailable(
                    f"{image.name} runs version {version or 'unknown'}, which is not of the line {line.id}"
                )
        except BaseException:
            _remove(container)
            raise
        return RunningBroker(
            line=line.id,
            version=version,
            provider=image.provider,
            image=image.name,
            digest=image.digest,
            handle=str(container.id),
            ports=published,
        )
    finally:
        client.close()


def _service(module: BrokerModule) -> dict[str, Any]:
    """What compose.yaml and tls.yaml together say of the broker's container, but for its image and ports."""
    own, tls = (
        yaml.safe_load((COMPOSE / module.name / file).read_text(encoding="utf-8"))["services"][module.name]
        for file in ("compose.yaml", "tls.yaml")
    )
    return {
        "command": tls.get("command", own["command"]),
        "environment": own.get("environment", {}) | tls.get("environment", {}),
        "volumes": own.get("volumes", []) + tls["volumes"],
    }


def _mounts(module: BrokerModule, service: Mapping[str, Any], certificates: Path) -> dict[str, dict[str, str]]:
    """compose's short volume syntax as docker-py wants it."""
    mounts = {}
    for entry in service["volumes"]:
        source, target, mode = entry.replace("${CERTIFICATES}", str(certificates)).split(":")
        path = Path(COMPOSE / module.name / source).resolve()
        mounts[str(path)] = {"bind": target, "mode": mode}
    return mounts


def _run_container(
    client: docker.DockerClient,
    module: BrokerModule,
    line: BrokerLine,
    image: Image,
    mark: Mark,
    certificates: Path,
    ports: Callable[[], int],
    *,
    cluster: bool,
) -> tuple[Container, dict[str, int]]:
    service = _service(module)
    for attempt in range(1, _PORT_ATTEMPTS + 1):
        published = {listener: ports() for listener in module.listeners}
        told = module.environment(published, cluster=cluster) if isinstance(module, Advertises) else {}
        container = client.containers.create(
            image.name,
            command=service["command"],
            name=f"iotyet-{line.broker}-{secrets.token_hex(4)}",
            labels={LABEL: str(mark)},
            ports={f"{module.listeners[name]}/tcp": ("127.0.0.1", port) for name, port in published.items()},
            volumes=_mounts(module, service, certificates),
            environment=service["environment"] | told,
        )
        try:
            container.start()
            return container, published
        except docker.errors.APIError as error:
            _remove(container)
            taken = re.search(r"port is already allocated|address already in use", str(error))
            if not taken:
                raise BrokerFailed(f"{line.id} did not start: {error.explanation}") from error
            if attempt == _PORT_ATTEMPTS:
                raise BrokerFailed(
                    f"{line.id} did not start: {attempt} times in a row another program took the port that was free "
                    f"a moment before (last: {sorted(published.values())}); see what listens there with `ss -ltnp`"
                ) from error
    raise AssertionError("unreachable")


def _end_of(container: Container) -> str | None:
    container.reload()
    if container.status != "exited":
        return None
    return str(container.logs(tail=20).decode("utf-8", "replace").strip())


class ContainerControl:
    """Acts on one running broker. Any process of the run may make one."""

    def __init__(self, module: BrokerModule, broker: RunningBroker) -> None:
        self.broker = broker
        self._module = module
        self._client = connect()
        self._container = self._client.containers.get(broker.handle)

    def close(self) -> None:
        """Drop the connection to Docker; the broker stays."""
        self._client.close()

    def is_running(self) -> bool:
        """False where the broker died."""
        with contextlib.suppress(docker.errors.NotFound):
            self._container.reload()
            return bool(self._container.status == "running")
        return False

    def log_since(self, moment: float) -> str:
        """The broker's log from `moment` (seconds since 1970) on, each line with Docker's time stamp."""
        since = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
        return bytes(self._container.logs(since=since, timestamps=True)).decode("utf-8", "replace")

    def follow(self, moment: float) -> Iterator[str]:
        """Log lines from `moment` on as they come, each with Docker's time stamp, until the container stops."""
        since = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
        rest = b""
        for chunk in self._container.logs(since=since, stream=True, follow=True, timestamps=True):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)

    def restart(self) -> None:
        """Stop the broker in good order (SIGTERM), start it again and wait until it answers."""
        self._container.stop(timeout=20)
        self._start_again()

    def kill(self) -> None:
        """Kill the broker (SIGKILL), start it again and wait until it answers."""
        self._container.kill()
        self._container.wait()
        self._start_again()

    def kill_node(self, number: int) -> None:
        """Kill one node of a cluster (SIGKILL), for good; its process id is where compose/ has the node leave it.

        Raises:
            BrokerFailed: there is no such node.
        """
        self.run("/bin/sh", "-c", f"kill -9 $(cat /tmp/iotyet-node-{number}.pid)")

    def run(self, *argv: str) -> str:
        """Run a program in the container; returns what it printed.

        Raises:
            BrokerFailed: it ended with an error.
        """
        ended: Any = self._container.exec_run(list(argv))
        printed: str = ended.output.decode("utf-8", "replace").strip()
        if ended.exit_code:
            raise BrokerFailed(f"`{' '.join(argv)}` ended with status {ended.exit_code} in the container: {printed}")
        return printed

    def pause(self) -> None:
        """Freeze the broker: it keeps its connections and does nothing."""
        self._container.pause()

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._container.unpause()

    def remove(self) -> None:
        """End the broker and delete its data."""
        _remove(self._container)

    def _start_again(self) -> None:
        try:
            self._container.start()
        except docker.errors.APIError as error:
            raise BrokerFailed(f"the broker did not start again: {error.explanation}") from error
        await_ready(self._module, self.broker.ports, lambda: _end_of(self._container))


def remove_containers(unwanted: Callable[[Mark], bool]) -> int:
    """Remove our containers whose mark `unwanted` accepts; returns how many. No Docker is no error."""
    try:
        client = connect()
    except Unavailable:
        return 0
    removed = 0
    try:
        for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
            mark = Mark.parse(container.labels.get(LABEL, ""))
            if mark is not None and unwanted(mark):
                removed += _remove(container)
    finally:
        client.close()
    return removed


def _remove(container: Container) -> bool:
    """End a container and delete its data; true where this call did it. When it returns, the container is gone."""
    try:
        container.remove(force=True, v=True)
        return True
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if "already in progress" not in str(error.explanation):
            raise
    # Whoever sweeps at the same time removes it: Docker refuses the second request while it serves the first.
    with contextlib.suppress(docker.errors.NotFound):
        container.wait(condition="removed")
    return False
