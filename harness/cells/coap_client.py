"""The crate's CoAP endpoints in a scenario's hands, and what they deliver."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from harness.cells.peer import DELIVERY, PeerClient, described
from harness.errors import CrateTimeout
from harness.peers.coap import Options
from harness.wire import coap
from harness.wire.messages import decode, encode

if TYPE_CHECKING:
    from harness.cells.coap import CoapCell


#: Seconds for a reply that has come already.
_AT_ONCE = 0.2


@dataclass(frozen=True)
class Response:
    """A response as the application got it."""

    code: str
    payload: bytes
    options: Options = ()

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Response:
        """What the contract's fields say."""
        options = tuple((option["number"], decode(option["value"])) for option in fields["options"])
        return cls(fields["code"], decode(fields["payload"]), options)

    def all(self, number: int) -> list[bytes]:
        """The values of all options of this number."""
        return [value for found, value in self.options if found == number]

    def __str__(self) -> str:
        return f"{self.code} with {described(self.payload)}"


@dataclass(frozen=True)
class Served:
    """A request as the application behind the crate's server got it."""

    method: str
    path: str
    query: tuple[str, ...]
    payload: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path} {'&'.join(self.query)} with {described(self.payload)}"


class CoapEndpoint(PeerClient):
    """A process of the crate: one client or one server."""

    _cell: CoapCell
    #: Waits for the end of the request that is under way.
    _pending: Callable[[float], object] | None = None

    def open(
        self,
        at: tuple[str, int],
        *,
        ack_timeout: float | None = None,
        block1_szx: int | None = None,
        dtls: coap.Dtls | None = None,
        within: float = 0,
    ) -> None:
        """Make the client; `ack_timeout` in seconds, null leaves the crate's own; `within` as `call` has it."""
        fields: dict[str, Any] = {"host": at[0], "port": at[1]}
        if ack_timeout is not None:
            fields["ack_timeout_ms"] = round(ack_timeout * 1000)
        if block1_szx is not None:
            fields["block1_szx"] = block1_szx
        if dtls is not None:
            fields["dtls"] = dtls.model_dump(exclude_none=True)
        self.call("open", coap.OpenRequest.model_validate(fields), "the client is made", within)

    def request(self, method: str, path: str, within: float = DELIVERY, **more: Any) -> Response:
        """Send a request and return the whole response; `more` as `begin_request` has it."""
        return self.begin_request(method, path, **more)(within)

    def begin_request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[str] = (),
        confirmable: bool = True,
        token: bytes | None = None,
        options: Options = (),
        payload: bytes = b"",
    ) -> Callable[[float], Response]:
        """Send a request and return at once: with a function that waits for the response, given seconds."""
        fields: dict[str, Any] = {"method": method, "path": _segments(path)}
        if query:
            fields["query"] = list(query)
        if not confirmable:
            fields["confirmable"] = False
        if token is not None:
            fields["token"] = encode(token)
        if options:
            fields["options"] = [{"number": int(number), "value": encode(value)} for number, value in options]
        if payload:
            fields["payload"] = encode(payload)
        request = coap.RequestRequest.model_validate(fields)
        wait = self._begin("request", request, f"the {method} of {path} is answered")
        return lambda within: Response.of(wait(within))

    def _begin(self, op: str, request: BaseModel, expected: str) -> Callable[[float], dict[str, Any]]:
        """As `begin`, and `surface` knows of it until it has ended."""
        finish = self._pending = self.begin(op, request, expected)

        def wait(within: float) -> dict[str, Any]:
            self._pending = None
            return finish(within)

        return wait

    def surface(self) -> None:
        """Raise what the crate has reported of the request that is under way; nothing where it has not ended.

        Raises:
            RefusedByCrate, FeatureUnsupported, CrateCrash: as named.
        """
        if self._pending is not None:
            with contextlib.suppress(CrateTimeout):
                self._pending(_AT_ONCE)

    def observe(self, path: str, *, confirmable: bool = True) -> None:
        """Observe a resource."""
        self.begin_observe(path, confirmable=confirmable)(DELIVERY)

    def begin_observe(self, path: str, *, confirmable: bool = True) -> Callable[[float], object]:
        """As `observe`, and returns at once: with a function that waits for its end, given seconds."""
        request = coap.ObserveRequest(path=_segments(path), confirmable=confirmable)
        return self._begin("observe", request, f"the server takes the observation of {path}")

    def cancel_observe(self, path: str) -> None:
        """End an observation."""
        request = coap.CancelObserveRequest(path=_segments(path))
        self.call("cancel_observe", request, f"the observation of {path} ends")

    def next_notification(self, within: float = DELIVERY) -> Response | str | None:
        """The next response to an observation, or the error in its place; null where none came in time."""
        event = self.next_event("notification", within, "a notification is delivered")
        if event is None:
            return None
        return Response.of(event["response"]) if event["response"] else str(event["error"])

    def discover(self, *query: str) -> dict[str, dict[str, str | None]]:
        """The attributes of each resource that the crate has discovered."""
        ok = self.call("discover", coap.DiscoverRequest(query=list(query)), "resources are discovered", DELIVERY)
        return {
            link["href"]: {attribute["name"]: attribute["value"] for attribute in link["attributes"]}
            for link in ok["links"]
        }

    def serve(self, dtls: coap.Dtls | None = None) -> int:
        """Start the server, over DTLS where that is set; returns its port."""
        request = coap.ServeRequest() if dtls is None else coap.ServeRequest(dtls=dtls)
        port: int = self.call("serve", request, "the server listens")["port"]
        return port

    def next_served(self, within: float) -> Served | None:
        """The next request that the server's application got; null where none came in time."""
        event = self.next_event("served", within, "the application gets a request")
        if event is None:
            return None
        path = "/" + "/".join(event["path"])
        return Served(event["method"], path, tuple(event["query"]), decode(event["payload"]))


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").split("/")
