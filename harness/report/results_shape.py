"""The shape of results.json, every field described: the source of its JSON Schema."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from harness.advice import VERSION, Recommendation
from harness.claims import Status
from harness.model import Change, Consequence, Dialect, Kind, Level, Requirement, Role, Verdict
from harness.wellformed import WireVerdict


class Shape(BaseModel):
    """Made from the model's own objects where the names agree; a key that is no field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Run(Shape):
    """The header of the run."""

    id: str = Field(description="Names the run.")
    started: str = Field(description="When it started, ISO 8601 in UTC.")
    seconds: float = Field(description="How long it took; 0 until it ended.")
    profile: str = Field(description="How much it covers: ci, default or full.")
    selection: str = Field(description="What was selected of that; empty where everything was.")
    shard: str = Field(default="", description="Which part of a run in several parts, as 2/3; empty where it is whole.")
    commit: str = Field(description="The commit of this project that ran; empty outside a repository.")
    dirty: bool = Field(description="True where the checkout had changes that are not in the commit.")
    exit: int | None = Field(description="The exit code; null until the run ended.")
    baseline: str | None = Field(
        default=None, description="Id of the run that it was compared with; null where there is none."
    )
    host: dict[str, str] = Field(description="The machine: os, arch, cpus.")
    tools: dict[str, str] = Field(description="Versions of python, rustc, cargo, docker and others.")
    harness_version: str = Field(description="Version of this project.")
    advice_rules: int = Field(default=VERSION, description="Version of the rules that the advice follows.")


class Statement(Shape):
    """A statement about a crate, with the page or file that backs it."""

    what: str = Field(description="What is stated.")
    reason: str = Field(description="Why.")
    source: str = Field(description="A page or file that backs it.")


class Build(Shape):
    """How one build of a crate ended."""

    verdict: Verdict = Field(description="What it came to.")
    message: str = Field(description="What was observed: the compiler's first error where it failed.")
    lock_sha256: str = Field(description="Digest of the lock file that was built with; empty where there is none.")


class Builds(Shape):
    """The two builds of a crate; null where the run has no such cell."""

    as_published: Build | None = Field(description="Its own manifest with the newest dependencies that allows.")
    as_repaired: Build | None = Field(description="Our probe with its lock file, with the repairs that are declared.")


class ReasonEntry(Shape):
    """One sentence with what shows it."""

    text: str = Field(description="The sentence.")
    cells: tuple[str, ...] = Field(description="Ids of the cells that show it; empty where it is declared.")
    source: str = Field(description="The page that backs what is declared; empty where cells show it.")


class AdviceEntry(Shape):
    """What to do with a crate for one dialect."""

    dialect: Dialect = Field(description="Which of the crate's.")
    recommendation: Recommendation = Field(description="The advice.")
    reasons: tuple[ReasonEntry, ...] = Field(description="What led to it.")
    limits: tuple[ReasonEntry, ...] = Field(description="What else is known against the crate.")


class AdvisoryEntry(Shape):
    """A security advisory about one package that a new user of the crate gets."""

    id: str = Field(description="Names it in its database.")
    package: str = Field(description="The package it is about.")
    version: str = Field(description="The version of that which a new user gets.")
    title: str = Field(description="What is wrong.")
    patched: tuple[str, ...] = Field(description="Releases that are repaired, as cargo's requirements; empty: none is.")
    informs: str = Field(description="unmaintained, unsound or notice; empty where it is a vulnerability.")
    source: str = Field(description="Its page; empty where the database names none.")


class AdvisoriesEntry(Shape):
    """What is known of security advisories about what a new user of a crate gets."""

    unknown: str = Field(description="Why nothing is known, in which case `found` says nothing; empty where it is.")
    found: tuple[AdvisoryEntry, ...] = Field(description="What the database has.")
    database: str = Field(
        description="How many advisories the database has, its date and commit; empty where none was asked."
    )


class CrateEntry(Shape):
    """A row of the matrix."""

    name: str = Field(description="Names the crate within this project.")
    role: Role = Field(description="Why it has a row.")
    kind: Kind = Field(description="What it is, which decides what can be asked of it.")
    dialects: tuple[Dialect, ...] = Field(description="What it speaks.")
    guide_name: str = Field(description="The guide's name for it; empty where the guide does not list it.")
    guide_link: str = Field(description="The guide's link; empty where the guide does not list it.")
    repository: str = Field(description="Its repository; empty where neither package nor catalogue names one.")
    package: str = Field(description="Its name in the package registry.")
    version: str = Field(description="The version that was tested.")
    licence: str = Field(description="SPDX expression as its manifest has it.")
    released: str = Field(description="When that version was released; empty where that is not recorded.")
    dependencies: int | None = Field(
        description="Packages that come with it at any depth, as a new user gets it; decides nothing. Null: unknown."
    )
    last_release: str = Field(description="The newest release that is known.")
    last_released: str = Field(description="Its date, ISO 8601; decides nothing. Empty: unknown.")
    advisories: AdvisoriesEntry = Field(description="Security advisories about it and what comes with it.")
    repairs: tuple[Statement, ...] = Field(description="What was changed to make it compile.")
    unsupported: tuple[Statement, ...] = Field(description="Features that it is declared to lack.")
    advice: tuple[AdviceEntry, ...] = Field(description="For each dialect; nothing for reference clients.")
    planned: int = Field(description="Cells of the plan, whatever became of them; the sum of `counts`.")
    applicable: int = Field(description="The denominator: planned cells without those that are not applicable.")
    counts: dict[Verdict, int] = Field(description="Cells by verdict; every verdict is there.")
    red: int = Field(description="Cells that show that the crate did wrong.")
    unexplained: int = Field(description="Red cells that belong to no known defect.")
    builds: Builds = Field(description="Whether it compiles.")


class Broker(Shape):
    """A broker that the run started, or a reference that played the other side."""

    name: str = Field(description="Which broker.")
    line: str = Field(description="The release line asked for.")
    version: str = Field(description="The version found running.")
    provider: str = Field(
        description="Where it came from: docker with an official or local image, the host, or the harness itself."
    )
    image: str = Field(description="The image; empty where there is none.")
    digest: str = Field(description="The image's digest; empty where it has none.")


class ScenarioEntry(Shape):
    """What one test states."""

    id: str = Field(description="Names it within its dialect.")
    dialect: Dialect = Field(description="The protocol it is about; `package` for builds and identity.")
    group: str = Field(description="Its column in the matrix.")
    capability: str = Field(description="The part of the protocol it belongs to.")
    title: str = Field(description="The statement.")
    level: Level = Field(description="How much users rely on it.")
    requirement: Requirement = Field(description="Who asks for it.")
    consequence: Consequence = Field(description="What a failure costs.")
    spec: tuple[str, ...] = Field(description="Clauses, as text or address.")
    scripted: str = Field(
        description="The source of this project's scripted peer that the crate meets in it; empty where it meets none."
    )


class DefectEntry(Shape):
    """One cause that makes several cells red."""

    id: str = Field(description="Names it within its crate.")
    crate: str = Field(description="Whose.")
    title: str = Field(description="What it is.")
    upstream: str = Field(description="The upstream issue; empty where none is known.")
    versions: tuple[str, ...] = Field(description="Versions of the crate that showed it in this run.")
    cells: tuple[str, ...] = Field(description="Ids of the cells that it made red.")


class EvidenceEntry(Shape):
    """A file that shows what happened."""

    kind: str = Field(description="What it is, for example transcript, broker log or capture.")
    path: str = Field(description="Relative to the run's folder.")
    sha256: str = Field(description="Its digest.")


class AttemptEntry(Shape):
    """One execution of a scenario."""

    verdict: Verdict = Field(description="What it came to.")
    expected: str = Field(description="What the scenario asks for.")
    observed: str = Field(description="What happened.")
    seconds: float = Field(description="How long it took.")
    evidence: tuple[EvidenceEntry, ...] = Field(description="What shows it.")


class FindingEntry(Shape):
    """An objection to a frame that the crate sent."""

    source: str = Field(description="Who objects: rules, a third-party codec, tshark, or the peer.")
    rule: str = Field(description="The rule that is broken; the source's name where it has no rules.")
    clause: str = Field(description="The clause; empty where the source names none.")
    says: str = Field(description="What is wrong.")
    file: str = Field(description="The capture or the broker's log, relative to the run's folder.")
    packet: int = Field(description="The packet with which the frame ends, as Wireshark counts; 0 in a log.")
    certain: bool = Field(description="True where the frame is malformed by it.")
    times: int = Field(description="Frames of this file that it was said of; the packet is the first one's.")


class WireEntry(Shape):
    """What the frames came to that the crate sent in a cell."""

    verdict: WireVerdict = Field(description="What they came to.")
    frames: int = Field(description="How many there were.")
    findings: tuple[FindingEntry, ...] = Field(description="Objections, certain ones first, at most twelve.")


class CellEntry(Shape):
    """Crate, broker line and scenario: the smallest thing that has a verdict."""

    id: str = Field(description="<dialect>/<scenario>[<params>]/<crate>@<version>/<peer>")
    crate: str = Field(description="The crate's name.")
    crate_version: str = Field(description="The version that was tested.")
    dialect: Dialect = Field(description="Of the scenario.")
    broker: str | None = Field(description="The broker or other peer; null where the cell needs none.")
    line: str | None = Field(description="Its release line; null where the cell needs none.")
    broker_version: str = Field(description="The version found running; empty where the cell needs none.")
    scripted: str = Field(
        description="The source of this project's scripted peer that the crate meets: then no broker answers, and "
        "`broker` only says with which the cell is counted; empty where there is none."
    )
    scenario: str = Field(description="The scenario's id.")
    params: str = Field(description="The scenario's parameters; empty where it has none.")
    verdict: Verdict = Field(description="What it came to: that of its worst attempt.")
    reason: str = Field(description="Expected and observed in one sentence; why, where nothing was measured.")
    expected_text: str = Field(description="What the scenario asks for.")
    observed_text: str = Field(description="What happened in the attempt that decided.")
    seconds: float = Field(description="How long all attempts took.")
    attempts: tuple[AttemptEntry, ...] = Field(description="Every execution, in order.")
    flaky: bool = Field(description="True where attempts differ.")
    control: Verdict | None = Field(description="The reference client's verdict on the same; null where it has none.")
    expected: Verdict | None = Field(description="The verdict that is known; null where nothing else than pass is.")
    change: Change = Field(description="How it stands to what is expected.")
    options: tuple[str, ...] = Field(description="Settings of the crate that differ from its defaults.")
    evidence: tuple[EvidenceEntry, ...] = Field(description="The evidence of all attempts.")
    reproduce: str = Field(description="The command that runs this cell again.")
    wire: WireEntry | None = Field(description="What its frames came to; null where the oracle was not asked.")


class ClaimEntry(Shape):
    """A claim of the guide, judged by cells."""

    id: str = Field(description="Names it.")
    text: str = Field(description="What is claimed, in this project's words.")
    section: str = Field(description="The guide's section.")
    source: str = Field(description="The guide's line.")
    status: Status = Field(description="Whether what was measured bears it out.")
    reasons: tuple[ReasonEntry, ...] = Field(description="Why.")


#: The file beside results.json that has its JSON Schema.
SCHEMA_NAME = "results.schema.json"


class Results(Shape):
    """One run of iotyet."""

    described_by: str = Field(
        default=SCHEMA_NAME, alias="$schema", description="Where its JSON Schema is: a file beside this one."
    )
    run: Run
    crates: tuple[CrateEntry, ...]
    brokers: tuple[Broker, ...]
    scenarios: tuple[ScenarioEntry, ...]
    defects: tuple[DefectEntry, ...]
    cells: tuple[CellEntry, ...]
    claims: tuple[ClaimEntry, ...]
    oracle: dict[str, str] = Field(
        description="What judged the frames: each source's version, or why it was unavailable; empty where nothing did."
    )
