"""What the cells of one process work with: probes, brokers, the relay's event loop. Shared things are leases."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trustme import KeyType

from harness.brokers import BROKERS, providers
from harness.brokers.base import RELAY_HOST, BrokerControl, Image, RunningBroker
from harness.capture import RelayLoop
from harness.certificates import Certificates
from harness.commands import environment
from harness.errors import BrokerFailed, ContractViolation
from harness.leases import Leases
from harness.liveness import Mark
from harness.model import BrokerLine, Crate
from harness.paths import ROOT
from harness.probes.build import build_probe, check_published
from harness.probes.talk import ProbeProcess
from harness.probes.transcript import Transcript
from harness.probes.vetting import vet
from harness.store import RunFolder
from harness.wire.dialects import vocabulary_of
from harness.wire.messages import HelloReply
from harness.wire.operations import Vocabulary


class BrokerLog:
    """A broker's log as it grows, read by a thread of its own; survives restarts of the broker."""

    def __init__(self, control: BrokerControl) -> None:
        self._control = control
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._follow, args=(time.time(),), daemon=True)
        self._thread.start()

    def _follow(self, moment: float) -> None:
        last = ""
        while not self._closed:
            with contextlib.suppress(Exception):  # a stopped container ends the stream in several ways
                for line in self._control.follow(moment):
                    stamp, _, text = line.partition(" ")
                    # After a restart the daemon repeats what it told before.
                    if stamp <= last:
                        continue
                    last = stamp
                    with self._changed:
                        self._lines.append(text)
                        self._changed.notify_all()
            time.sleep(0.05)

    def position(self) -> int:
        """The number of lines so far; marks a moment."""
        with self._changed:
            return len(self._lines)

    def since(self, position: int) -> list[str]:
        """The lines after `position`."""
        with self._changed:
            return self._lines[position:]

    def await_line(self, parts: Sequence[str], position: int, timeout: float) -> str | None:
        """The first line after `position` with one of `parts`; null where none came within `timeout` seconds."""

        def find() -> str | None:
            return next((line for line in self._lines[position:] if any(part in line for part in parts)), None)

        with self._changed:
            self._changed.wait_for(lambda: find() is not None, timeout)
            return find()

    def count(self, part: str, position: int) -> int:
        """How many lines after `position` contain `part`."""
        return sum(part in line for line in self.since(position))

    def close(self) -> None:
        """Stop reading; the thread ends with the stream."""
        self._closed = True


class Peer:
    """A running broker with what is needed to act on it and to read its log."""

    def __init__(self, line: BrokerLine, broker: RunningBroker) -> None:
        self.line = line
        self.broker = broker
        self.control = providers.control(BROKERS[line.broker], broker)
        self.log = BrokerLog(self.control)

    @property
    def canonical_port(self) -> int:
        """The protocol's own port, for captures."""
        return next(iter(BROKERS[self.line.broker].listeners.values()))

    def advertised(self) -> dict[str, tuple[str, int]]:
        """Listeners that advertise a relay, and where that relay has to listen."""
        ports = self.broker.ports
        return {name: (RELAY_HOST, port) for name, port in ports.items() if name.startswith("probe")}

    @property
    def version(self) -> str:
        """The version found running."""
        return self.broker.version

    def close(self) -> None:
        """Let go of the broker; it goes on running."""
        self.log.close()
        self.control.close()


@dataclass(frozen=True)
class ReferencePeer:
    """A reference client that plays the other side: there is nothing to start, to share or to end."""

    line: BrokerLine

    @property
    def version(self) -> str:
        """The reference's version."""
        return importlib.metadata.version(self.line.broker)


AnyPeer = Peer | ReferencePeer


class Bench:
    """One process's access to everything that cells need."""

    def __init__(self, folder: RunFolder, mark: Mark, say: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self.mark = mark
        self.leases = Leases(folder.path / "leases")
        self.relays = RelayLoop()
        self.say = say or (lambda text: print(f"iotyet: {text}", file=sys.stderr, flush=True))
        self._peers: dict[str, Peer] = {}

    def close(self) -> None:
        """Let go of everything; shared brokers are the controller's to end."""
        for peer in self._peers.values():
            peer.close()
        self.relays.stop()

    def certificates(self, kind: KeyType = KeyType.RSA) -> Certificates:
        """The certificates of the whole run; RSA, as TLS libraries as old as some of the crates read nothing else."""
        folder = self.folder.path / ("tls" if kind is KeyType.RSA else f"tls-{kind.name.lower()}")

        def make() -> dict[str, str]:
            Certificates.make(folder, kind)
            return {"folder": str(folder)}

        self.leases.obtain(f"certificates-{kind.name.lower()}", make)
        return Certificates(folder)

    # -- brokers -----------------------------------------------------------------------------------

    def shared_peer(self, line: BrokerLine) -> Peer:
        """The one broker of `line` that serves the whole run."""
        data = self.leases.obtain(f"broker-{line.id}", lambda: self._start(line))
        if line.id not in self._peers:
            self._peers[line.id] = Peer(line, RunningBroker.from_json(data))
        peer = self._peers[line.id]
        if not peer.control.is_running():
            log = "\n".join(peer.log.since(0)[-5:])
            raise BrokerFailed(f"the shared {line.id} is no longer running; its log ends: {log}")
        return peer

    @contextlib.contextmanager
    def own_peer(self, line: BrokerLine, *, cluster: bool = False) -> Iterator[Peer]:
        """A fresh broker for one attempt, removed afterwards; as a cluster of nodes where the attempt needs that."""
        peer = Peer(line, RunningBroker.from_json(self._start(line, cluster=cluster)))
        try:
            yield peer
        finally:
            peer.control.remove()
            peer.close()

    def reference_peer(self, line: BrokerLine) -> ReferencePeer:
        """The reference that plays the other side; noted where brokers are, so that the run's header names it."""
        peer = ReferencePeer(line)
        noted = {"line": line.id, "version": peer.version, "provider": "the harness's own process"}
        self.leases.obtain(f"broker-{line.id}", lambda: {**noted, "image": "", "digest": ""})
        return peer

    def _start(self, line: BrokerLine, *, cluster: bool = False) -> dict[str, Any]:
        module = BROKERS[line.broker]
        image = Image(
            **self.leases.obtain(f"image-{line.id}", lambda: asdict(providers.obtain(module, line, self.say)))
        )
        shown = self.certificates().folder.resolve()
        return providers.start(module, line, image, self.mark, shown, cluster=cluster).to_json()

    # -- crates ------------------------------------------------------------------------------------

    def probe_command(self, crate: Crate) -> list[str]:
        """How to start the crate's probe, built and found worthy of trust.

        Raises:
            BuildFailed, ContractViolation, Unavailable: as `build_probe` and `vet` have them.
        """
        if crate.command:
            argv = [part.replace("{python}", sys.executable) for part in crate.command]
        else:
            argv = [str(self.repaired(crate)["binary"])]
        self.leases.obtain(f"vetted-{crate.handle}", lambda: self._vet(crate, argv))
        return argv

    def hello(self, crate: Crate) -> HelloReply:
        """What the probe said of itself when it was vetted."""
        self.probe_command(crate)
        return HelloReply.model_validate(self.leases.obtain(f"vetted-{crate.handle}", dict))

    def repaired(self, crate: Crate) -> dict[str, Any]:
        """The built probe, as `ProbeBuild` has it."""
        return self.leases.obtain(
            f"build-{crate.handle}", lambda: build_probe(crate, str(self.mark), self.say).to_json()
        )

    def published(self, crate: Crate) -> dict[str, Any]:
        """The crate as published, as `PublishedBuild` has it."""
        return self.leases.obtain(
            f"published-{crate.handle}", lambda: check_published(crate, str(self.mark), self.say).to_json()
        )

    def start_probe(
        self, crate: Crate, argv: list[str], transcript: Transcript, extra: Mapping[str, str] | None = None
    ) -> ProbeProcess:
        """Start a vetted probe; `extra` are variables for its environment."""
        return ProbeProcess(argv, self._vocabulary(crate), transcript, environment(str(self.mark), extra), cwd=ROOT)

    def _vet(self, crate: Crate, argv: list[str]) -> dict[str, Any]:
        transcript = Transcript()
        hello = vet(self.start_probe(crate, argv, transcript), self._vocabulary(crate))
        if not crate.command and (hello.crate, hello.version) != (crate.package, crate.package_version):
            raise ContractViolation(
                f"the probe says it was built with {hello.crate} {hello.version}; "
                f"crates.toml has {crate.package} {crate.version}: update the probe's Cargo.toml and Cargo.lock"
            )
        return hello.model_dump(mode="json")

    @staticmethod
    def _vocabulary(crate: Crate) -> Vocabulary:
        return vocabulary_of(crate.dialects[0])
