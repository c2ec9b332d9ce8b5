"""The `cell` of Kafka scenarios: the crate behind a relay that its listener advertises, kafka-python beside it."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.bench import Bench, Peer
from harness.brokers.base import CLUSTER, RELAY_HOST
from harness.capture import Relay
from harness.cells.broker import BrokerCell, is_ipv6, no_address
from harness.cells.doors import PLAIN, SCRIPTED, Door
from harness.cells.kafka_client import CALL, Delivered, KafkaClient
from harness.cells.peer import RECOVERY, listed
from harness.errors import BrokerFailed, FeatureUnsupported, Mismatch, ReferenceFailed, RefusedByCrate, ScenarioFault
from harness.model import Crate, Duty, Scenario
from harness.peers.kafka import Departure, ScriptedBroker
from harness.peers.kafka_answers import Api
from harness.references.kafka import KafkaReference, Written
from harness.references.kafka_batches import Batch, stored_batches
from harness.wire.kafka import Sasl

#: Seconds in which a record that nothing holds up has to arrive.
DELIVERY = 15.0
#: Seconds without an attempt to connect after which a client whose every call fails has given up: twice the longest
#: pause between two attempts that Kafka's clients make by default (librdkafka's reconnect.backoff.max.ms).
IDLE = 20.0
#: Seconds that a broker may take to serve its topics again; a busy machine needs ten times what an idle one does.
_SERVED = 60.0
#: Seconds in which the broker has compacted a topic: its cleaner looks for work every 15 s.
_COMPACTED = 60.0
#: The way to the second broker of a cluster; PLAIN leads to the first.
_SECOND = Door("second", listener="probe1")
#: Seconds that a cell may wait until another one is done with the broker's listeners.
_LISTENER = 300.0


class KafkaCell(BrokerCell):
    """One attempt at a Kafka scenario."""

    #: Kafka's own client too reports a topic that is not there as a TimeoutException.
    giving_up_is_an_error = True

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: Peer, folder: Path) -> None:
        # Before the attempt's clock starts: waiting for other cells is not the crate's time.
        self._listener, self._lock = _take_listener(bench, peer)
        super().__init__(bench, scenario, crate, peer, folder)
        self._names = 0
        #: Topics that the attempt made, with their number of partitions.
        self._topics: dict[str, int] = {}
        self.reference = self.fresh_reference()
        self.reference.log_to(self.remark)

    def relay(self, door: Door = PLAIN) -> Relay:
        """The relay to which the listener's advertised address leads, as clients follow metadata; one at a time."""
        if door.name not in self._relays:
            listener = door.listener or "probe0"
            if not self.scenario.cluster:
                kind = door.listener or ("ipv6_" if is_ipv6(door.host) else "probe")
                listener = self._listener.replace("probe", kind)
                while self._relays:
                    self._relays.popitem()[1].close()
            host = door.host if is_ipv6(door.host) else RELAY_HOST
            try:
                self._open_door(door, listener, (host, self.peer.broker.ports[listener]))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise no_address(host) from error
                raise
        return self._relays[door.name]

    # -- names and data ----------------------------------------------------------------------------

    def name(self, what: str) -> str:
        """A name for a topic or a group that belongs to this attempt alone."""
        self._names += 1
        return f"{self.token}-{what}{self._names}"

    def topic(self, partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
        """A new topic, whose partitions have leaders."""
        topic = self.name("topic")
        self.reference.create_topic(topic, partitions, configs, replicas=len(CLUSTER) if self.scenario.cluster else 1)
        self._topics[topic] = partitions
        return topic

    def make_again(self, topic: str) -> None:
        """Delete a topic of this attempt and create it again."""
        self.reference.delete_topic(topic)
        self.reference.create_topic(topic, self._topics[topic])

    def await_compacted(self, topic: str, offsets: Sequence[int]) -> None:
        """Wait until the topic holds records at these offsets alone."""
        end = time.monotonic() + _COMPACTED
        while (found := [record.offset for record in self.reference.read_all(topic)]) != list(offsets):
            if time.monotonic() > end:
                raise BrokerFailed(f"{topic} was not compacted within {_COMPACTED:g} s: it has the offsets {found}")
            time.sleep(0.2)
        self.remark(f"the topic was compacted: it has the offsets {found}")

    def user(self, mechanism: str) -> Sasl:
        """A user whom the broker knows, for PLAIN the one in its settings, for SCRAM a new one."""
        user = Sasl.model_validate({"mechanism": mechanism, "username": "probe", "password": "open-sesame"})
        if mechanism == "PLAIN":
            return user
        user = user.model_copy(update={"username": self.name("user")})
        position = self.peer.log.position()
        self.reference.create_user(user.username, user.password, mechanism)
        if self.peer.line.is_before("3.0"):
            # With ZooKeeper, brokers are told of users later than who asks for them is.
            self.await_log(f"users/{user.username}", position, "the broker learns of the user")
        return user

    # -- who takes part ----------------------------------------------------------------------------

    def client(self, door: Door = PLAIN) -> KafkaClient:
        """Another client of the crate, which can go through `door` and is not connected yet."""
        return KafkaClient(self, *self._start_client(door), self.bootstrap)

    def connected(self, **options: Any) -> KafkaClient:
        """Another client of the crate, connected; `options` as `KafkaClient.connect` has them."""
        client = self.client(options.get("door", PLAIN))
        client.connect(**options)
        return client

    def scripted(self, script: Mapping[Api, Sequence[Departure]] | None = None, *, nodes: int = 1) -> ScriptedBroker:
        """A cluster that acts by `script`, of which the first node is behind the door `SCRIPTED`."""
        self.meet_script()
        peer = ScriptedBroker(self.name("topic"), script or {}, nodes)
        self._closing.callback(peer.close)
        # Metadata leads to the relays; an answer has no other way to tell the client where a node is.
        relays = [
            self._open_relay(
                f"{SCRIPTED.name}-{number}" if number else SCRIPTED.name,
                port,
                self.peer.canonical_port,
                listen=(RELAY_HOST, 0),
            )
            for number, port in enumerate(peer.ports)
        ]
        peer.advertised = [(RELAY_HOST, relay.endpoint[1]) for relay in relays]
        return peer

    def fresh_reference(self) -> KafkaReference:
        """A reference client straight at the broker, which knows of no earlier connection."""
        ports = self.peer.broker.ports
        direct = [plain for plain, _ in CLUSTER.values()] if self.scenario.cluster else ["plain"]
        reference = KafkaReference([f"127.0.0.1:{ports[name]}" for name in direct], f"{self.token}-reference")
        self._closing.callback(reference.close)
        return reference

    # -- what can be observed ----------------------------------------------------------------------

    def expect_stored(self, topic: str, wanted: Iterable[Delivered], *, expected: str) -> None:
        """The topic holds exactly these records: those of each partition in this order."""
        found = [
            Delivered(r.key, r.value, r.partition, r.topic, r.offset, r.headers, r.timestamp_ms)
            for r in self.reference.read_all(topic)
        ]
        self._expect_records(found, list(wanted), expected, "the topic holds")

    def expect_delivered(self, client: KafkaClient, wanted: Iterable[Delivered], *, expected: str) -> list[Delivered]:
        """The crate delivers exactly these records, those of each partition in this order; returns them.

        The last record of each partition is the barrier: a record that should not have come would have come before it.
        """
        records = list(wanted)
        found: list[Delivered] = []
        end = time.monotonic() + DELIVERY
        while len(found) < len(records):
            record = client.next_record(max(0.0, self.remaining(end - time.monotonic(), expected)), expected)
            if record is None:
                break
            found.append(record)
        self._expect_records(found, records, expected, "the crate delivered")
        return found

    def delivered_to(self, clients: Sequence[KafkaClient], count: int, *, expected: str) -> list[list[Delivered]]:
        """What each client delivers, until there are `count` records in all or no more come."""
        shares: list[list[Delivered]] = [[] for _ in clients]
        end = time.monotonic() + DELIVERY
        while sum(map(len, shares)) < count and time.monotonic() < end:
            for client, share in zip(clients, shares, strict=True):
                while (record := client.next_record(0.2, expected)) is not None:
                    share.append(record)
        return shares

    def _expect_records(self, found: list[Delivered], wanted: list[Delivered], expected: str, what: str) -> None:
        def place(record: Delivered) -> tuple[str, int]:
            return (record.topic or "", record.partition)

        def plan(record: Delivered) -> tuple[str, int]:
            return (record.topic or (found[0].topic if found else "") or "", record.partition)

        got, planned = sorted(found, key=place), sorted(wanted, key=plan)
        right = len(got) == len(planned) and all(a.agrees_with(b) for a, b in zip(got, planned, strict=True))
        if right:
            self.expect(True, expected=f"{expected}: {listed(planned)}", observed="")
            return
        index = next((i for i, (a, b) in enumerate(zip(got, planned, strict=False)) if not a.agrees_with(b)), None)
        detail = f"; the first difference is at number {index + 1}: {got[index]}" if index is not None else ""
        observed = f"{what} {len(got)} of {len(planned)} records{detail}" if len(planned) > 4 else None
        raise Mismatch(observed or f"{what} {listed(got)}", expected=f"{expected}: {listed(planned)}")

    def stored_batches(self, topic: str) -> list[Batch]:
        """The batches that the topic's first partition has, as the broker stored them."""
        return stored_batches(("127.0.0.1", self.peer.broker.ports["plain"]), topic)

    def await_stored(self, topic: str, count: int, *, expected: str) -> None:
        """Wait until the topic's first partition has `count` records: without acks nobody is told."""

        def check() -> str:
            found = self.reference.end_offset(topic)
            return "" if found >= count else f"{found} records"

        self.expect_soon(check, expected=expected)

    def hurt(self, how: str, topic: str) -> None:
        """Cut the client's connections, restart or kill the broker, or kill or move the topic's leader in a cluster.

        Returns once the topics are served again.
        """
        if how == "cut":
            self.remark(f"cut {self.relay().cut()} connections")
            return
        if how == "leader":
            self._kill_leader(topic)
        elif how == "move":
            self._move_leader(topic)
        elif how == "restart":
            self.peer.control.restart()
        else:
            self.peer.control.kill()
        self.fresh_reference().await_topics(self._topics, _SERVED)

    def bootstrap(self, door: Door) -> list[str]:
        """The addresses that the crate's client is given; of a cluster those of all brokers."""
        doors = [PLAIN, _SECOND] if self.scenario.cluster else [door]
        host = door.host if door.addresses else RELAY_HOST
        if is_ipv6(door.host):
            host = f"[{door.host}]"
        return [f"{host}:{self.relay(each).endpoint[1]}" for each in doors]

    def _kill_leader(self, topic: str) -> None:
        """Kill the broker that leads the topic's first partition, and wait until the other one does."""
        leader, _ = self._await_leader(topic, lambda _leader, in_sync: in_sync == len(CLUSTER))
        self.peer.control.kill_node(leader)
        self.remark(f"killed the leader, node {leader}")
        self._await_leader(topic, lambda now, _in_sync: now not in (leader, -1))

    def _move_leader(self, topic: str) -> None:
        """Have the other broker elected as leader of the topic's first partition, as for maintenance of the first."""
        leader, _ = self._await_leader(topic, lambda _leader, in_sync: in_sync == len(CLUSTER))
        others = [node for node in CLUSTER if node != leader]
        self.fresh_reference().prefer_leader(topic, [*others, leader])
        self._await_leader(topic, lambda now, _in_sync: now in others)
        self.remark(f"moved the leader from node {leader}, which goes on running")

    def _await_leader(self, topic: str, right: Callable[[int, int], bool]) -> tuple[int, int]:
        """Wait until the topic's leader and the number of brokers in sync are as `right` wants them."""
        end = time.monotonic() + _SERVED
        while True:
            # A reference that tries a killed broker first fails.
            with contextlib.suppress(ReferenceFailed):
                found = self.fresh_reference().leader(topic)
                if right(*found):
                    return found
            if time.monotonic() > end:
                raise BrokerFailed(f"{topic} did not get the leader or the replicas that it needs in {_SERVED:g} s")
            time.sleep(0.2)

    def connections(self) -> int:
        """How often the crate's clients have tried to connect so far, to whatever broker."""
        return sum(relay.accepted for relay in self._relays.values())

    def keep_producing(self, client: KafkaClient, topic: str, record: Written, idle: float = IDLE) -> None:
        """Produce, and where that ends in an error again after a second, as an application would, until it works.

        `idle` as `_Patience` has it.
        """
        expected = f"the client produces again within {RECOVERY:g} s"
        patience = _Patience(self, expected, idle)
        while True:
            try:
                client.produce(topic, record, within=max(CALL, patience.left))
                return
            except RefusedByCrate as error:
                patience.wait(error.observed)

    def keep_consuming(self, client: KafkaClient, value: bytes | None, idle: float = IDLE) -> None:
        """Read on through errors until the record with `value` comes; `idle` as `_Patience` has it."""
        expected = f"the client reads on within {RECOVERY:g} s"
        patience, over = _Patience(self, expected, idle), False
        begins_anew = client.is_left_to_application(Duty.RESUBSCRIBE, "reading anew where the crate tells of an error")
        take = client.next_record_or_error if begins_anew else client.next_record
        found: Delivered | str | None
        while patience.left > 0:
            try:
                if over:
                    client.consume_on()
                    over = False
                found = take(patience.left, expected)
            except RefusedByCrate as error:
                found = error.observed
            if isinstance(found, str):
                over = begins_anew
                patience.wait(found)
            elif found is not None and found.value == value:
                return
        raise Mismatch(f"the record did not come within {RECOVERY:g} s", expected=expected)

    def told(self, value: Any, feature: str) -> Any:
        """A part of a record that the crate may not tell.

        Raises:
            FeatureUnsupported: it does not.
        """
        if value is None:
            raise FeatureUnsupported(feature, f"the crate does not tell {feature}")
        return value

    def close(self) -> None:
        """Let another attempt have the listener, once nothing of this one uses it."""
        try:
            super().close()
        finally:
            self._lock.release()


class _Patience:
    """How long an application repeats a call that fails: `RECOVERY` seconds from the start.

    It ends after `idle` seconds in which the client answered every call with an error and did not once try to connect.
    """

    def __init__(self, cell: KafkaCell, expected: str, idle: float) -> None:
        self._cell = cell
        self._expected = expected
        self._idle = idle
        self._started = self._tried = time.monotonic()
        self._connections = cell.connections()

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self._started + RECOVERY - time.monotonic()

    def wait(self, trouble: str) -> None:
        """Wait a second before the next call, as the last one ended with `trouble`.

        Raises:
            Mismatch: there will be none.
        """
        now, connections = time.monotonic(), self._cell.connections()
        if connections > self._connections:
            self._connections, self._tried = connections, now
        observed = ""
        if self.left <= 1.0:
            observed = f"every call failed for {RECOVERY:g} s"
        elif now - self._tried > self._idle:
            observed = f"every call failed, and for {self._idle:g} s the client did not try to connect"
        if observed:
            raise Mismatch(f"{observed}; at last: {trouble}", expected=self._expected)
        self._cell.remark("trying again, as an application would")
        time.sleep(1.0)


def _take_listener(bench: Bench, peer: Peer) -> tuple[str, FileLock]:
    """A listener of the broker that no other attempt uses until the lock is released.

    Raises:
        ScenarioFault: none became free.
    """
    end = time.monotonic() + _LISTENER
    while time.monotonic() < end:
        for listener in peer.advertised():
            lock = FileLock(bench.folder.path / "leases" / f"listener-{peer.broker.handle[:12]}-{listener}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                return listener, lock
        time.sleep(0.05)
    raise ScenarioFault(f"all {len(peer.advertised())} listeners of the broker were in use for {_LISTENER:g} s")
