"""The envelope of the wire contract: commands, replies, events, errors."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

#: Version of the contract; `hello` carries it both ways.
WIRE_VERSION = 1

#: Longest line that either side accepts, in bytes.
MAX_LINE = 64 * 1024 * 1024

#: Seconds in which a probe must exit after its standard input ended.
EXIT_GRACE = 5.0

#: Seconds that a call may take unless its scenario declares otherwise.
CALL_DEADLINE = 5.0


def _is_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not standard base64: {error}") from error
    return text


#: Bytes, in standard base64 with padding (RFC 4648, section 4).
Base64 = Annotated[str, AfterValidator(_is_base64), Field(json_schema_extra={"contentEncoding": "base64"})]


def encode(data: bytes) -> str:
    """Bytes as the contract carries them."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes that `encode` was given."""
    return base64.b64decode(text, validate=True)


class Strict(BaseModel):
    """Base of all messages: immutable, and a field that is not declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorCode(StrEnum):
    """What a probe says went wrong."""

    UNKNOWN = "unknown"
    """The command, or one of its fields, is not part of the contract. Nothing was done."""
    BAD_VALUE = "bad_value"
    """A field has a value that the contract does not allow. Nothing was done."""
    NOT_WRITTEN = "not_written"
    """The operation is part of the contract, and this probe does not have it yet."""
    UNSUPPORTED = "unsupported"
    """The crate lacks `feature`."""
    STATE = "state"
    """The operation makes no sense now, for example `publish` before `connect`."""
    REFUSED = "refused"
    """The peer said no: a CONNACK code, a SUBACK failure, access refused."""
    IO = "io"
    """The connection could not be made, or broke."""
    TIMEOUT = "timeout"
    """The crate itself gave up waiting."""
    PROTOCOL = "protocol"
    """The crate says that the peer broke the protocol."""
    CRATE = "crate"
    """Any other error of the crate; its text says which."""


class Failure(Strict):
    """Why an operation did not succeed."""

    code: ErrorCode
    text: str = Field(description="the crate's own words, unabridged")
    definite: bool = Field(default=True, description="false: the operation may have happened nevertheless")
    feature: str | None = Field(
        default=None,
        description="with `unsupported`: the feature as crates.toml names it; with `not_written`: the field meant",
    )


class Setting(Strict):
    """An option that the probe sets to something else than the crate's default."""

    name: str
    value: str
    default: str
    source: str = Field(description="the crate's documentation of the option")
    dialects: list[str] = Field(
        default_factory=list, description="those of the probe's dialects that it is set in; empty for all"
    )


class HelloRequest(Strict):
    """First command of every conversation."""

    wire: int = Field(description="the version of this contract that the harness speaks")


class HelloReply(Strict):
    """Who the probe is and what it can do; the fields stand in the reply itself, beside `re`."""

    wire: int
    crate: str = Field(description="package name of the crate under test")
    version: str = Field(description="its version, from the lock file that the probe was built with")
    dialects: list[str]
    ops: list[str] = Field(description="every operation that the probe has, beside `hello`")
    settings: list[Setting] = Field(default_factory=list)
    assembled: list[str] = Field(
        default_factory=list,
        description="operations that need more than one call of the crate (codecs): shown as assembled by the probe",
    )


class Reply(BaseModel):
    """Any answer to a command: `ok`, `error`, or the fields of `hello`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    re: int = Field(description="the id of the command that this answers")
    ok: dict[str, Any] | None = None
    error: Failure | None = None


class WaitRequest(Strict):
    """Drive the client until `count` events were written or the time is over, whichever is first.

    Events are written only during a `wait`. What a client received before is kept and written first.
    """

    count: int = Field(ge=1, description="events to wait for")
    timeout_ms: int = Field(ge=0, description="milliseconds; running out is no error")


class WaitReply(Strict):
    """How many events this `wait` wrote."""

    events: int = Field(ge=0)


class Empty(Strict):
    """No fields."""
