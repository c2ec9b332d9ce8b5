"""A made-up run: three crates and a control, two protocols, every verdict, and text that means harm."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import replace
from pathlib import Path

from harness.authors import ProbeSource, Statement
from harness.matrix import Matrix
from harness.model import (
    NO_PEER,
    Attempt,
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Claim,
    Consequence,
    Crate,
    Dialect,
    Duty,
    Evidence,
    Expectation,
    Kind,
    Level,
    Need,
    Profile,
    Requirement,
    Role,
    Scenario,
    Sourced,
    Verdict,
)
from harness.report.publication import Publication
from harness.snapshot import Snapshot
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate
from harness.wellformed import Finding, OracleRecord, WireJudgement, WireVerdict

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"{SCRIPT} \x1b[31mred\x1b[0m \x1b]0;title\x07 a|b `c` \x00 \u202eevil"
MQTT, KAFKA = Dialect.MQTT_3_1_1, Dialect.KAFKA
MOSQUITTO, KAFKA_LINE = "mosquitto@2.0", "kafka@3.9"


def _scenario(dialect: Dialect, group: str, name: str, level: Level = Level.CORE, **more: object) -> Scenario:
    made = Scenario(
        id=name,
        dialect=dialect,
        group=group,
        capability="base",
        level=level,
        requirement=Requirement.MUST,
        consequence=Consequence.LOSS,
        title=f"The client {name.replace('_', ' ')}.",
    )
    return replace(made, **more)  # type: ignore[arg-type]


SCENARIOS = (
    _scenario(Dialect.PACKAGE, "builds", "compiles_as_published", requirement=Requirement.PRACTICE),
    _scenario(Dialect.PACKAGE, "builds", "compiles_as_repaired", requirement=Requirement.PRACTICE),
    _scenario(MQTT, "connect", "connects", spec=("MQTT-3.1.0-1",)),
    _scenario(MQTT, "connect", "reports_a_wrong_password", features=("credentials",)),
    _scenario(MQTT, "deliver", "receives", spec=(f"see https://docs.example.org/spec#3.3 and {SCRIPT}",)),
    _scenario(
        MQTT, "deliver", "receives_large_payloads", Level.EXTENDED, details="First part.\n\nSecond part.", timer=3.0
    ),
    _scenario(MQTT, "recover", "resumes_a_session", needs=(Need.SESSION,), requirement=Requirement.SHOULD),
    _scenario(MQTT, "recover", "notices_a_silent_broker", Level.ROBUSTNESS, scripted="harness/peers/mqtt.py"),
    _scenario(Dialect.MQTT_5, "connect", "sends_user_properties"),
    _scenario(KAFKA, "produce", "produces"),
    _scenario(KAFKA, "produce", "produces_large_records", Level.EXTENDED),
)

CRATES = (
    Crate(
        name="mqtt-one",
        role=Role.LISTED,
        kind=Kind.CLIENT,
        dialects=(MQTT, Dialect.MQTT_5),
        package="mqtt-one",
        version="1.2.3",
        licence="MIT OR Apache-2.0",
        guide_name="Mqtt One",
        guide_link="https://github.com/example/mqtt-one",
        repairs=(Sourced("cc = 1.0.79", f"ring does not compile {SCRIPT}", "https://docs.example.org/ring"),),
        unsupported=(Sourced("credentials", "there is no option for them", "javascript:alert(1)"),),
        left_to_application=(Sourced(Duty.RECONNECT, "the README says so", "https://docs.example.org/readme"),),
        retired=Sourced("mqtt-two", "the repository is archived", "https://github.com/example/mqtt-one"),
    ),
    Crate(
        name="codec",
        role=Role.CANDIDATE,
        kind=Kind.CODEC,
        dialects=(MQTT, KAFKA),
        package="the-codec",
        codec_source="https://docs.example.org/codec",
        version="0.1.0",
        licence="MIT",
        may_be_unreachable="its source is on one site alone",
        native_libraries=("libzmq",),
    ),
    Crate(
        name="kafka-one",
        role=Role.LISTED,
        kind=Kind.CLIENT,
        dialects=(KAFKA,),
        package="kafka-one",
        version="0.10.0",
        licence="MIT",
        guide_name="kafka-one",
        guide_link="https://github.com/example/kafka-one",
        has_probe=False,
    ),
    Crate(
        name="paho",
        role=Role.CONTROL,
        kind=Kind.CLIENT,
        dialects=(MQTT,),
        package="paho-mqtt",
        version="2.2.0",
        licence="EPL-2.0",
        command=("python",),
    ),
)
LINES = (
    BrokerLine("mosquitto", "2.0", Profile.CI, (MQTT,), "eclipse-mosquitto:2.0", "", "2.0", maintained_by="somebody"),
    BrokerLine("kafka", "3.9", Profile.DEFAULT, (KAFKA,), "apache/kafka:3.9.0", "", "3.9"),
)
RUN = RunInfo(
    id="20261122-101112-abcd",
    started="2026-11-22T10:11:12Z",
    profile="default",
    selection="",
    commit="0123456789abcdef0123456789abcdef01234567",
    dirty=True,
    host={"os": "Debian GNU/Linux 12", "arch": "x86_64", "cpus": "2"},
    tools={"python": "3.11.7", "rustc": "1.95.0 (made up)"},
    harness_version="0.1.0",
    seconds=12.5,
    exit=1,
    brokers=(
        {
            "line": MOSQUITTO,
            "version": "2.0.22",
            "provider": "image",
            "image": "eclipse-mosquitto",
            "digest": "sha256:1",
        },
    )
    * 2,
    builds={
        "published-mqtt-one": {
            "repository": "https://github.com/example/mqtt-one",
            "newer": f"1.3.0 {SCRIPT}",
            "dependencies": 113,
            "last_release": f"1.3.0 {SCRIPT}",
            "last_released": "2026-03-01",
            "advisories": {
                "unknown": "",
                "found": [
                    {
                        "id": "RUSTSEC-2026-0001",
                        "package": "leaky",
                        "version": "0.1.0",
                        "title": f"it leaks {SCRIPT}",
                        "patched": [">=0.2.0"],
                        "source": "https://rustsec.org/advisories/RUSTSEC-2026-0001.html",
                    },
                    {
                        "id": "RUSTSEC-2026-0002",
                        "package": "old",
                        "version": "1.0.0",
                        "title": HOSTILE,
                        "informs": "unmaintained",
                        "source": "javascript:alert(1)",
                    },
                ],
                "database": f"734 advisories, 2026-11-20, commit {SCRIPT}",
            },
        },
        "build-mqtt-one": {"lock_sha256": "ab" * 32},
        "vetted-codec": {
            "settings": [
                {"name": "limit", "value": "1 MiB", "default": "10 KiB", "source": "https://docs.example.org/l"},
                {"name": "pause", "value": "1 s", "default": "none", "source": "", "dialects": ["kafka"]},
            ],
            "assembled": ["publish"],
        },
    },
)


def key(crate: str, scenario: str, params: str = "") -> CellKey:
    """The key of a cell of this run."""
    version = next(entry.version for entry in CRATES if entry.name == crate)
    dialect = next(entry.dialect for entry in SCENARIOS if entry.id == scenario)
    peer = {MQTT: MOSQUITTO, Dialect.MQTT_5: MOSQUITTO, KAFKA: KAFKA_LINE}.get(dialect, NO_PEER)
    return CellKey(dialect, scenario, params, crate, version, peer)


def evidence_of(cell: CellKey, attempt: int) -> tuple[Evidence, ...]:
    """What an attempt left; `write_evidence` makes the files."""
    folder = f"evidence/{cell}".replace("[", "-").replace("]", "") + f"/{attempt}"
    kinds = (("broker log", "broker.log"), ("capture", "capture.pcapng"), ("transcript", "transcript.txt"))
    digests = {kind: hashlib.sha256(_content(cell, kind)).hexdigest() for kind, _ in kinds}
    return tuple(Evidence(kind, f"{folder}/{name}", digests[kind]) for kind, name in kinds)


#: What the oracle wrote down of a capture, here without the care that it takes of what crates send.
CONVERSATION = f"""\
capture.pcapng: packets, seconds since the first, who sends
     1     0.000  crate opens the connection
     4     0.001  crate MQTT      Connect Command {HOSTILE}
                 ^ malformed: strings are UTF-8 (MQTT 5.0 [MQTT-3.1.0-1])
     5     0.002  peer  resets the connection  [cut by the scenario]
"""


def conversation_of(cell: CellKey) -> str:
    """Where the oracle wrote that of a cell's first attempt."""
    return f"evidence/{cell}/conversation-1.txt"


def _content(cell: CellKey, kind: str) -> bytes:
    """What a file of an attempt says; the broker's log has nothing of some cells."""
    if kind == "broker log" and cell.scenario in ("receives_large_payloads", "notices_a_silent_broker"):
        return b""
    return f"first line\n{HOSTILE}\nlast line of {kind}\n".encode()


def _result(cell: CellKey, verdict: Verdict, observed: str = "", wanted: str = "", **more: object) -> CellResult:
    attempt = Attempt(verdict, wanted, observed or "as stated", 0.5, evidence_of(cell, 1))
    version = "2.0.22" if cell.dialect is MQTT else ""
    reproduce = f"pytest 'scenarios/test.py::test_{cell.scenario}[{cell.crate}]'"
    made = CellResult(cell, verdict, attempt.reason, 0.5, (attempt,), broker_version=version, reproduce=reproduce)
    return replace(made, **more)  # type: ignore[arg-type]


def _results() -> tuple[CellResult, ...]:
    unexpected, unmeasured = Change.UNEXPECTED, Change.UNMEASURED
    flaky = key("mqtt-one", "notices_a_silent_broker")
    attempts = (
        Attempt(Verdict.PASS, "", "as stated", 1.0, evidence_of(flaky, 1)),
        Attempt(Verdict.TIMEOUT, "an error within 5 s", "silence for 30 s", 30.0, evidence_of(flaky, 2)),
    )
    return (
        _result(
            key("mqtt-one", "compiles_as_published"), Verdict.BUILD_FAILED, "error[E0283] in ring", change=unexpected
        ),
        _result(key("mqtt-one", "compiles_as_repaired"), Verdict.PASS),
        _result(key("mqtt-one", "connects", "0"), Verdict.PASS),
        _result(key("mqtt-one", "connects", "1"), Verdict.PASS, change=Change.STALE, expected=Verdict.FAIL),
        _result(key("mqtt-one", "reports_a_wrong_password"), Verdict.UNSUPPORTED, "there is no option for them"),
        _result(
            key("mqtt-one", "receives"),
            Verdict.FAIL,
            f"{HOSTILE} /home/me/project/x.rs at 127.0.0.1:40123, see https://mirror.example.org/index",
            "the payload as it was sent",
            control=Verdict.PASS,
            control_reason="as stated",
            expected=Verdict.FAIL,
            options=("max_packet_size = 1 MiB",),
        ),
        _result(
            key("mqtt-one", "receives_large_payloads"),
            Verdict.CRASH,
            "thread 'main' panicked at src/lib.rs:1",
            control=Verdict.PASS,
            change=unexpected,
        ),
        _result(
            flaky,
            Verdict.TIMEOUT,
            attempts=attempts,
            flaky=True,
            change=unexpected,
            control=Verdict.PASS,
            reason=attempts[1].reason,
        ),
        _result(key("mqtt-one", "sends_user_properties"), Verdict.PASS),
        _result(key("codec", "compiles_as_published"), Verdict.UNAVAILABLE, "host unreachable", change=unmeasured),
        _result(key("codec", "compiles_as_repaired"), Verdict.PASS),
        _result(key("codec", "connects", "0"), Verdict.PASS),
        _result(key("codec", "connects", "1"), Verdict.PASS),
        _result(key("codec", "reports_a_wrong_password"), Verdict.BROKEN, f"the reference failed {HOSTILE}"),
        _result(key("codec", "receives"), Verdict.PASS),
        _result(key("codec", "receives_large_payloads"), Verdict.NOT_RUN, "not written yet", change=unmeasured),
        _result(key("paho", "connects", "0"), Verdict.PASS),
        _result(key("paho", "connects", "1"), Verdict.PASS),
        _result(key("paho", "receives"), Verdict.PASS),
    )


RESULTS = _results()


def _planned() -> tuple[PlannedCell, ...]:
    cells = []
    for scenario in SCENARIOS:
        for crate in CRATES:
            package = scenario.dialect is Dialect.PACKAGE and crate.role is not Role.CONTROL
            if package or scenario.dialect in crate.dialects:
                for params in ("0", "1") if scenario.id == "connects" else ("",):
                    cell = key(crate.name, scenario.id, params)
                    cells.append(PlannedCell(cell, crate.name != "kafka-one", f"scenarios/test.py::{cell}"))
    return tuple(cells)


EXPECTATIONS = (
    Expectation(
        key("mqtt-one", "receives"),
        Verdict.FAIL,
        "as it was sent",
        f"payloads are cut {SCRIPT}",
        "2026-10-01",
        defect="cut-payload",
        issue="https://github.com/example/mqtt-one/issues/7",
        file="scenarios/mqtt/expectations.toml",
    ),
    Expectation(
        key("mqtt-one", "connects", "1"), Verdict.FAIL, "refused", "refuses level 4", "2027-01-01", defect="d2"
    ),
)
CLAIMS = (
    Claim("one", "MQTT", f"Mqtt One works {SCRIPT}", 3, "https://example.org/guide#L3", crate="mqtt-one"),
    Claim("web", "Web", "the web is elsewhere", 7, "https://example.org/guide#L7", untested="nothing speaks HTTP"),
)
BASELINE = Snapshot(
    run=f"20261001-000000-0000 {SCRIPT}",
    started="2026-10-01T00:00:00Z",
    commit="",
    profile="default",
    versions={"rustc": "1.94.0 (made up)", MOSQUITTO: "2.0.22"},
    cells={
        "mqtt-one@1.2.2": {
            f"mqtt-3.1.1 {MOSQUITTO}": {
                "connects[0]": f"fail: expected a CONNACK; observed {HOSTILE}{', and then nothing' * 12}",
                "connects[1]": "pass",
                "receives": f"fail: {HOSTILE}",
                "receives_large_payloads": "pass",
                "notices_a_silent_broker": "flaky pass",
                "is_no_longer_asked": "pass",
            }
        },
        "codec@0.1.0": {
            f"package {NO_PEER}": {"compiles_as_published": "pass", "compiles_as_repaired": "unavailable: no network"}
        },
    },
)
PROBE = ProbeSource(
    "mqtt-one",
    "Driven as <https://docs.example.org/one/struct.ClientOfManyWords.html#method.with_a_long_name> shows:\n\n"
    f"- connect: its\n  `Client` {SCRIPT}\n- publish: the same",
    {"main.rs": f"//! {SCRIPT}\nfn main() {{}}\n", "tls/all.rs": "// more\n"},
)
STATEMENT = Statement(
    "mqtt-one", "2026-11-01", f"Jane {HOSTILE}", "https://example.org/1", f"It is fixed.\n\nSee {HOSTILE}"
)
PLAN = Plan(CRATES, LINES, SCENARIOS, _planned(), EXPECTATIONS, CLAIMS, BASELINE, (PROBE,), (STATEMENT,))
#: The day after the run.
PUBLISHED = Publication(
    datetime.date(2026, 11, 23), "https://iot.example.org/matrix", "https://git.example.org/iotyet/blob/0f0f"
)


def _oracle() -> OracleRecord:
    """Frames of every verdict: one makes a cell fail that passed, another is in a cell that is red already."""
    broken, red, cut = key("mqtt-one", "sends_user_properties"), key("mqtt-one", "receives"), key("paho", "receives")
    said = Evidence("conversation", conversation_of(broken), hashlib.sha256(CONVERSATION.encode()).hexdigest())
    clause, file = f"MQTT 5.0 [MQTT-3.1.0-1] {SCRIPT}", evidence_of(broken, 1)[1].path
    rule = Finding("rules", "mqtt.utf-8", clause, f"strings are UTF-8; found: {HOSTILE}", file, 7, True, times=3)
    refused = Finding("peer", "mqtt.refused", clause, "disconnected", evidence_of(red, 1)[0].path, 0, certain=True)
    doubt = Finding("tshark", "tshark", "", f"Malformed Packet {SCRIPT}", "../outside.pcapng", 9, certain=False)
    return OracleRecord(
        {"rules": "98", "pika": "1.4.4", "tshark": f"unavailable: {HOSTILE}"},
        (
            WireJudgement(broken, WireVerdict.MALFORMED, 4, (rule, doubt), (said,)),
            WireJudgement(red, WireVerdict.MALFORMED, 2, (refused,)),
            WireJudgement(cut, WireVerdict.INCONCLUSIVE, 1, (doubt,)),
            WireJudgement(key("mqtt-one", "connects", "0"), WireVerdict.WELL_FORMED, 2),
            WireJudgement(key("mqtt-one", "connects", "1"), WireVerdict.NO_TRAFFIC, 0),
        ),
    )


ORACLE = _oracle()


def matrix() -> Matrix:
    """The made-up run's matrix."""
    return tabulate(RUN, PLAN, RESULTS, ORACLE)


def write_evidence(folder: Path) -> None:
    """Make every evidence file of this run."""
    for result in RESULTS:
        for attempt in result.attempts:
            for evidence in attempt.evidence:
                path = folder / evidence.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_content(result.key, evidence.kind))
    path = folder / conversation_of(key("mqtt-one", "sends_user_properties"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CONVERSATION, encoding="utf-8")
