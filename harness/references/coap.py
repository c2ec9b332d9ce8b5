"""aiocoap as reference for CoAP: a server with resources, and a client.

https://aiocoap.readthedocs.io/en/0.4.17/

Both run on an event loop of their own thread; every wait has a limit.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import queue
import socket
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiocoap import Context, Message, resource
from aiocoap.error import Error, NotObservable, ObservationCancelled
from aiocoap.numbers import codes
from aiocoap.numbers.constants import Reliable, Unreliable
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import OpaqueOption

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 10.0

_Result = TypeVar("_Result")
Options = tuple[tuple[int, bytes], ...]

# What aiocoap thinks of strange messages is no matter of ours; the wire has them.
logging.getLogger("coap").setLevel(logging.CRITICAL)
logging.getLogger("coap-server").setLevel(logging.CRITICAL)


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="aiocoap", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result], within: float | None = STEP) -> _Result:
        """Run a coroutine and return what it returns; null waits as long as it takes.

        Raises:
            TimeoutError: it did not end in time.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within)

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5.0)
        self.loop.close()


class NoAnswer(Exception):
    """aiocoap reports an error in the place of a response; says which."""


@dataclass(frozen=True)
class Response:
    """A response or a notification."""

    code: str
    options: Options
    payload: bytes

    def all(self, number: int) -> list[bytes]:
        """The values of all options of this number."""
        return [value for found, value in self.options if found == number]


@dataclass(frozen=True)
class Asked:
    """A request as the server's application saw it, whole."""

    method: str
    path: str
    query: tuple[str, ...]
    confirmable: bool
    options: Options
    payload: bytes


def response_of(message: Any) -> Response:
    """What aiocoap's message says."""
    return Response(message.code.dotted, options_of(message), bytes(message.payload))


def options_of(message: Any) -> Options:
    """The options of aiocoap's message, as they stand on the wire."""
    return tuple((int(option.number), bytes(option.encode())) for option in message.opt.option_list())


@dataclass
class Shape:
    """What a resource of the reference server is; see RFC 7252, section 5.10, for the options."""

    body: bytes | None = None
    #: Bodies by Content-Format, among which Accept chooses.
    formats: dict[int, bytes] = field(default_factory=dict)
    #: Whether responses to GET have an ETag, and If-Match is compared with it.
    tagged: bool = False
    #: Seconds that every answer takes.
    delay: float = 0.0
    #: What POST tells as Location-Path and Location-Query.
    location: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    #: Seconds for Max-Age; null leaves it out.
    max_age: int | None = None
    #: Link attributes at /.well-known/core; null hides the resource.
    attributes: dict[str, str | None] | None = None


def etag_of(body: bytes) -> bytes:
    """The ETag of a body: 8 bytes, the most there can be."""
    return hashlib.sha256(body).digest()[:8]


class Resource(resource.ObservableResource):  # type: ignore[misc]
    """A resource that everybody may read, write and observe."""

    def __init__(self, server: ReferenceServer, path: str, shape: Shape) -> None:
        super().__init__()
        self._server = server
        self._path = path
        self.shape = shape

    def get_link_description(self) -> dict[str, str | None] | None:
        """What /.well-known/core says of it."""
        return self.shape.attributes

    async def render(self, request: Any) -> Any:
        """Note the request and answer it."""
        self._server.note(self._path, request)
        if self.shape.delay:
            await asyncio.sleep(self.shape.delay)
        return await super().render(request)

    async def render_get(self, request: Any) -> Any:
        """The body, or what the options ask for instead."""
        shape = self.shape
        if shape.formats:
            accepted = next(iter(shape.formats)) if request.opt.accept is None else int(request.opt.accept)
            if accepted not in shape.formats:
                return Message(code=codes.NOT_ACCEPTABLE)
            return Message(payload=shape.formats[accepted], content_format=accepted)
        if shape.body is None:
            return Message(code=codes.NOT_FOUND)
        answer = Message(payload=shape.body)
        if shape.tagged:
            answer.opt.etag = etag_of(shape.body)
            if answer.opt.etag in request.opt.etags:
                answer = Message(code=codes.VALID, etag=answer.opt.etag)
        if shape.max_age is not None:
            answer.opt.max_age = shape.max_age
        return answer

    async def render_put(self, request: Any) -> Any:
        """Set the body, where the conditions hold."""
        shape = self.shape
        known = None if shape.body is None else etag_of(shape.body)
        if request.opt.if_none_match and shape.body is not None:
            return Message(code=codes.PRECONDITION_FAILED)
        if request.opt.if_match and known not in request.opt.if_match:
            return Message(code=codes.PRECONDITION_FAILED)
        created = shape.body is None
        shape.body = bytes(request.payload)
        self.updated_state()
        return Message(code=codes.CREATED if created else codes.CHANGED)

    async def render_post(self, request: Any) -> Any:
        """Say where something was created, or give back what was sent."""
        path, query = self.shape.location
        if path or query:
            return Message(code=codes.CREATED, location_path=path, location_query=query)
        return Message(code=codes.CHANGED, payload=bytes(request.payload))

    async def render_delete(self, request: Any) -> Any:
        """Remove the body, which ends observations."""
        self.shape.body = None
        self.updated_state(Message(code=codes.NOT_FOUND))
        return Message(code=codes.DELETED)

    @property
    def observers(self) -> int:
        """How many observe it."""
        return len(self._observations)


class ReferenceServer:
    """aiocoap's server on 127.0.0.1, on a port that the system picks."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._site = resource.Site()
        self._asked: list[Asked] = []
        self._changed = threading.Condition()
        core = resource.WKCResource(self._site.get_resources_as_linkheader, impl_info=None)
        self._site.add_resource([".well-known", "core"], core)
        self.port, self._context = serve(self._loop, self._site)

    def has(self, path: str, shape: Shape) -> Resource:
        """Make a resource at this path; it may be changed through what is returned, by `change` and `trigger` alone."""
        made = Resource(self, path, shape)
        self._loop.run(_on_loop(lambda: self._site.add_resource(path.strip("/").split("/"), made)))
        return made

    def change(self, of: Resource, body: bytes) -> None:
        """Give the resource another body, and notify who observes it."""

        def act() -> None:
            of.shape.body = body
            of.updated_state()

        self._loop.run(_on_loop(act))

    def notify(self, of: Resource, code: str, payload: bytes = b"", content_format: int | None = None) -> None:
        """Notify who observes the resource of a response other than to GET."""
        number = codes.Code((int(code[0]) << 5) + int(code[2:]))
        message = Message(code=number, payload=payload, content_format=content_format)
        self._loop.run(_on_loop(lambda: of.updated_state(message)))

    def note(self, path: str, request: Any) -> None:
        """Remember a request; called by resources."""
        confirmable = int(request.mtype) == 0
        query = tuple(request.opt.uri_query)
        seen = Asked(str(request.code), path, query, confirmable, options_of(request), bytes(request.payload))
        with self._changed:
            self._asked.append(seen)
            self._changed.notify_all()

    @property
    def asked(self) -> list[Asked]:
        """The requests so far, as the application saw them."""
        with self._changed:
            return list(self._asked)

    def await_asked(self, count: int, within: float) -> list[Asked]:
        """The requests, once there are so many or `within` seconds are over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._asked) >= count, within)
            return list(self._asked)

    def close(self) -> None:
        """End the server."""
        self._loop.run(self._context.shutdown())
        self._loop.stop()


def serve(loop: Loop, site: Any) -> tuple[int, Any]:
    """Start aiocoap's server for `site`; returns its port and context."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as placeholder:
        # aiocoap does not tell a port that the system picked; it binds with SO_REUSEPORT, as this socket does.
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        placeholder.bind(("127.0.0.1", 0))
        port: int = placeholder.getsockname()[1]
        made = Context.create_server_context(site, bind=("127.0.0.1", port), transports=["simplesocketserver"])
        return port, loop.run(made)


async def _on_loop(act: Any) -> None:
    act()


class ReferenceClient:
    """aiocoap's client for one server."""

    def __init__(self, server: tuple[str, int], ack_timeout: float | None = None, szx: int = 6) -> None:
        """Make the client; nothing is sent yet.

        Args:
            server: host and port.
            ack_timeout: seconds for ACK_TIMEOUT, where it differs from the default.
            szx: bodies go in blocks of 2**(szx+4) bytes.
        """
        self._szx = szx
        self._loop = Loop()
        self._uri = f"coap://{server[0]}:{server[1]}"
        self._ack_timeout = ack_timeout
        self._context = self._loop.run(_client_context())
        self._observations: dict[str, Any] = {}
        #: What was observed: path, and a response or an error.
        self.notifications: queue.SimpleQueue[tuple[str, Response | Exception]] = queue.SimpleQueue()

    def _message(
        self,
        method: str,
        path: Sequence[str],
        query: Sequence[str],
        confirmable: bool,
        payload: bytes,
        options: Options,
    ) -> Any:
        tuning = Reliable() if confirmable else Unreliable()
        if self._ack_timeout is not None:
            tuning.ACK_TIMEOUT = self._ack_timeout
        message = Message(code=getattr(codes, method), payload=payload, uri=self._uri, transport_tuning=tuning)
        message.remote.maximum_block_size_exp = self._szx
        message.opt.uri_path = tuple(path)
        message.opt.uri_query = tuple(query)
        for number, value in options:
            known = OptionNumber(number).create_option(decode=value)
            message.opt.add_option(known if known.encode() == value else OpaqueOption(OptionNumber(number), value))
        return message

    def request(
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Sequence[str] = (),
        confirmable: bool = True,
        payload: bytes = b"",
        options: Options = (),
        within: float | None = STEP,
    ) -> Response:
        """Send a request and return the whole response.

        Raises:
            NoAnswer: aiocoap reports an error, or nothing within `within` seconds.
        """
        message = self._message(method, path, query, confirmable, payload, options)
        try:
            return self._loop.run(self._ask(message), within)
        except (Error, TimeoutError, OSError) as error:
            raise NoAnswer(f"aiocoap's {method} ended with {type(error).__name__}: {error}") from error

    async def _ask(self, message: Any) -> Response:
        return response_of(await self._context.request(message).response)

    def observe(self, path: Sequence[str], *, confirmable: bool = True, within: float | None = STEP) -> Response:
        """Observe a resource: returns the first response, which goes to `notifications` like the others.

        Raises:
            NoAnswer: aiocoap reports an error, or nothing within `within` seconds.
        """
        message = self._message("GET", path, (), confirmable, b"", ((6, b""),))
        name = "/" + "/".join(path)

        async def begin() -> Response:
            asking = self._context.request(message)
            first = response_of(await asking.response)
            self.notifications.put((name, first))
            # aiocoap's iterator keeps the last notification alone; the callbacks get each of them.
            asking.observation.register_callback(lambda seen: self._noticed(name, seen), _suppress_deprecation=True)
            asking.observation.register_errback(lambda error: self._ended(name, error), _suppress_deprecation=True)
            self._observations[name] = asking.observation
            return first

        try:
            return self._loop.run(begin(), within)
        except (Error, TimeoutError, OSError) as error:
            raise NoAnswer(f"aiocoap could not observe: {type(error).__name__}: {error}") from error

    def _noticed(self, name: str, seen: Any) -> None:
        self.notifications.put((name, response_of(seen)))

    def _ended(self, name: str, error: Exception) -> None:
        if not isinstance(error, (NotObservable, ObservationCancelled)):
            self.notifications.put((name, error))

    def forget(self, path: Sequence[str]) -> None:
        """End an observation as aiocoap does: what comes for it afterwards is rejected."""
        observation = self._observations.pop("/" + "/".join(path))
        self._loop.run(_on_loop(observation.cancel))

    def next_notification(self, within: float) -> Response | None:
        """The next response to an observation; null where none came within `within` seconds."""
        try:
            found = self.notifications.get(timeout=within)[1]
        except queue.Empty:
            return None
        return found if isinstance(found, Response) else None

    def close(self) -> None:
        """End the client."""
        self._loop.run(self._context.shutdown())
        self._loop.stop()


async def _client_context() -> Any:
    return await Context.create_client_context(transports=["simple6"])
