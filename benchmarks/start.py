"""How long brokers take from start to ready, by line and provider, beside testcontainers' wait on the same image.

python -m benchmarks.start [ROUNDS [BROKER ...]]

Ready means that a real handshake succeeded. testcontainers is no dependency of the project: install it into the
environment first, or its column stays empty. It waits for a line of the log, as its own modules do for these brokers.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from harness.brokers import BROKERS, containers, images, processes, providers
from harness.brokers.base import Image
from harness.catalog import load_lines
from harness.certificates import Certificates
from harness.errors import Unavailable
from harness.liveness import Mark, RunLock
from harness.model import BrokerLine

#: What testcontainers-python's modules wait for in the log of each broker.
_READY_LINE = {
    "mosquitto": r"mosquitto version .* running",
    "rabbitmq": "Server startup complete",
    "kafka": r".*\[KafkaServer id=\d+\] started.*|.*\[KafkaRaftServer nodeId=\d+\] Kafka Server started.*",
}


def measure(line: BrokerLine, image: Image, mark: Mark, certificates: Path, rounds: int) -> list[float]:
    """Seconds of each start, up to the handshake and the version in the log."""
    module, seconds = BROKERS[line.broker], []
    for _ in range(rounds):
        started = time.monotonic()
        broker = providers.start(module, line, image, mark, certificates)
        seconds.append(time.monotonic() - started)
        providers.control(module, broker).remove()
    return seconds


def measure_testcontainers(line: BrokerLine, image: Image, rounds: int) -> list[float]:
    """Seconds that testcontainers takes to start the same image with its own command and to see its log line."""
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"  # an image of its own, which not every machine can pull
    try:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy
    except ImportError:
        return []
    wanted, seconds = re.compile(_READY_LINE[line.broker]), []
    for _ in range(rounds):
        container = DockerContainer(image.name).waiting_for(LogMessageWaitStrategy(wanted))
        container.with_exposed_ports(*BROKERS[line.broker].listeners.values())
        started = time.monotonic()
        try:
            container.start()
            seconds.append(time.monotonic() - started)
        except (RuntimeError, TimeoutError) as error:
            print(f"{line.id}: testcontainers saw no line that it waits for: {error!r:.100}", file=sys.stderr)
            return []
        finally:
            container.stop()
    return seconds


def _shown(seconds: list[float]) -> str:
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def main(rounds: int, brokers: list[str]) -> None:
    """Print a table in Markdown."""
    print("| line | provider | handshake, seconds: median (range) | testcontainers' wait, the same |")
    print("|---|---|---:|---:|")
    client = containers.connect()
    with tempfile.TemporaryDirectory() as folder:
        lock = RunLock(Path(folder), "benchmark")
        lock.acquire()
        certificates = Certificates.make(Path(folder) / "certificates").folder
        for line in (line for line in load_lines() if not brokers or line.broker in brokers):
            sources: list[Callable[[BrokerLine], Image]] = [
                lambda line: images.obtain(client, line, print),
                lambda line: processes.obtain(BROKERS[line.broker], line, "asked for"),
            ]
            for source in sources:
                try:
                    image = source(line)
                    own = measure(line, image, lock.mark, certificates, rounds)
                except Unavailable as error:
                    print(f"{line.id}: {error.observed}", file=sys.stderr)
                    continue
                docker = image.provider != processes.PROVIDER
                theirs = measure_testcontainers(line, image, rounds) if docker else []
                print(f"| {line.id} | {image.provider} | {_shown(own)} | {_shown(theirs)} |", flush=True)
        lock.release()
    client.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:])
