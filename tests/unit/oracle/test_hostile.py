"""Bytes that nobody foresaw: a source objects or has nothing to say, and never falls over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.oracle import peers
from harness.oracle.captures import Half
from harness.oracle.codecs import refused_by_aiocoap, refused_by_pika
from harness.oracle.reading import Outcome
from harness.oracle.websocket import unwrap
from tests.unit.oracle.mutants import edited
from tests.unit.oracle.test_rules import JUDGES

#: Every stream that is right, by protocol.
STREAMS = {name: sorted({bytes(mutant.valid) for mutant in mutants}) for name, (_, mutants) in JUDGES.items()}


def _check(judge: Callable[[bytes], Outcome], data: bytes) -> None:
    outcome = judge(data)
    assert all(0 < objection.end <= len(data) or not data for objection in outcome.objections)
    assert len(outcome.objections) + len(outcome.unjudged) <= outcome.frames
    assert 0 <= outcome.rest <= len(data)


@pytest.mark.parametrize("protocol", JUDGES)
@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_judged(protocol: str, data: bytes) -> None:
    _check(JUDGES[protocol][0], data)


@pytest.mark.parametrize("protocol", JUDGES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_stream_with_one_byte_changed_is_judged(protocol: str, data: st.DataObject) -> None:
    stream = data.draw(st.sampled_from(STREAMS[protocol]))
    at = data.draw(st.integers(0, len(stream) - 1))
    changed = edited(stream, at, bytes([data.draw(st.integers(0, 255))]))
    _check(JUDGES[protocol][0], changed)
    if protocol == "amqp":
        list(refused_by_pika(changed))
        list(peers.in_amqp(changed))
    if protocol == "coap":
        refused_by_aiocoap(changed)
    if protocol == "mqtt":
        level, _ = peers.client_of(changed)
        list(peers.in_mqtt(changed, level))


@settings(deadline=None)
@given(data=st.binary(max_size=200), masked=st.booleans())
def test_any_bytes_are_taken_out_of_websocket(data: bytes, masked: bool) -> None:
    half = Half()
    half.add(b"GET / HTTP/1.1\r\n\r\n" + data, 4)
    inside = unwrap(half, masked=masked)
    assert len(inside.data) <= len(data)
    assert set(inside.numbers) <= {4}


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_may_be_a_peers_answer(data: bytes) -> None:
    list(peers.in_amqp(data))
    list(peers.in_mqtt(data, 5))
    peers.client_of(data)
    list(refused_by_pika(data))
    refused_by_aiocoap(data)
