"""Observing resources (RFC 7641)."""

from __future__ import annotations

import time

from harness.cells.coap import CoapCell, Link, RawLink
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Block, Opt, Packet, uint
from harness.references.coap import Resource, Shape
from harness.scenario import scenario

_OBSERVE = "https://www.rfc-editor.org/rfc/rfc7641#section-3.1"
_NOTIFICATIONS = "https://www.rfc-editor.org/rfc/rfc7641#section-3.2"
_FRESHNESS = "https://www.rfc-editor.org/rfc/rfc7641#section-3.3.1"
_ORDER = "https://www.rfc-editor.org/rfc/rfc7641#section-3.4"
_TRANSMISSION = "https://www.rfc-editor.org/rfc/rfc7641#section-3.5"
_CANCEL = "https://www.rfc-editor.org/rfc/rfc7641#section-3.6"
#: Max-Age of what is never renewed, and until when a client has noticed: 15 s after it, and some for a busy machine.
_MAX_AGE, _STALE = 2, 20.0
#: Seconds between two looks at the wire and at the application.
_GLANCE = 0.3


def _expect_next(cell: CoapCell, link: Link | RawLink, wanted: Response) -> None:
    got = link.client.next_notification()
    cell.expect(
        isinstance(got, Response) and (got.code, got.payload) == (wanted.code, wanted.payload),
        expected=f"the crate delivers {wanted}",
        observed=f"{got}",
    )


def _watched(cell: CoapCell, *, confirmable: bool = True) -> tuple[Link, Resource]:
    """The crate's client has observed /obs, and got what it has first."""
    link = cell.link()
    body = cell.payload()
    watched = link.server.has("/obs", Shape(body=body))
    link.client.observe("/obs", confirmable=confirmable)
    _expect_next(cell, link, Response("2.05", body))
    return link, watched


def _watched_raw(cell: CoapCell, *options: tuple[int, bytes]) -> tuple[RawLink, Packet]:
    """The crate's client has observed /obs of a scripted server, whose answer had these options; and its request."""
    link = cell.raw_link()
    body = cell.payload()
    finish = link.client.begin_observe("/obs")
    asked = cell.take_request(link)
    link.peer.send(asked.piggybacked("2.05", body, ((Opt.OBSERVE, uint(1)), *options)))
    finish(DELIVERY)
    _expect_next(cell, link, Response("2.05", body))
    return link, asked


def _changes(cell: CoapCell, link: Link, watched: Resource, count: int = 3) -> None:
    for _ in range(count):
        body = cell.payload()
        link.server.change(watched, body)
        _expect_next(cell, link, Response("2.05", body))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_01", _OBSERVE, _NOTIFICATIONS],
)
def test_observes(cell: CoapCell) -> None:
    """After a GET with Observe, every change of the resource is delivered, and acknowledged where that is asked for."""
    link, watched = _watched(cell)
    _changes(cell, link, watched)
    for notified in cell.packets(link.relay, "b"):
        if notified.packet.kind == "CON":
            cell.await_packet(
                link.relay,
                "a",
                lambda packet, notified=notified: packet == notified.packet.ack(),  # type: ignore[misc]
                f"{notified.packet.ack()}, to {notified.packet}",
            )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_02", _OBSERVE],
)
def test_observes_by_non_confirmable_messages(cell: CoapCell) -> None:
    """A resource can be observed by messages that are not acknowledged."""
    link, watched = _watched(cell, confirmable=False)
    _changes(cell, link, watched)
    kinds = {found.packet.kind for found in cell.packets(link.relay, "a")}
    cell.expect(kinds == {"NON"}, expected="the crate sends NON alone", observed=f"it sent {', '.join(sorted(kinds))}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_OBS_06", "TD_COAP_OBS_12", _CANCEL],
    scripted=True,
)
def test_ends_an_observation(cell: CoapCell) -> None:
    """A client that lost interest deregisters with Observe 1, or rejects a later notification with a reset."""
    link, asked = _watched_raw(cell)
    since = len(link.relay.seen())
    link.client.cancel_observe("/obs")
    for number in range(2, 6):
        link.peer.send(asked.separate("CON", "2.05", cell.payload(), ((Opt.OBSERVE, uint(number)),)))
        answer = cell.take(link.peer, lambda packet: True, "an answer to a notification")
        if answer.is_request and answer.first(Opt.OBSERVE) == uint(1):
            cell.expect(
                answer.token == asked.token,
                expected=f"a deregistration with the token {asked.token.hex()}",
                observed=f"{answer}",
            )
            link.peer.send(answer.piggybacked("2.05", cell.payload()))
            return
        if answer.kind == "RST":
            cell.remark(f"as expected: {answer}")
            return
    sent = " · ".join(str(found.packet) for found in cell.packets(link.relay)[since:] if found.end == "a")
    cell.expect(False, expected="a GET with Observe 1, or a reset, to four notifications", observed=sent)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_07", _NOTIFICATIONS],
)
def test_learns_that_a_resource_is_gone(cell: CoapCell) -> None:
    """A notification with 4.04, after the resource was deleted, is delivered."""
    link, watched = _watched(cell)
    link.server.notify(watched, "4.04")
    _expect_next(cell, link, Response("4.04", b""))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_08", _NOTIFICATIONS],
)
def test_learns_that_a_format_is_gone(cell: CoapCell) -> None:
    """A notification with 4.06, after the resource's format has changed, is delivered."""
    link, watched = _watched(cell)
    link.server.notify(watched, "4.06")
    _expect_next(cell, link, Response("4.06", b""))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_10", _CANCEL],
)
def test_asks_while_it_observes(cell: CoapCell) -> None:
    """An ordinary GET of an observed resource gets its own response, and the observation goes on."""
    link, watched = _watched(cell)
    _changes(cell, link, watched, 1)
    got = link.client.request("GET", "/obs")
    wanted = Response("2.05", watched.shape.body or b"")
    cell.expect(got.payload == wanted.payload, expected=f"{wanted}", observed=f"{got}")
    _changes(cell, link, watched, 2)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_09", _NOTIFICATIONS],
)
def test_hears_of_its_own_change(cell: CoapCell) -> None:
    """A client that PUTs what it observes gets the response to that and a notification, and goes on observing."""
    link, watched = _watched(cell)
    body = cell.payload()
    put = link.client.request("PUT", "/obs", payload=body)
    cell.expect(put.code == "2.04", expected="2.04, to its PUT", observed=f"{put}")
    _expect_next(cell, link, Response("2.05", body))
    _changes(cell, link, watched, 2)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_11", _TRANSMISSION],
    timer=3.0,
)
def test_observes_over_a_lossy_link(cell: CoapCell) -> None:
    """A confirmable notification that is lost comes again and is delivered."""
    link, watched = _watched(cell)
    link.relay.lose("b", link.relay.count("b") + 1)
    _changes(cell, link, watched, 2)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_OBS_11", _ORDER, "https://www.rfc-editor.org/rfc/rfc7252#section-4.5"],
    scripted=True,
)
def test_takes_a_notification_that_comes_twice_for_one(cell: CoapCell) -> None:
    """A notification whose acknowledgement was lost comes again: it is acknowledged again, and delivered once."""
    link, asked = _watched_raw(cell)
    body, last = cell.payload(), cell.payload()
    notified = asked.separate("CON", "2.05", body, ((Opt.OBSERVE, uint(2)),))
    acknowledges = f"{notified.ack()}, to {notified}"
    link.relay.lose("a", link.relay.count("a") + 1)
    link.peer.send(notified)
    cell.await_packet(link.relay, "a", lambda packet: packet == notified.ack(), acknowledges)
    link.peer.send(notified)
    cell.take(link.peer, lambda packet: packet == notified.ack(), f"{acknowledges}, once more")
    link.peer.send(asked.separate("NON", "2.05", last, ((Opt.OBSERVE, uint(3)),)))
    _expect_next(cell, link, Response("2.05", body))
    _expect_next(cell, link, Response("2.05", last))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_04", _FRESHNESS],
    timer=_STALE,
    deadline=_STALE + 30.0,
    scripted=True,
)
def test_notices_that_notifications_have_ended(cell: CoapCell) -> None:
    """Where no notification comes within Max-Age the client registers again, or tells the application.

    A server that has forgotten its observers is silent; Max-Age is how a client notices. It should wait for 5 to 15
    seconds after it.
    """
    link, _asked = _watched_raw(cell, (Opt.MAX_AGE, uint(_MAX_AGE)))
    end = time.monotonic() + _STALE
    told = None
    while told is None and time.monotonic() < end:
        again = link.peer.receive_where(lambda packet: packet.is_request, _GLANCE)
        if again is not None:
            cell.remark(f"as expected: the crate asks again: {again}")
            link.peer.send(again.piggybacked("2.05", cell.payload(), ((Opt.OBSERVE, uint(9)),)))
            cell.expect(again.first(Opt.OBSERVE) == b"", expected="a GET with Observe 0", observed=f"{again}")
            return
        told = link.client.next_notification(_GLANCE)
    cell.expect(
        isinstance(told, str),
        expected=f"a GET with Observe 0, or an error, within {_STALE:g} s after a response with Max-Age {_MAX_AGE}",
        observed=f"{told or 'neither'}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_ORDER],
    scripted=True,
)
def test_knows_the_newest_notification(cell: CoapCell) -> None:
    """A notification that another one has overtaken is not delivered after it, as it is older."""
    link, asked = _watched_raw(cell)
    newer, older, last = cell.payload(), cell.payload(), cell.payload()
    link.relay.overtake("b", link.relay.count("b") + 1)
    for number, body in ((10, older), (11, newer), (12, last)):
        link.peer.send(asked.separate("NON", "2.05", body, ((Opt.OBSERVE, uint(number)),)))
    _expect_next(cell, link, Response("2.05", newer))
    _expect_next(cell, link, Response("2.05", last))


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://www.rfc-editor.org/rfc/rfc7959#section-2.6", "https://github.com/Covertness/coap-rs/issues/119"],
    scripted=True,
)
def test_observes_a_large_resource(cell: CoapCell) -> None:
    """Of a notification that has the first block of a body, the client fetches the others and delivers it whole."""
    link, asked = _watched_raw(cell)
    body = cell.payload(150)
    first = ((Opt.ETAG, b"one"), (Opt.OBSERVE, uint(2)), (Opt.BLOCK2, Block(0, True, 2).value()))
    link.peer.send(asked.separate("NON", "2.05", body[:64], first))
    for number in (1, 2):
        wanted = Block(number, False, 2)
        more = cell.take_request(link)
        cell.expect(
            more.block(Opt.BLOCK2) == wanted and more.first(Opt.OBSERVE) is None,
            expected=f"a GET with Block2 {wanted}, without Observe",
            observed=f"{more}",
        )
        options = ((Opt.ETAG, b"one"), (Opt.BLOCK2, Block(number, number == 1, 2).value()))
        link.peer.send(more.piggybacked("2.05", body[number * 64 : (number + 1) * 64], options))
    _expect_next(cell, link, Response("2.05", body))
