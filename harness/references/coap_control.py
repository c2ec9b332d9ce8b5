"""The control probe for CoAP: aiocoap behind the wire contract, as client and as server.

python -m harness.references.coap_control
"""

from __future__ import annotations

import asyncio
import threading
from importlib.metadata import version
from typing import Any

from aiocoap import Message, resource
from aiocoap.numbers import codes
from aiocoap.util import linkformat

from harness.model import Dialect
from harness.references.coap import Loop, NoAnswer, ReferenceClient, Response, serve
from harness.wire import coap
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server

#: Seconds that the handler of /slow takes, as WIRE.md has it.
_SLOW = 4.0


class Store(resource.ObservableResource):  # type: ignore[misc]
    """A resource of the control's server: keeps a body."""

    def __init__(
        self, events: Events, path: str, attributes: dict[str, str | None] | None = None, delay: float = 0.0
    ) -> None:
        super().__init__()
        self._events = events
        self._path = path
        self._attributes = attributes or {}
        self._delay = delay
        self._body: bytes | None = None

    def get_link_description(self) -> dict[str, str | None]:
        """What /.well-known/core says of it."""
        return self._attributes

    async def render(self, request: Any) -> Any:
        """Tell of the request and answer it."""
        if self._delay:
            await asyncio.sleep(self._delay)
        seen = coap.Served(
            method=str(request.code),
            path=self._path.strip("/").split("/"),
            query=list(request.opt.uri_query),
            payload=encode(request.payload),
        )
        self._events.add("served", seen)
        return await super().render(request)

    async def render_get(self, _request: Any) -> Any:
        """The body."""
        return Message(code=codes.NOT_FOUND) if self._body is None else Message(payload=self._body)

    async def render_put(self, request: Any) -> Any:
        """Set the body."""
        self._body = bytes(request.payload)
        self.updated_state()
        return Message(code=codes.CHANGED)

    async def render_post(self, request: Any) -> Any:
        """Give back what was sent."""
        return Message(code=codes.CHANGED, payload=bytes(request.payload))

    async def render_delete(self, _request: Any) -> Any:
        """Remove the body."""
        self._body = None
        self.updated_state(Message(code=codes.NOT_FOUND))
        return Message(code=codes.DELETED)


class ControlEndpoint:
    """One method per operation of the CoAP vocabulary."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._client: ReferenceClient | None = None

    def open(self, request: coap.OpenRequest) -> Empty:
        """Make a client."""
        _refuse(request.dtls)
        timeout = None if request.ack_timeout_ms is None else request.ack_timeout_ms / 1000
        szx = 6 if request.block1_szx is None else request.block1_szx
        self._client = client = ReferenceClient((request.host, request.port), timeout, szx)
        threading.Thread(target=self._tell, args=(client,), daemon=True).start()
        return Empty()

    def request(self, request: coap.RequestRequest) -> coap.Response:
        """Send one request. aiocoap chooses tokens itself."""
        if request.token is not None:
            raise ProbeFailure(ErrorCode.UNSUPPORTED, "aiocoap chooses tokens itself", feature="chosen-tokens")
        try:
            response = self._opened().request(
                request.method,
                request.path,
                query=request.query,
                confirmable=request.confirmable,
                payload=decode(request.payload),
                options=tuple((option.number, decode(option.value)) for option in request.options),
                within=None,
            )
        except NoAnswer as error:
            raise _failure(error) from error
        return _on_wire(response)

    def observe(self, request: coap.ObserveRequest) -> Empty:
        """Observe a resource."""
        try:
            self._opened().observe(request.path, confirmable=request.confirmable, within=None)
        except NoAnswer as error:
            raise _failure(error) from error
        return Empty()

    def cancel_observe(self, request: coap.CancelObserveRequest) -> Empty:
        """Forget the observation."""
        self._opened().forget(request.path)
        return Empty()

    def discover(self, request: coap.DiscoverRequest) -> coap.DiscoverReply:
        """Ask for /.well-known/core and read it."""
        try:
            response = self._opened().request("GET", [".well-known", "core"], query=request.query, within=None)
        except NoAnswer as error:
            raise _failure(error) from error
        links = [
            coap.Link(
                href=link.href,
                attributes=[coap.Attribute(name=name, value=value) for name, value in link.attr_pairs],
            )
            for link in linkformat.parse(response.payload.decode()).links
        ]
        return coap.DiscoverReply(links=links)

    def serve(self, request: coap.ServeRequest) -> coap.ServeReply:
        """Start the server."""
        _refuse(request.dtls)
        loop, site = Loop(), resource.Site()
        kept: dict[str, str | None] = {"rt": "kept here", "if": "keeper", "sz": "64", "ct": "42"}
        site.add_resource(["store"], Store(self._events, "/store", kept))
        site.add_resource(["a", "b", "c"], Store(self._events, "/a/b/c"))
        site.add_resource(["obs"], Store(self._events, "/obs", {"rt": "watched", "obs": None}))
        site.add_resource(["slow"], Store(self._events, "/slow", delay=_SLOW))
        site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
        port, _context = serve(loop, site)
        return coap.ServeReply(port=port)

    def _opened(self) -> ReferenceClient:
        if self._client is None:
            raise ProbeFailure(ErrorCode.STATE, "there is no client: open comes first")
        return self._client

    def _tell(self, client: ReferenceClient) -> None:
        """Make events of what was observed."""
        while True:
            name, seen = client.notifications.get()
            path = name.strip("/").split("/")
            if isinstance(seen, Response):
                self._events.add("notification", coap.Notification(path=path, response=_on_wire(seen)))
            else:
                self._events.add("notification", coap.Notification(path=path, error=str(seen)))


def _refuse(dtls: coap.Dtls | None) -> None:
    if dtls is not None:
        raise ProbeFailure(ErrorCode.UNSUPPORTED, "aiocoap has DTLS as an extension in C alone", feature="dtls")


def _on_wire(response: Response) -> coap.Response:
    options = [coap.Option(number=number, value=encode(value)) for number, value in response.options]
    return coap.Response(code=response.code, options=options, payload=encode(response.payload))


def _failure(error: NoAnswer) -> ProbeFailure:
    code = ErrorCode.TIMEOUT if "Retransmit" in str(error) or "Timeout" in str(error) else ErrorCode.CRATE
    return ProbeFailure(code, str(error), definite=False)


def answer(endpoint: object, events: Events) -> int:
    """One conversation with `endpoint`."""
    return Server(
        crate="aiocoap",
        version=version("aiocoap"),
        vocabulary=coap.VOCABULARY,
        dialects=[Dialect.COAP_CLIENT, Dialect.COAP_SERVER],
        client=endpoint,
        events=events,
    ).run()


def main() -> int:
    """Serve one conversation."""
    events = Events()
    return answer(ControlEndpoint(events), events)


if __name__ == "__main__":
    raise SystemExit(main())
