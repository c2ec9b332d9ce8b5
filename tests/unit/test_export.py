"""A conversation as a file, and the program that plays it again."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.export import replay
from harness.export.conversation import conversation
from harness.export.folder import check, export
from harness.model import NO_PEER, Dialect, Evidence, Role
from harness.pcapng import Capture, TcpFlow
from tests.golden import made_up

HELLO = '{"id": 1, "op": "hello", "wire": 1}'
CONNECT = '{"id": 2, "op": "connect", "host": "127.0.0.1", "port": 4711}'
TRANSCRIPT = f"""\
   0.001 > {HELLO}
   0.002 < {{"re":1,"ops":["a very long list … (3000 characters)
   0.003 > {CONNECT}
   0.010 < {{"ok":{{}},"re":2}}
   0.011 # as expected: something
   0.012 > {{"id": 3, "op": "wait", "count": 1, "timeout_ms": 100}}
   0.020 < {{"event":"message","payload":"aGk="}}
   0.021 < {{"ok":{{"events":1}},"re":3}}
   0.022 ! a line of its log
"""


def _capture(path: Path, play: Callable[[TcpFlow], None]) -> bytes:
    capture = Capture(path / "wire.pcapng", "wire")
    flow = TcpFlow(capture, ("127.0.0.1", 50000), ("127.0.0.1", 1883))
    flow.opened()
    play(flow)
    capture.close()
    return (path / "wire.pcapng").read_bytes()


def _talk(flow: TcpFlow) -> None:
    flow.data("a", b"knock")
    flow.data("b", b"come in")
    flow.finished("b")
    flow.reset("b", "closed at the end of the attempt")


def test_a_conversation_has_what_was_said_to_the_probe_and_by_the_peer(tmp_path: Path) -> None:
    said = conversation(TRANSCRIPT, _capture(tmp_path, _talk), 1883)
    assert [(line["from"], line["at"]) for line in said["lines"]] == [
        ("harness", 0.001),
        ("harness", 0.003),
        ("probe", 0.01),
        ("harness", 0.012),
        ("probe", 0.02),
        ("probe", 0.021),
    ]
    assert (said["peer"]["host"], said["peer"]["port"]) == ("127.0.0.1", 4711)
    (pieces,) = said["peer"]["connections"]
    assert [(piece["from"], piece.get("end") or base64.b64decode(piece["bytes"])) for piece in pieces] == [
        ("crate", b"knock"),
        ("peer", b"come in"),
        ("peer", "close"),
    ]


@pytest.mark.parametrize(
    ("transcript", "said"),
    [
        (TRANSCRIPT + f"   1.0 > {HELLO}\n", "the cell has more than one client"),
        (TRANSCRIPT + f"   1.0 second > {HELLO}\n", "the cell has more than one client"),
        (TRANSCRIPT.replace("4711}", '4711, "tls": {"ca": "x"}}'), "the cell is about TLS, of whose keys"),
        (TRANSCRIPT.replace(CONNECT, '{"id": 2, "op": "x"}'), "the cell has 0 addresses to connect to"),
        (TRANSCRIPT + f"   1.0 > {CONNECT.replace('4711', '4712')}\n", "the cell has 2 addresses to connect to"),
        (
            TRANSCRIPT + '   1.0 > {"id": 4, "payload": "aaa… (3000 characters)\n',
            "a message of the cell is too long for its transcript",
        ),
    ],
    ids=["two hellos", "named", "TLS", "no address", "two addresses", "long"],
)
def test_what_cannot_be_played_again_is_refused_with_the_reason(tmp_path: Path, transcript: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        conversation(transcript, _capture(tmp_path, _talk), 1883)


def test_bytes_that_were_held_back_cannot_be_played(tmp_path: Path) -> None:
    def play(flow: TcpFlow) -> None:
        flow.data("b", b"late", "held back by the scenario")

    with pytest.raises(UsageError, match="the scenario held bytes back"):
        conversation(TRANSCRIPT, _capture(tmp_path, play), 1883)


# -- playing it again ---------------------------------------------------------------------------------

#: A client as small as can be: it knocks, and tells what it is answered.
PROBE = f"""\
#!{sys.executable}
import base64, json, socket, sys
for line in sys.stdin:
    command = json.loads(line)
    if command["op"] == "connect":
        client = socket.create_connection((command["host"], command["port"]))
        client.sendall(b"KNOCK")
    if command["op"] == "die":
        sys.exit(3)
    if command["op"] == "wait":
        answer = client.recv(100)
        print(json.dumps({{"event": "message", "payload": base64.b64encode(answer).decode()}}), flush=True)
    print(json.dumps({{"re": command["id"], "ok": {{}}}}), flush=True)
"""


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Plays a conversation in which the peer answers `answer`, and in which the crate was told of `hi`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    probe = tmp_path / "probe"
    probe.write_text(PROBE, encoding="utf-8")
    probe.chmod(0o755)
    shutil.copy(replay.__file__, tmp_path / "replay.py")

    def run(answer: bytes, *arguments: str, transcript: str = TRANSCRIPT) -> subprocess.CompletedProcess[str]:
        def talk(flow: TcpFlow) -> None:
            flow.data("a", b"knock")
            flow.data("b", answer)

        said = conversation(transcript.replace("4711", str(port)), _capture(tmp_path, talk), 1883)
        said |= {"probe": "none", "build_environment": {}}
        (tmp_path / "conversation.json").write_text(json.dumps(said), encoding="utf-8")
        argv = [sys.executable, str(tmp_path / "replay.py"), "--probe", str(probe), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    return run


Play = Callable[..., subprocess.CompletedProcess[str]]


def test_a_crate_that_does_the_same_is_exit_0(play: Play) -> None:
    done = play(b"hi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "  recorded: connect (2): {}",
        '  recorded: {"event": "message", "payload": "aGk="}',
        "  connection 1: 5 bytes sent, recorded 5; the first difference is at 0",
        "the crate told the application the same",
    ]


def test_a_crate_that_does_something_else_is_exit_1_and_the_difference_is_marked(play: Play) -> None:
    done = play(b"ho")
    assert done.returncode == 1
    assert '! recorded: {"event": "message", "payload": "aGk="}' in done.stdout
    assert '! now:      {"event": "message", "payload": "aG8="}' in done.stdout


def test_a_crate_that_dies_is_exit_1(play: Play) -> None:
    done = play(b"hi", transcript=TRANSCRIPT + '   0.03 > {"id": 4, "op": "die"}\n   0.04 < {"ok":{},"re":4}\n')
    assert done.returncode == 1
    assert "! recorded: die (4): {}\n! now:      die (4): no reply\n" in done.stdout


def test_a_port_that_is_taken_is_exit_2(play: Play, tmp_path: Path) -> None:
    play(b"hi")
    port = json.loads((tmp_path / "conversation.json").read_text(encoding="utf-8"))["peer"]["port"]
    with socket.create_server(("127.0.0.1", port)):
        done = play(b"hi")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr


def test_a_real_broker_can_take_the_peers_place(play: Play) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:

        def serve() -> None:
            client, _ = broker.accept()
            client.recv(5)
            client.sendall(b"hi")

        threading.Thread(target=serve, daemon=True).start()
        done = play(b"not asked", "--broker", f"127.0.0.1:{broker.getsockname()[1]}")
    assert done.returncode == 0, done.stdout + done.stderr


# -- the folder ---------------------------------------------------------------------------------------


def _cell(name: str) -> Any:
    return next(cell for cell in made_up.matrix().cells if cell.key.crate == name and cell.measured)


def test_what_is_no_crate_at_a_broker_is_not_exported(tmp_path: Path) -> None:
    crates = {crate.name: crate for crate in made_up.CRATES}
    for name, line in (("paho", made_up.LINES[0]), ("mqtt-one", None)):
        with pytest.raises(UsageError, match="a crate that talks MQTT, AMQP or Kafka, without TLS; without --export"):
            export(_cell(name), crates[name], line, tmp_path, tmp_path / "out")


def test_what_cannot_be_exported_is_told_before_it_is_measured(tmp_path: Path) -> None:
    crate = made_up.CRATES[0]
    check("cell", crate, "mosquitto@2.0", tmp_path)
    for other, peer, why in (
        (replace(crate, dialects=(Dialect.ZMTP,)), "pyzmq@27", "MQTT, AMQP or Kafka"),
        (crate, NO_PEER, "MQTT, AMQP or Kafka"),
        (replace(crate, role=Role.VERSION), "mosquitto@2.0", "another version"),
    ):
        with pytest.raises(UsageError, match=f"cell cannot be exported: .*{why}"):
            check("cell", other, peer, tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    cell = next(c for c in made_up.matrix().cells if c.key.scenario == "receives" and c.key.crate == "mqtt-one")
    with pytest.raises(UsageError, match="is there already; name a new folder"):
        export(cell, made_up.CRATES[0], made_up.LINES[0], tmp_path, tmp_path / "out")


def test_the_folder_has_all_that_it_needs(tmp_path: Path) -> None:
    cell = next(c for c in made_up.matrix().cells if c.key.scenario == "receives" and c.key.crate == "mqtt-one")
    made_up.write_evidence(tmp_path)
    evidence = {e.kind: tmp_path / e.path for e in cell.result.attempts[0].evidence}
    evidence["transcript"].write_text(TRANSCRIPT, encoding="utf-8")
    evidence["capture"].write_bytes(_capture(tmp_path, _talk))
    packets = made_up.conversation_of(cell.key)
    (tmp_path / packets).write_text("what was sent", encoding="utf-8")
    said = replace(
        cell.result.attempts[0], evidence=(*cell.result.attempts[0].evidence, Evidence("conversation", packets, ""))
    )
    cell = replace(cell, result=replace(cell.result, attempts=(said,)))
    crate = replace(made_up.CRATES[0], name="mqttc")
    export(cell, crate, made_up.LINES[0], tmp_path, tmp_path / "out")
    out = tmp_path / "out"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {
        "README.md",
        "replay.py",
        "conversation.json",
        "broker/compose.yaml",
        "broker/.env",
        "probes/mqttc/Cargo.lock",
        "probes/kit/src/lib.rs",
        "probes/netopt-without-tls/Cargo.toml",
        "conversation.txt",
    } <= files
    assert (out / "conversation.txt").read_text() == "what was sent"
    assert "`conversation.txt`" in (out / "README.md").read_text()
    assert (out / "broker" / ".env").read_text(encoding="utf-8") == "IOTYET_IMAGE=eclipse-mosquitto:2.0\n"
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "- Expected: the payload as it was sent\n" in readme
    assert "python3 replay.py --broker 127.0.0.1:1883" in readme
