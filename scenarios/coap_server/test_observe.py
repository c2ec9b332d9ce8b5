"""Observers of the server's resources (RFC 7641). A resource changes when somebody PUTs it."""

from __future__ import annotations

import time

from harness.cells.coap import CoapCell, Service, named
from harness.cells.peer import described
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.coap import Kind, Opt, Packet, RawPeer, request, uint
from harness.references.coap import ReferenceClient
from harness.scenario import scenario

_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.2"
_REGISTER = "https://www.rfc-editor.org/rfc/rfc7641#section-4.1"
_NOTIFY = "https://www.rfc-editor.org/rfc/rfc7641#section-4.2"
_TRANSMISSION = "https://www.rfc-editor.org/rfc/rfc7641#section-4.5"
_ORDER = "https://www.rfc-editor.org/rfc/rfc7641#section-4.4"
_END = "https://www.rfc-editor.org/rfc/rfc7641#section-4.1"
#: The format in which bodies are PUT, and another one: application/octet-stream and application/xml.
_FORMAT, _OTHER_FORMAT = 42, 41
#: Seconds in which a first copy comes (ACK_TIMEOUT by ACK_RANDOM_FACTOR, and some for a busy machine).
_FIRST = 4.0
#: Seconds after which a server gives up at the latest (MAX_TRANSMIT_WAIT, RFC 7252, section 4.8.2).
_GIVES_UP = 93.0


def _change(cell: CoapCell, writer: ReferenceClient) -> bytes:
    """Give /obs another body."""
    body = cell.payload()
    cell.ask(writer, "PUT", "/obs", payload=body, options=((Opt.CONTENT_FORMAT, uint(_FORMAT)),))
    return body


def _watched(
    cell: CoapCell, kind: Kind = "CON", *options: tuple[int, bytes]
) -> tuple[Service, ReferenceClient, RawPeer, Packet]:
    """A server whose /obs a scripted client observes; a client that can change it, the observer and its request."""
    service = cell.serve()
    writer = cell.reference_client(service)
    body = _change(cell, writer)
    observer = cell.raw_client(service)
    asked = request(kind, "GET", "/obs", options=((Opt.OBSERVE, b""), *options))
    observer.send(asked)
    answer = cell.take(observer, lambda packet: packet.is_response, f"a response to {asked}")
    cell.expect(
        (answer.code, answer.payload) == ("2.05", body) and answer.first(Opt.OBSERVE) is not None,
        expected=f"2.05 with Observe and {described(body)}",
        observed=f"{answer} with {described(answer.payload)}",
    )
    return service, writer, observer, asked


def _notification(cell: CoapCell, observer: RawPeer, asked: Packet) -> Packet:
    """The next notification, acknowledged."""
    found = cell.take(
        observer, lambda packet: packet.is_response and packet.token == asked.token, "a notification comes"
    )
    if found.kind == "CON":
        observer.send(found.ack())
    return found


def _expect_changes(cell: CoapCell, writer: ReferenceClient, observer: RawPeer, asked: Packet) -> None:
    """Three changes are each told."""
    for _ in range(3):
        body = _change(cell, writer)
        got = _notification(cell, observer, asked)
        cell.expect(
            (got.code, got.payload) == ("2.05", body) and got.first(Opt.OBSERVE) is not None,
            expected=f"2.05 with Observe and {described(body)}",
            observed=f"{got} with {described(got.payload)}",
        )


def _expect_none(cell: CoapCell, writer: ReferenceClient, observer: RawPeer, asked: Packet, why: str) -> None:
    """No notification comes for a change."""
    _change(cell, writer)
    seen = cell.strays(observer)
    wrong = [packet for packet in seen if packet.token == asked.token]
    cell.expect(not wrong, expected=f"no notification {why}", observed=f"{named(wrong)}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_01", "TD_COAP_OBS_09", _REGISTER, _NOTIFY],
    scripted=True,
)
def test_notifies_observers(cell: CoapCell) -> None:
    """Who observes a resource is sent its state at once, and again whenever it changes."""
    _service, writer, observer, asked = _watched(cell)
    _expect_changes(cell, writer, observer, asked)


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_02", _REGISTER, _NOTIFY],
    scripted=True,
)
def test_notifies_who_asks_for_no_acknowledgement(cell: CoapCell) -> None:
    """Who observes a resource by a message that is not acknowledged is sent its state whenever it changes as well."""
    _service, writer, observer, asked = _watched(cell, "NON")
    _expect_changes(cell, writer, observer, asked)


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_OBS_01", _TYPES],
    scripted=True,
)
def test_acknowledges_an_observation(cell: CoapCell) -> None:
    """A confirmable request to observe is acknowledged with its message id, as every confirmable message is."""
    service, _writer, _observer, asked = _watched(cell)
    cell.await_packet(
        service.relay,
        "b",
        lambda packet: packet.kind == "ACK" and packet.mid == asked.mid,
        f"an ACK with mid {asked.mid}, to {asked}",
        within=2.0,
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_ORDER],
    scripted=True,
)
def test_numbers_notifications(cell: CoapCell) -> None:
    """Later notifications have larger numbers in Observe."""
    _service, writer, observer, asked = _watched(cell)
    numbers = []
    for _ in range(3):
        _change(cell, writer)
        numbers.append(int.from_bytes(_notification(cell, observer, asked).first(Opt.OBSERVE) or b"", "big"))
    cell.expect(
        numbers == sorted(set(numbers)), expected="three numbers, each larger than before", observed=f"{numbers}"
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_OBS_12", _END],
    scripted=True,
)
def test_lets_observers_deregister(cell: CoapCell) -> None:
    """After a GET with Observe 1 and the same token no notification comes."""
    _service, writer, observer, asked = _watched(cell)
    end = request("CON", "GET", "/obs", options=((Opt.OBSERVE, uint(1)),)).with_(token=asked.token)
    cell.exchange(observer, end, f"a response to {end}")
    _expect_none(cell, writer, observer, asked, f"after {end}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_OBS_06", _TRANSMISSION],
    scripted=True,
)
def test_forgets_who_resets(cell: CoapCell) -> None:
    """After a notification was rejected with a reset no other one comes."""
    _service, writer, observer, asked = _watched(cell)
    _change(cell, writer)
    notified = cell.take(observer, lambda packet: packet.token == asked.token, "a notification comes")
    observer.send(notified.reset())
    _expect_none(cell, writer, observer, asked, f"after {notified.reset()}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_10", _REGISTER],
    scripted=True,
)
def test_goes_on_after_an_ordinary_get(cell: CoapCell) -> None:
    """A GET without Observe, with a token of its own, does not end an observation."""
    _service, writer, observer, asked = _watched(cell)
    plain = request("CON", "GET", "/obs")
    cell.exchange(observer, plain, f"a response to {plain}")
    body = _change(cell, writer)
    got = _notification(cell, observer, asked)
    cell.expect(got.payload == body, expected=described(body), observed=f"{got} with {described(got.payload)}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_07", _NOTIFY],
    scripted=True,
)
def test_tells_observers_that_a_resource_is_gone(cell: CoapCell) -> None:
    """When an observed resource is deleted, its observers are sent a notification with an error code."""
    _service, writer, observer, asked = _watched(cell)
    cell.ask(writer, "DELETE", "/obs")
    got = _notification(cell, observer, asked)
    cell.expect(got.code.startswith(("4.", "5.")), expected="a notification with 4.04", observed=f"{got}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_OBS_08", _NOTIFY],
    needs=[Need.FORMATS],
    scripted=True,
)
def test_tells_observers_that_a_format_is_gone(cell: CoapCell) -> None:
    """Who observes a resource in one format, which then has another one, is sent a notification with 4.06."""
    _service, writer, observer, asked = _watched(cell, "CON", (Opt.ACCEPT, uint(_FORMAT)))
    cell.ask(writer, "PUT", "/obs", payload=cell.payload(), options=((Opt.CONTENT_FORMAT, uint(_OTHER_FORMAT)),))
    got = _notification(cell, observer, asked)
    cell.expect(got.code == "4.06", expected="a notification with 4.06", observed=f"{got}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_OBS_11", _TRANSMISSION, _TYPES],
    scripted=True,
    timer=4.0,
    deadline=34.0,
)
def test_repeats_a_notification_that_was_lost(cell: CoapCell) -> None:
    """A confirmable notification that is not acknowledged comes again, between 2 and 3 seconds later."""
    service, writer, observer, asked = _watched(cell)
    body = _change(cell, writer)
    first = cell.take(observer, lambda packet: packet.token == asked.token, "a notification comes")
    if first.kind != "CON":
        cell.remark("the notification asks for no acknowledgement, so that none can be missed")
        return
    again = observer.receive_where(lambda packet: packet.token == asked.token, _FIRST)
    sent = [seen for seen in cell.packets(service.relay, "b") if seen.packet == first]
    cell.expect(
        again == first and again.payload == body,
        expected=f"{first} once more",
        observed=f"{again} within {_FIRST:g} s; the server sent {named([seen.packet for seen in sent])}",
    )
    gap = sent[1].at - sent[0].at
    cell.expect(
        2.0 - 0.05 <= gap <= 3.0 + 0.3, expected=f"{first} once more, 2 to 3 s later", observed=f"{gap:.2f} s later"
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["TD_COAP_OBS_05", _TRANSMISSION],
    timer=_GIVES_UP,
    deadline=_GIVES_UP + 45.0,
    scripted=True,
)
def test_forgets_who_is_gone(cell: CoapCell) -> None:
    """Who leaves confirmable notifications unanswered until the server gives up is no observer any more.

    A server that sends no notification twice has given up at once; three of them have to be enough for it.
    """
    _service, writer, observer, asked = _watched(cell)
    unanswered: list[Packet] = []
    for _ in range(3):
        copies = _unanswered(cell, writer, observer, asked)
        unanswered += copies
        if any(found.kind != "CON" for found in copies):
            cell.remark("the notification asks for no acknowledgement, so that none can be missed")
            return
        if len(copies) != 1:
            break
    cell.expect(bool(unanswered), expected="a notification comes", observed=f"none within {_FIRST:g} s")
    _expect_none(cell, writer, observer, asked, f"after {len(unanswered)} were left unanswered")


def _unanswered(cell: CoapCell, writer: ReferenceClient, observer: RawPeer, asked: Packet) -> list[Packet]:
    """The notification of a change and its copies, none of them answered, until the server has given up."""
    _change(cell, writer)
    copies: list[Packet] = []
    within, since = _FIRST, time.monotonic()
    while (found := observer.receive_where(lambda packet: packet.token == asked.token, within)) is not None:
        now = time.monotonic()
        # The time between two copies doubles; the first may take long as well.
        within, since = max(_FIRST, 2 * (now - since) + 1.0), now
        copies.append(found)
        if found.kind != "CON":
            break
    return copies


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[_REGISTER],
    scripted=True,
)
def test_takes_a_second_registration_for_the_same(cell: CoapCell) -> None:
    """Who registers again with the same token is notified once of each change, not twice."""
    _service, writer, observer, asked = _watched(cell)
    again = request("CON", "GET", "/obs", options=((Opt.OBSERVE, b""),)).with_(token=asked.token)
    cell.exchange(observer, again, f"a response to {again}")
    body = _change(cell, writer)
    got = _notification(cell, observer, asked)
    cell.expect(got.payload == body, expected=described(body), observed=f"{got} with {described(got.payload)}")
    last = _change(cell, writer)
    got = _notification(cell, observer, asked)
    cell.expect(got.payload == last, expected=described(last), observed=f"{got} with {described(got.payload)}")
