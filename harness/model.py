"""The nouns of the project: frozen dataclasses and enumerations. Imports nothing of ours.

Times are in seconds (float), points in time are ISO 8601 strings in UTC, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar


class Verdict(StrEnum):
    """What one cell came to, and thereby whose matter it is."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    TIMEOUT = "timeout"
    CRASH = "crash"
    UNSUPPORTED = "unsupported"
    NOT_APPLICABLE = "not_applicable"
    BUILD_FAILED = "build_failed"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"
    NOT_RUN = "not_run"

    @property
    def is_red(self) -> bool:
        """True where the crate itself did wrong."""
        return self in _RED

    @property
    def severity(self) -> int:
        """A higher number is worse; the worst of several attempts counts."""
        return _SEVERITY.index(self)


_RED = frozenset({Verdict.FAIL, Verdict.TIMEOUT, Verdict.CRASH, Verdict.BUILD_FAILED})
_SEVERITY = (
    Verdict.NOT_APPLICABLE,
    Verdict.NOT_RUN,
    Verdict.PASS,
    Verdict.UNSUPPORTED,
    Verdict.UNAVAILABLE,
    Verdict.FAIL,
    Verdict.TIMEOUT,
    Verdict.CRASH,
    Verdict.BUILD_FAILED,
    Verdict.BROKEN,
)


class Role(StrEnum):
    """Why a crate has a row."""

    LISTED = "listed"
    CANDIDATE = "candidate"
    CONTROL = "control"
    #: Another version of a crate than the one that the catalogue is about.
    VERSION = "other version"


class Kind(StrEnum):
    """What a crate is, which decides what scenarios can be asked of it."""

    CLIENT = "client"
    SERVER = "server"
    CODEC = "codec"
    BINDING = "binding"


class Need(StrEnum):
    """A behaviour that a scenario is about, beyond single packets."""

    SESSION = "session"
    RECONNECT = "reconnect"
    RESEND = "resend"
    TLS = "TLS"
    ADDRESSES = "addresses"
    WEBSOCKET = "WebSocket"
    LOCATIONS = "locations"
    FORMATS = "formats"
    VALIDATION = "validation"
    CONDITIONS = "conditions"


class Duty(StrEnum):
    """What a crate's documentation may leave to the application; a scenario then does it, and says so."""

    RECONNECT = "reconnect"
    RESUBSCRIBE = "resubscribe"


#: What a crate of a kind cannot be asked, because it would be the probe's own code that answers.
KIND_LACKS: dict[Kind, frozenset[Need]] = {
    Kind.CLIENT: frozenset(),
    Kind.SERVER: frozenset(),
    Kind.BINDING: frozenset(),
    Kind.CODEC: frozenset(Need),
}


class Dialect(StrEnum):
    """A protocol in one version and role; `package` stands for what is judged without any peer."""

    MQTT_3_1_1 = "mqtt-3.1.1"
    MQTT_5 = "mqtt-5"
    COAP_CLIENT = "coap-client"
    COAP_SERVER = "coap-server"
    AMQP_0_9_1 = "amqp-0-9-1"
    ZMTP = "zmtp"
    KAFKA = "kafka"
    PACKAGE = "package"


class Level(StrEnum):
    """How much users of the protocol rely on what a scenario states."""

    CORE = "core"
    EXTENDED = "extended"
    ROBUSTNESS = "robustness"


class Requirement(StrEnum):
    """Who asks for it: RFC 2119 words of the clause, or `practice` where users rely on it without a clause."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"
    PRACTICE = "practice"


class Consequence(StrEnum):
    """What a failure costs the user."""

    LOSS = "loss"
    DUPLICATE = "duplicate"
    HANG = "hang"
    SECURITY = "security"
    INTEROP = "interop"
    CONVENIENCE = "convenience"


class Profile(StrEnum):
    """How much a run covers; each one includes the one before it."""

    CI = "ci"
    DEFAULT = "default"
    FULL = "full"

    def covers(self, other: Profile) -> bool:
        """True where a run of this profile includes what is marked with `other`."""
        order = list(Profile)
        return order.index(other) <= order.index(self)


class Suite(StrEnum):
    """A release of Debian, from whose packages the harness can build a broker's image."""

    BOOKWORM = "bookworm"
    TRIXIE = "trixie"
    FORKY = "forky"


@dataclass(frozen=True)
class Sourced:
    """A statement about a crate, with the page or file that backs it."""

    #: Read by pydantic, which checks crates.toml against these fields: a key that is none of them is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    what: str
    reason: str
    source: str


@dataclass(frozen=True)
class GitSource:
    """Where a crate that is not on the registry comes from; `rev` is a full commit hash."""

    #: Read by pydantic, which checks crates.toml against these fields: a key that is none of them is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    url: str
    rev: str


#: What the version of a source that is not published ends in, so that it is told apart from the published one.
_UNPUBLISHED = "+path"


@dataclass(frozen=True)
class Crate:
    """An entry of rust-probes/crates.toml."""

    #: Read by pydantic, which checks crates.toml against these fields: a key that is none of them is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    role: Role
    kind: Kind
    dialects: tuple[Dialect, ...]
    package: str
    version: str
    licence: str
    released: str = ""
    guide_name: str = ""
    guide_link: str = ""
    #: Where its source is, of a crate that the guide does not link.
    repository: str = ""
    git: GitSource | None = None
    features: tuple[str, ...] = ()
    default_features: bool = True
    has_probe: bool = True
    may_be_unreachable: str = ""
    profile: Profile = Profile.CI
    #: Other versions that have rows of their own in runs of the profile `full`.
    also_versions: tuple[str, ...] = ()
    native_libraries: tuple[str, ...] = ()
    repairs: tuple[Sourced, ...] = ()
    unsupported: tuple[Sourced, ...] = ()
    left_to_application: tuple[Sourced, ...] = ()
    #: Needs that are no part of the crate's, but of the functions that it calls with each request.
    left_to_handler: tuple[Sourced, ...] = ()
    moved_to: Sourced | None = None
    namesake: Sourced | None = None
    retired: Sourced | None = None
    #: The documentation that shows that a codec is one.
    codec_source: str = ""
    command: tuple[str, ...] = ()
    #: The folder of a source that is not published; the harness's to set.
    path: str = ""

    @property
    def id(self) -> str:
        """Name and version, as cell ids have them."""
        return f"{self.name}@{self.version}"

    @property
    def handle(self) -> str:
        """Names the row in a run and in its report: the name, with the version where that is not the catalogue's."""
        return self.id if self.role is Role.VERSION else self.name

    @property
    def package_version(self) -> str:
        """What the package itself says; the version of a source that is not published has `+path` after it."""
        return self.version.removesuffix(_UNPUBLISHED)

    def at(self, version: str) -> Crate:
        """This crate in another version: the same probe, and all that is declared of the crate."""
        return replace(self, version=version, role=Role.VERSION, released="", also_versions=())

    def from_path(self, path: str, version: str) -> Crate:
        """This crate as a folder has it, whose manifest says `version`."""
        return replace(self.at(f"{version}{_UNPUBLISHED}"), path=path)

    def lacks(self, feature: str) -> Sourced | None:
        """The declaration that this crate has no `feature`, if there is one."""
        return next((entry for entry in self.unsupported if entry.what == feature), None)

    def leaves(self, duty: Duty) -> Sourced | None:
        """The declaration that this crate leaves `duty` to the application, if there is one."""
        return next((entry for entry in self.left_to_application if entry.what == duty), None)


@dataclass(frozen=True)
class Claim:
    """A sentence of the guide that claims something, in our words (guide/claims.toml), and how to judge it."""

    #: Read by pydantic, which checks claims.toml against these fields: a key that is none of them is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    id: str
    section: str
    text: str
    #: Where the guide has it.
    line: int
    source: str = ""
    #: By the advice about this crate.
    crate: str = ""
    #: By the builds of the listed crates on one of these architectures, as the kernel names them.
    builds: tuple[str, ...] = ()
    #: By whether every protocol has a crate that may be used.
    protocols: bool = False
    #: By nothing; why.
    untested: str = ""


@dataclass(frozen=True)
class GuideLink:
    """A link of the guide to a project that is declared to be no crate, with why."""

    #: Read by pydantic, which checks claims.toml against these fields: a key that is none of them is an error.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    link: str
    reason: str


@dataclass(frozen=True)
class BrokerLine:
    """A release line of a broker, for example mosquitto 2.0; the version found running is data of a run."""

    broker: str
    line: str
    profile: Profile
    dialects: tuple[Dialect, ...]
    image: str
    recipe: str
    version_prefix: str
    #: What the recipe builds on; null where there is no recipe.
    suite: Suite | None = None
    #: The Maven project beside the recipe that gathers the broker's jars; empty where it needs none.
    jars: str = ""
    #: Who still repairs this release; empty where nobody does, and then it only limits an advice.
    maintained_by: str = ""

    @property
    def id(self) -> str:
        """Broker and line, as cell ids have them."""
        return f"{self.broker}@{self.line}"

    def is_before(self, line: str) -> bool:
        """True where this release line is older than `line` of the same broker; 2.0 is the newest of all 2.0.x."""
        own, other = _numbers(self.line), _numbers(line)
        return own < other[: len(own)]

    @property
    def is_maintained(self) -> bool:
        """True where somebody repairs this release, so that users may be told to run it."""
        return bool(self.maintained_by) or self.is_reference

    @property
    def is_reference(self) -> bool:
        """True where no broker is started: a reference client plays the other side in the harness's own process."""
        return not self.image


def _numbers(line: str) -> tuple[int, ...]:
    return tuple(int(number) for number in line.split("."))


#: The peer of cells that need none: builds and identity.
NO_PEER = "-"


@dataclass(frozen=True)
class Scenario:
    """What one test under scenarios/ states; `title` and `details` come from its docstring."""

    id: str
    dialect: Dialect
    group: str
    capability: str
    level: Level
    requirement: Requirement
    consequence: Consequence
    title: str
    details: str = ""
    spec: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    features: tuple[str, ...] = ()
    own_broker: bool = False
    cluster: bool = False
    since: str = ""
    until: str = ""
    #: The source of the harness's scripted peer that the crate meets; empty where it meets none.
    scripted: str = ""
    deadline: float = 30.0
    timer: float = 0.0
    #: The smallest run that asks it.
    profile: Profile = Profile.CI


@dataclass(frozen=True)
class CellKey:
    """Names one cell; `str()` is its id, from which pytest parameters, expectations and page addresses derive."""

    dialect: Dialect
    scenario: str
    params: str
    crate: str
    crate_version: str
    peer: str

    def __str__(self) -> str:
        params = f"[{self.params}]" if self.params else ""
        return f"{self.dialect}/{self.scenario}{params}/{self.crate}@{self.crate_version}/{self.peer}"


@dataclass(frozen=True)
class Evidence:
    """A file that shows what happened; `path` is relative to the run's directory."""

    kind: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Attempt:
    """One execution of a scenario against one client."""

    verdict: Verdict
    expected: str
    observed: str
    seconds: float
    evidence: tuple[Evidence, ...] = ()
    unsupported_feature: str = ""

    @property
    def reason(self) -> str:
        """One sentence: what was expected and what was observed."""
        if self.expected and self.observed:
            return f"expected {self.expected}; observed {self.observed}"
        return self.observed


@dataclass(frozen=True)
class Expectation:
    """What is known about one exact cell; never covers `broken`.

    `may_also` are other verdicts that the same defect gives, for example where memory is overwritten.
    """

    key: CellKey
    verdict: Verdict
    observed: str
    reason: str
    review: str
    defect: str = ""
    issue: str = ""
    judge: str = ""
    witness: str = ""
    may_also: tuple[Verdict, ...] = ()
    file: str = ""


class Change(StrEnum):
    """How a cell stands to what was expected of it."""

    AS_EXPECTED = "as expected"
    UNEXPECTED = "unexpected"
    STALE = "stale"
    UNMEASURED = "unmeasured"
    #: Red, in a version that no expectation is about: data, and no news.
    OPEN = "nothing expected"


@dataclass(frozen=True)
class CellResult:
    """One line of cells.jsonl: a cell and how it ended."""

    key: CellKey
    verdict: Verdict
    reason: str
    seconds: float
    attempts: tuple[Attempt, ...]
    broker_version: str = ""
    control: Verdict | None = None
    control_reason: str = ""
    flaky: bool = False
    expected: Verdict | None = None
    change: Change = Change.AS_EXPECTED
    options: tuple[str, ...] = ()
    reproduce: str = ""
