"""Writes a cell as a folder: the probe with the kit, what was said, the broker, and a program that plays it again."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

from harness.errors import HarnessFault, UsageError
from harness.export import replay
from harness.export.conversation import conversation
from harness.matrix import Cell
from harness.model import NO_PEER, BrokerLine, Crate, Dialect, Role
from harness.paths import COMPOSE, PROBES
from harness.probes.cargo import PROFILE
from harness.report.results_json import decisive

#: The peer's port in captures.
_PORTS = {Dialect.MQTT_3_1_1: 1883, Dialect.MQTT_5: 1883, Dialect.AMQP_0_9_1: 5672, Dialect.KAFKA: 9092}

_README = """\
# {cell}

{title}

- Asked by: {spec}
- Expected: {expected}
- Observed: {observed} ({verdict})

What it needs: Python 3.11 or newer, cargo, and the C libraries that the crate links to.

    python3 replay.py

builds the probe, a small program around {package} {version} (`probes/{crate}/src/main.rs`), sends it the commands of
`conversation.json`, and plays the peer as it was recorded, byte for byte. It says of every reply and event whether the
crate told the application the same, and exits with 0 where it did, 1 where it did not; and it tells how far the crate
sent the same bytes.{packets} To try a changed crate, let `probes/{crate}/Cargo.toml` name it by a path.

With Docker, the same commands against a real broker, which knows nothing of what other clients sent in the recording:

    docker compose --project-directory broker up --detach
    python3 replay.py --broker 127.0.0.1:{port}
    docker compose --project-directory broker down
"""


def check(name: str, crate: Crate, peer: str, target: Path) -> None:
    """Say so where a cell cannot be exported, as far as that is known before it is measured.

    Args:
        name: what the cell is called.
        crate: whose cell it is.
        peer: the id of its broker line.
        target: where it is to be written.

    Raises:
        UsageError: the cell cannot be played again, or the folder is there.
    """
    if crate.command or peer == NO_PEER or not {*crate.dialects} & {*_PORTS}:
        raise _refused(name, "a copy plays the broker to a crate that talks MQTT, AMQP or Kafka, without TLS")
    if crate.role is Role.VERSION:
        raise _refused(name, "the probe of another version than the catalogue's is made anew")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already; name a new folder")


def export(cell: Cell, crate: Crate, line: BrokerLine | None, run: Path, target: Path) -> None:
    """Write the folder.

    Args:
        cell: measured, with its evidence.
        crate: whose cell it is.
        line: the broker that was asked; null for cells without one.
        run: the run's folder.
        target: a folder that is not there yet, or is empty.

    Raises:
        UsageError: the cell cannot be played again, or the folder is there.
        HarnessFault: it cannot be written.
    """
    name = str(cell.key)
    check(name, crate, cell.key.peer, target)
    attempt, port = decisive(cell.result), _PORTS[cell.key.dialect]
    if line is None or attempt is None:
        raise _refused(name, "it was not measured against a broker")
    files = {
        kind: [run / e.path for e in attempt.evidence if e.kind == kind]
        for kind in ("transcript", "capture", "conversation")
    }
    if len(files["transcript"]) != 1 or len(files["capture"]) != 1:
        raise _refused(name, f"it has {len(files['capture'])} captures, and a copy plays one")
    try:
        said = conversation(files["transcript"][0].read_text(encoding="utf-8"), files["capture"][0].read_bytes(), port)
    except UsageError as error:
        raise _refused(name, str(error)) from error
    said |= {"probe": crate.name, "build_environment": PROFILE}
    try:
        for folder in (crate.name, *_beside(crate.name)):
            shutil.copytree(
                PROBES / folder, target / "probes" / folder, ignore=shutil.ignore_patterns("target", "locks")
            )
        shutil.copytree(COMPOSE / line.broker, target / "broker", ignore=shutil.ignore_patterns("lines.toml"))
        (target / "broker" / ".env").write_text(f"IOTYET_IMAGE={line.image}\n", encoding="utf-8")
        (target / "conversation.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(replay.__file__, target / "replay.py")
        packets = next((path for path in files["conversation"] if path.is_file()), None)
        if packets:
            shutil.copyfile(packets, target / "conversation.txt")
        (target / "README.md").write_text(
            _README.format(
                cell=cell.key,
                title=cell.scenario.title,
                spec=", ".join(cell.scenario.spec),
                expected=attempt.expected or cell.scenario.title,
                observed=attempt.observed,
                verdict=cell.verdict,
                package=crate.package,
                version=crate.version,
                crate=crate.name,
                port=port,
                packets=" What was sent is in `conversation.txt`, as tshark reads it." if packets else "",
            ),
            encoding="utf-8",
        )
    except (OSError, shutil.Error) as error:
        raise HarnessFault(f"{target} cannot be written: {error}") from error


def _refused(name: str, why: str) -> UsageError:
    return UsageError(f"{name} cannot be exported: {why}; without --export it can be measured again")


def _beside(name: str) -> list[str]:
    """The folders beside a probe that its manifest leads to."""
    manifest = tomllib.loads((PROBES / name / "Cargo.toml").read_text(encoding="utf-8"))
    tables = [manifest.get("dependencies", {}), *manifest.get("patch", {}).values()]
    paths = [
        entry["path"] for table in tables for entry in table.values() if isinstance(entry, dict) and "path" in entry
    ]
    return [path.removeprefix("../") for path in paths]
