"""Lies in the conversation: what is wrong with the probe and not with the crate."""

from __future__ import annotations

import sys
import time
from typing import Any

from harness.wire import mqtt
from harness.wire.messages import ErrorCode
from harness.wire.serve import ProbeFailure, Server
from tests.saboteurs.mqtt.liar import Liar


class LacksTheWill(Liar):
    """Says that the crate has no will, which crates.toml does not know."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Reply unsupported."""
        if request.will is not None:
            raise ProbeFailure(ErrorCode.UNSUPPORTED, "no will in this crate", feature="will")
        return super().connect(request)


class ClaimsUnsubscribe(Liar):
    """Claims `unsubscribe` and has not written it."""

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Acknowledgement:
        """Reply not_written."""
        raise ProbeFailure(ErrorCode.NOT_WRITTEN, "to be done")


class Conversation(Server):
    """The honest server with places where a lie fits."""


class PrintsALog(Conversation):
    """Logs to standard output."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Print first."""
        self._sink.write(f"performing {command['op']}\n")
        return super().answer(command)


class FloodsStandardOutput(Conversation):
    """Writes events without end, which nobody asked for."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Never answer anything but hello."""
        while command["op"] != "hello":
            self._sink.write('{"event":"reconnected"}\n' * 1000)
        return super().answer(command)


class AnswersUnknownIds(Conversation):
    """Answers commands that were not asked."""

    def write(self, message: dict[str, Any]) -> None:
        """Count up."""
        super().write({**message, "re": message["re"] + 1} if "re" in message else message)


class TakesAnyOperation(Conversation):
    """Says ok to every operation."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Never refuse one."""
        if self._vocabulary.operation(command["op"]) is None:
            return {"re": command["id"], "ok": {}}
        return super().answer(command)


class IgnoresUnknownFields(Conversation):
    """Takes no notice of fields that it does not know."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Say ok where one is unknown."""
        number = command["id"]
        reply = super().answer(command)
        unknown = reply.get("error", {}).get("code") == "unknown" and "operation" not in reply["error"]["text"]
        return {"re": number, "ok": {}} if unknown else reply


class InventsAnOperation(Conversation):
    """Claims an operation that the contract does not have."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Add it to hello."""
        reply = super().answer(command)
        return {**reply, "ops": [*reply["ops"], "teleport"]} if "ops" in reply else reply


class WritesAWrongEvent(Conversation):
    """Writes messages without their payload."""

    def write(self, message: dict[str, Any]) -> None:
        """Leave it out."""
        super().write({key: value for key, value in message.items() if key != "payload"})


class StaysAfterTheEnd(Conversation):
    """Goes on after its standard input ended."""

    def run(self) -> int:
        """Never return."""
        super().run()
        while True:
            time.sleep(60)


class DiesAtHello(Conversation):
    """Cannot start, as where a shared library is missing."""

    def run(self) -> int:
        """Exit at once."""
        sys.stderr.write("error while loading shared libraries: libpaho.so: cannot open shared object file\n")
        return 127
