"""The wire contract: generated documents are up to date, and the Python side of a probe is as strict as it says."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from harness.model import Dialect
from harness.paths import ROOT
from harness.wire import document, mqtt
from harness.wire.dialects import VOCABULARIES, vocabulary_of
from harness.wire.messages import Empty, ErrorCode, Failure, HelloReply, Reply, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server

SCHEMA = json.loads(document.SCHEMA.read_text(encoding="utf-8"))


# -- documents ----------------------------------------------------------------------------------------


def test_the_generated_documents_are_up_to_date() -> None:
    assert document.main(["--check"]) == 0


def test_a_document_that_is_out_of_date_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(document, "schema", lambda: "{}\n")
    assert document.main(["--check"]) == 1
    assert capsys.readouterr().err == (
        f"{document.SCHEMA.relative_to(ROOT)} is out of date: run python -m harness.wire.document\n"
    )


def test_what_stands_around_the_generated_part_is_kept() -> None:
    text = document.wire_md(f"before\n{document.BEGIN}old\n{document.END}after\n")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old\n" not in text


@pytest.mark.parametrize("dialect", [dialect for dialect in Dialect if dialect is not Dialect.PACKAGE])
def test_every_dialect_has_exactly_one_vocabulary(dialect: Dialect) -> None:
    assert [v.title for v in VOCABULARIES if dialect in v.dialects] == [vocabulary_of(dialect).title]


def test_package_has_none() -> None:
    with pytest.raises(KeyError):
        vocabulary_of(Dialect.PACKAGE)


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda v: v.title)
def test_every_operation_and_event_is_documented_and_named_once(vocabulary: Any) -> None:
    names = [op.name for op in vocabulary.operations]
    assert len(set(names)) == len(names)
    assert not {"hello", "wait"} & set(names), "these belong to every dialect"
    for entry in (*vocabulary.operations, *vocabulary.events):
        assert entry.description, f"{vocabulary.title}: {entry.name} has no docstring"


# -- the schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("Reply", {"re": 1, "ok": {"confirmed": True}}),
        ("Reply", {"re": 1, "error": {"code": "refused", "text": "no", "definite": True}}),
        ("Failure", {"code": "unsupported", "text": "no", "feature": "will"}),
        ("WaitRequest", {"count": 1, "timeout_ms": 0}),
        ("HelloReply", {"wire": 1, "crate": "x", "version": "1.0.0", "dialects": [], "ops": ["wait"]}),
    ],
)
def test_the_schema_takes_a_right_message(shape: str, message: dict[str, Any]) -> None:
    jsonschema.validate(message, {"$ref": f"#/$defs/{shape}", "$defs": SCHEMA["$defs"]})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("Reply", {"ok": {}}),
        ("Failure", {"code": "sorry", "text": "no"}),
        ("WaitRequest", {"count": 0, "timeout_ms": 0}),
        ("WaitRequest", {"count": 1, "timeout_ms": 0, "more": 1}),
        ("HelloReply", {"wire": "1", "crate": "x", "version": "1", "dialects": [], "ops": []}),
    ],
)
def test_the_schema_refuses_a_wrong_message(shape: str, message: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message, {"$ref": f"#/$defs/{shape}", "$defs": SCHEMA["$defs"]})


@pytest.mark.parametrize(
    ("name", "message", "right"),
    [
        ("publish", {"topic": "t", "payload": "aGk=", "qos": 2}, True),
        ("publish", {"topic": "t", "payload": "aGk=", "qos": 3}, False),
        ("publish", {"topic": "t"}, False),
        ("subscribe", {"filters": [{"filter": "a/#", "qos": 1}]}, True),
        ("subscribe", {"filters": []}, False),
        ("connect", {"host": "h", "port": 1883, "client_id": "c", "keep_alive_s": 5}, True),
        ("connect", {"host": "h", "port": 0, "client_id": "c", "keep_alive_s": 5}, False),
    ],
)
def test_schema_and_types_agree_about_mqtt(name: str, message: dict[str, Any], right: bool) -> None:
    operation = mqtt.VOCABULARY.operation(name)
    assert operation is not None
    published = SCHEMA["dialects"]["MQTT"]["operations"][name]["request"]
    assert jsonschema.Draft202012Validator(published).is_valid(message) is right
    if right:
        operation.request.model_validate(message)
    else:
        with pytest.raises(ValidationError):
            operation.request.model_validate(message)


# -- values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\0", b"hi", bytes(range(256))])
def test_bytes_survive(data: bytes) -> None:
    assert decode(encode(data)) == data


@pytest.mark.parametrize("text", ["a", "a=", "aGk", "aG k=", "aGk=\n", "a-_="])
def test_what_is_no_standard_base64_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="not standard base64"):
        mqtt.PublishRequest.model_validate({"topic": "t", "payload": text})


def test_a_failure_is_definite_unless_it_says_otherwise() -> None:
    assert Failure(code=ErrorCode.IO, text="x").definite
    assert Reply.model_validate({"re": 1, "error": {"code": "io", "text": "x"}}).error is not None


# -- the server ---------------------------------------------------------------------------------------


class Client:
    """Knows how to publish, and nothing else."""

    def __init__(self) -> None:
        self.published: list[mqtt.PublishRequest] = []

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        if request.topic == "refused":
            raise ProbeFailure(ErrorCode.REFUSED, "not there", definite=False)
        self.published.append(request)
        return mqtt.Confirmation(confirmed=True)


def _server(source: str = "") -> tuple[Server, Client, Events, io.StringIO]:
    client, events, sink = Client(), Events(), io.StringIO()
    server = Server(
        crate="made-up",
        version="1.0.0",
        vocabulary=mqtt.VOCABULARY,
        dialects=["mqtt-3.1.1"],
        client=client,
        events=events,
        source=io.StringIO(source),
        sink=sink,
    )
    return server, client, events, sink


def _answer(**command: Any) -> dict[str, Any]:
    server, _, _, _ = _server()
    return server.answer({"id": 7, **command})


def test_hello_claims_what_the_client_has() -> None:
    reply = _answer(op="hello", wire=1)
    assert reply.pop("re") == 7
    assert HelloReply.model_validate(reply).ops == ["publish", "wait"]


def test_performs_an_operation() -> None:
    server, client, _, _ = _server()
    reply = server.answer({"id": 3, "op": "publish", "topic": "t", "payload": "aGk=", "qos": 1})
    assert reply == {"re": 3, "ok": {"confirmed": True}}
    assert client.published == [mqtt.PublishRequest(topic="t", payload="aGk=", qos=1)]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"op": "dance"}, "unknown"),
        ({"op": "publish", "topic": "t", "payload": "aGk=", "colour": "red"}, "unknown"),
        ({"op": "publish", "topic": "t", "payload": "aGk=", "qos": 3, "colour": "red"}, "unknown"),
        ({"op": "publish", "topic": "t", "payload": "aGk=", "qos": 3}, "bad_value"),
        ({"op": "publish", "topic": "t"}, "bad_value"),
        ({"op": "wait", "count": 0, "timeout_ms": 1}, "bad_value"),
        ({"op": "wait", "count": 1, "timeout_ms": 1, "more": 1}, "unknown"),
        ({"op": "subscribe", "filters": [{"filter": "a"}]}, "not_written"),
        ({"op": "publish", "topic": "refused", "payload": ""}, "refused"),
    ],
)
def test_refuses_with_the_code_that_the_contract_has(command: dict[str, Any], code: str) -> None:
    reply = _answer(**command)
    assert (reply["re"], reply["error"]["code"]) == (7, code)
    Reply.model_validate(reply)


def test_tells_where_an_operation_may_have_happened() -> None:
    assert _answer(op="publish", topic="refused", payload="")["error"]["definite"] is False


def test_serves_line_by_line_until_the_end_of_input_and_writes_events_during_a_wait_alone() -> None:
    commands = [
        {"id": 1, "op": "hello", "wire": 1},
        {"id": 2, "op": "wait", "count": 2, "timeout_ms": 10_000},
        {"id": 3, "op": "wait", "count": 1, "timeout_ms": 0},
    ]
    server, _, events, sink = _server("".join(json.dumps(command) + "\n" for command in commands))
    events.add("reconnected", Empty())
    events.add("disconnected", mqtt.Disconnected(reason="gone"))
    assert server.run() == 0
    hello, first, second, waited, nothing = (json.loads(line) for line in sink.getvalue().splitlines())
    assert hello["re"] == 1
    lost = {"event": "disconnected", "reason": "gone", "reason_code": None}
    assert [first, second] == [{"event": "reconnected"}, lost]
    assert [waited, nothing] == [{"re": 2, "ok": {"events": 2}}, {"re": 3, "ok": {"events": 0}}]
