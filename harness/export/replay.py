#!/usr/bin/env python3
"""Plays a recorded conversation to a crate, and says whether the crate does the same again. It needs Python alone.

conversation.json has the commands that the probe got, with what it replied, and what the crate's peer sent on each
connection. By default this program plays that peer, byte for byte; with --broker the crate talks to a real one, which
does not know what other clients sent in the recording.

Exits with 0 where the crate did the same, 1 where it did something else, 2 where nothing could be tried.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
#: Seconds for which the peer waits for bytes that the crate sent in the recording.
PATIENCE = 30.0
#: Seconds that a reply may take beyond what it took in the recording.
GRACE = 10.0


def main() -> int:
    """Build the probe, play the conversation, and compare."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--broker", metavar="HOST:PORT", help="talk to this broker instead of the recorded peer")
    arguments.add_argument("--probe", type=Path, metavar="FILE", help="a probe that is built already")
    given = arguments.parse_args()
    recorded = json.loads((HERE / "conversation.json").read_text(encoding="utf-8"))
    probe = given.probe or build(recorded["probe"], recorded["build_environment"])
    sent: list[bytearray] = []
    if given.broker:
        redirect(recorded["lines"], given.broker)
    else:
        play_peer(recorded["peer"], sent)
    then, now = outcome(recorded["lines"]), outcome(converse(probe, recorded["lines"]))
    for number in range(max(len(then), len(now))):
        one = then[number] if number < len(then) else "nothing more"
        other = now[number] if number < len(now) else "nothing more"
        print(f"{'  ' if one == other else '! '}recorded: {one}")
        if one != other:
            print(f"! now:      {other}")
    for number, now_sent in enumerate(sent):
        print(compared(number, recorded["peer"]["connections"][number], now_sent))
    print(f"the crate told the application {'the same' if then == now else 'something else'}")
    return 0 if then == now else 1


def compared(number: int, pieces: list[dict[str, Any]], now: bytearray) -> str:
    """How far the crate sent the same bytes. That decides nothing: names in random order and the clock change them."""
    then = b"".join(base64.b64decode(piece["bytes"]) for piece in pieces if piece["from"] == "crate")
    common = min(len(then), len(now))
    place = next((place for place in range(common) if then[place] != now[place]), None)
    where = f"the first {common} are the same" if place is None else f"the first difference is at {place}"
    return f"  connection {number + 1}: {len(now)} bytes sent, recorded {len(then)}; {where}"


def build(name: str, settings: dict[str, str]) -> Path:
    """Compile the probe as it was compiled for the recording."""
    manifest = HERE / "probes" / name / "Cargo.toml"
    target = HERE / "target"
    argv = ["cargo", "build", "--locked", "--manifest-path", str(manifest), "--target-dir", str(target)]
    if subprocess.run(argv, env={**os.environ, **settings}, check=False).returncode:
        sys.exit(2)
    return target / "debug" / f"probe-{name}"


def redirect(lines: list[dict[str, Any]], broker: str) -> None:
    """Have every command name this broker."""
    host, _, port = broker.rpartition(":")
    for line in lines:
        message = line["message"]
        if line["from"] == "harness" and "port" in message:
            message.update(host=host, port=int(port))
        if line["from"] == "harness" and "bootstrap" in message:
            message["bootstrap"] = [broker]


# -- the peer -----------------------------------------------------------------------------------------


def play_peer(peer: dict[str, Any], sent: list[bytearray]) -> None:
    """Listen where the recorded peer listened, answer each connection as it did, and note what the crate sends."""
    try:
        listener = socket.create_server((peer["host"], peer["port"]))
    except OSError as error:
        print(f"{peer['host']}:{peer['port']}: {error.strerror}; end what uses this port", file=sys.stderr)
        sys.exit(2)

    def serve() -> None:
        connections = list(peer["connections"])
        while True:
            connection, _ = listener.accept()
            if connections:
                sent.append(bytearray())
                arguments = (connection, connections.pop(0), sent[-1])
                threading.Thread(target=play_connection, args=arguments, daemon=True).start()
            else:
                reset(connection)

    threading.Thread(target=serve, daemon=True).start()


def play_connection(connection: socket.socket, pieces: list[dict[str, Any]], sent: bytearray) -> None:
    """Send what the peer sent, each piece once the crate has sent what it had sent by then."""
    wanted, last = 0, None
    connection.settimeout(PATIENCE)
    try:
        for piece in pieces:
            if piece["from"] == "crate":
                wanted += len(base64.b64decode(piece["bytes"]))
                while len(sent) < wanted:
                    received = connection.recv(65536)
                    if not received:
                        return
                    sent += received
            else:
                time.sleep(max(0.0, piece["at"] - last) if last is not None else 0.0)
                if piece.get("end") == "reset":
                    reset(connection)
                    return
                if piece.get("end") == "close":
                    connection.shutdown(socket.SHUT_WR)
                else:
                    connection.sendall(base64.b64decode(piece["bytes"]))
            last = piece["at"]
        connection.settimeout(None)
        while received := connection.recv(65536):
            sent += received
    except OSError:
        pass
    finally:
        connection.close()


def reset(connection: socket.socket) -> None:
    """Break a connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# -- the probe ----------------------------------------------------------------------------------------


def converse(probe: Path, recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send the recorded commands at their pace; returns what was said this time."""
    process = subprocess.Popen([str(probe)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - it has pipes
    said: queue.Queue[str] = queue.Queue()
    threading.Thread(target=listen, args=(process.stdout, said), daemon=True).start()
    heard: list[dict[str, Any]] = []
    before = 0.0
    for number, line in enumerate(recorded):
        if line["from"] == "probe":
            before = line["at"]
            continue
        time.sleep(max(0.0, line["at"] - before) if before else 0.0)
        heard.append(line)
        try:
            process.stdin.write(json.dumps(line["message"]) + "\n")
            process.stdin.flush()
        except OSError:
            break
        replies = [r["at"] for r in recorded[number:] if r["message"].get("re") == line["message"]["id"]]
        took = (replies[0] if replies else recorded[-1]["at"]) - line["at"]
        if not await_reply(said, line["message"]["id"], took + GRACE, heard):
            break
    try:
        process.stdin.close()
        process.wait(5)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
    return heard


def listen(output: IO[str], said: queue.Queue[str]) -> None:
    """Pass on every line of the probe, and an empty one at its end."""
    for line in output:
        said.put(line)
    said.put("")


def await_reply(said: queue.Queue[str], number: int, seconds: float, heard: list[dict[str, Any]]) -> bool:
    """Note what the probe says until it replies to a command; false where it dies or stays silent."""
    end = time.monotonic() + seconds
    while True:
        try:
            line = said.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return False
        if not line:
            return False
        message = json.loads(line)
        heard.append({"from": "probe", "message": message})
        if message.get("re") == number:
            return True


def outcome(lines: list[dict[str, Any]]) -> list[str]:
    """What counts of a conversation: every event, and how every command ended. How often it waited does not."""
    replies = {line["message"]["re"]: line["message"] for line in lines if "re" in line["message"]}
    told = []
    for line in lines:
        message = line["message"]
        if "event" in message:
            told.append(json.dumps(message, sort_keys=True))
        elif line["from"] == "harness" and message["op"] not in ("hello", "wait"):
            told.append(f"{message['op']} ({message['id']}): {ended(replies.get(message['id']))}")
    last = lines[-1]["message"] if lines else {}
    if last.get("op") == "wait":
        told.append("wait: no reply")
    return told


def ended(reply: dict[str, Any] | None) -> str:
    """How a command ended; the words of an error may change, its code may not."""
    if reply is None:
        return "no reply"
    if "error" in reply:
        return f"error {reply['error'].get('code')}"
    return json.dumps(reply.get("ok"), sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
