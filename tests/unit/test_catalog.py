"""The catalogue: the real one says what the guide says, and each kind of wrong entry is told to who has to mend it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog import covered, load_crates, load_lines, pick_crates, pick_lines
from harness.errors import ConfigError, UsageError
from harness.model import Crate, Dialect, Profile, Role, Suite
from harness.paths import COMPOSE, PROBES

CRATES = load_crates()
#: The guide's list, in its order: the names and links that index.md has.
GUIDE = [
    ("mqtt-rs", "https://github.com/zonyitoo/mqtt-rs"),
    ("RuMqtt", "https://github.com/Ather-Energy/RuMqtt"),
    ("rust-mq", "https://github.com/inre/rust-mq"),
    ("rust-mqtt", "https://github.com/cubehub/rust-mqtt"),
    ("coap-rs", "https://github.com/Covertness/coap-rs"),
    ("rust-amqp", "https://github.com/Antti/rust-amqp"),
    ("rust-zmq", "https://github.com/erickt/rust-zmq"),
    ("kafka-rust", "https://github.com/spicavigo/kafka-rust"),
]
#: A file that is right; the tests below make one thing of it wrong.
RIGHT = """\
[[crate]]
name = "one"
role = "listed"
kind = "client"
dialects = ["mqtt-3.1.1"]
package = "one"
version = "1.2.3"
licence = "MIT"
guide_name = "One"
guide_link = "https://example.org/one"

[[crate]]
name = "two"
role = "control"
kind = "client"
dialects = ["mqtt-3.1.1"]
package = "two"
version = "2.0.0"
licence = "MIT"
command = ["two"]
"""


# -- the real catalogue -------------------------------------------------------------------------------


def test_lists_the_guides_crates_in_the_guides_order() -> None:
    listed = [(crate.guide_name, crate.guide_link) for crate in CRATES if crate.role is Role.LISTED]
    assert listed == GUIDE


def test_has_rumqttc_as_candidate_and_paho_as_control() -> None:
    roles = {crate.name: crate.role for crate in CRATES}
    assert roles["rumqttc"] is Role.CANDIDATE
    assert roles["paho-mqtt-python"] is Role.CONTROL


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_every_statement_has_a_source(crate: Crate) -> None:
    single = [entry for entry in (crate.moved_to, crate.namesake, crate.retired) if entry is not None]
    for statement in (*single, *crate.repairs, *crate.unsupported, *crate.left_to_application, *crate.left_to_handler):
        assert statement.what
        assert statement.reason
        assert statement.source.startswith("https://"), f"{crate.name}: {statement.what}: {statement.source!r}"


def test_every_probe_folder_has_an_entry_and_every_probe_a_folder() -> None:
    folders = {path.parent.parent.name for path in PROBES.glob("*/src/main.rs")}
    declared = {crate.name for crate in CRATES if crate.has_probe and crate.role is not Role.CONTROL}
    assert folders == declared


@pytest.mark.parametrize(
    "crate", [c for c in CRATES if c.has_probe and c.role is not Role.CONTROL], ids=lambda crate: crate.name
)
def test_the_probe_pins_the_version_of_the_catalogue(crate: Crate) -> None:
    """A registry crate is pinned with `=VERSION`, a git one with the catalogue's revision; the lock file agrees."""
    manifest = tomllib.loads((PROBES / crate.name / "Cargo.toml").read_text(encoding="utf-8"))
    pins = [
        {"version": entry} if isinstance(entry, str) else entry
        for name, entry in manifest["dependencies"].items()
        if (entry.get("package", name) if isinstance(entry, dict) else name) == crate.package
    ]
    assert len(pins) == 1, f"{crate.name}/Cargo.toml does not depend on {crate.package} exactly once"
    if crate.git is None:
        assert pins[0]["version"] == f"={crate.version}"
    else:
        assert (pins[0]["git"], pins[0]["rev"]) == (crate.git.url, crate.git.rev)
    lock = tomllib.loads((PROBES / crate.name / "Cargo.lock").read_text(encoding="utf-8"))
    assert crate.version in [package["version"] for package in lock["package"] if package["name"] == crate.package]


def test_lines_name_their_image_and_recipe() -> None:
    lines = load_lines()
    lines_of_mosquitto = [line.line for line in lines if line.broker == "mosquitto"]
    assert lines_of_mosquitto == ["2.0", "2.0.11", "2.1"]
    assert {line.suite for line in lines if line.broker == "rabbitmq" and line.recipe} == set(Suite)
    for line in lines:
        assert line.image
        assert not line.recipe or (COMPOSE / line.broker / line.recipe).is_file()


# -- wrong entries ------------------------------------------------------------------------------------


def test_the_example_is_right(tmp_path: Path) -> None:
    (file := tmp_path / "crates.toml").write_text(RIGHT)
    assert [crate.id for crate in load_crates(file)] == ["one@1.2.3", "two@2.0.0"]


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ('kind = "client"', 'kind = "codec"', "crate[0] (one).codec_source", "is missing; a codec has a page"),
        ('kind = "client"', 'kind = "client"\ncolour = "red"', "crate[0] (one).colour", "is no known key; see docs/"),
        ('licence = "MIT"\n', "", "crate[0] (one).licence", "is missing"),
        (
            'kind = "client"',
            'kind = "libary"',
            "crate[0] (one).kind",
            "is 'libary'; input should be 'client', 'server'",
        ),
        ('"mqtt-3.1.1"', '"mqtt-3"', "crate[0] (one).dialects[0]", "is 'mqtt-3'; input should be 'mqtt-3.1.1'"),
        ('dialects = ["mqtt-3.1.1"]', "dialects = []", "crate[0] (one).dialects", "expected at least one dialect"),
        ('version = "1.2.3"', 'version = "1.2"', "crate[0] (one).version", "is '1.2'; expected MAJOR.MINOR.PATCH"),
        ('version = "1.2.3"', "version = 1.2", "crate[0] (one).version", "is 1.2; input should be a valid string"),
        ('name = "two"', 'name = "one"', "crate[1] (one).name", "is used twice"),
        ('name = "one"', 'name = "One!"', "crate[0] (One!).name", "is 'One!'; expected lower case letters"),
        ('guide_link = "https://example.org/one"\n', "", "crate[0] (one).guide_link", "is missing; a listed crate"),
        ('guide_name = "One"\n', "", "crate[0] (one).guide_name", "is missing; a listed crate"),
        ('command = ["two"]\n', "", "crate[1] (two).command", "is missing; a control has the command"),
        (
            'licence = "MIT"',
            f'licence = "MIT"\ngit = {{ url = "https://example.org/one", rev = "{"a" * 40}" }}',
            "crate[0] (one).may_be_unreachable",
            "a git source needs the reason here",
        ),
        (
            'licence = "MIT"',
            'licence = "MIT"\nmay_be_unreachable = "x"\ngit = { url = "https://example.org/one", rev = "main" }',
            "crate[0] (one).git.rev",
            "is 'main'; expected a full commit hash",
        ),
        (
            'licence = "MIT"',
            'licence = "MIT"\nunsupported = [{ what = "will", reason = "", source = "x" }]',
            "crate[0] (one).unsupported",
            "'will' needs what, reason and source",
        ),
        (
            'licence = "MIT"',
            'licence = "MIT"\nleft_to_application = [{ what = "dancing", reason = "r", source = "x" }]',
            "crate[0] (one).left_to_application",
            "has ['dancing']; expected reconnect or resubscribe",
        ),
        (
            'licence = "MIT"',
            'licence = "MIT"\nleft_to_handler = [{ what = "dancing", reason = "r", source = "x" }]',
            "crate[0] (one).left_to_handler",
            "has ['dancing']; expected one of",
        ),
        ('role = "listed"', 'role = "other version"', "crate[0] (one).role", "is the harness's own"),
        (
            'licence = "MIT"',
            'licence = "MIT"\nalso_versions = ["1.2.3"]',
            "crate[0] (one).also_versions",
            "has ['1.2.3']; expected MAJOR.MINOR.PATCH, others than version",
        ),
        (
            'command = ["two"]',
            'command = ["two"]\nalso_versions = ["1.0.0"]',
            "crate[1] (two).also_versions",
            "only crates of the registry have other versions",
        ),
        ('[[crate]]\nname = "one"', '[[crate]\nname = "one"', "the file", "is no valid TOML: Expected"),
    ],
)
def test_a_wrong_entry_names_file_key_and_problem(tmp_path: Path, old: str, new: str, key: str, problem: str) -> None:
    assert old in RIGHT
    (file := tmp_path / "crates.toml").write_text(RIGHT.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_crates(file)
    assert str(error.value).startswith(f"{file}: {key}: ")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("profile = ", "profil = ", "line[0].profile", "is missing"),
        ('image = "eclipse-mosquitto:', 'image = "eclipse-mosquitto@', "line[0].image", "string should match pattern"),
        ('recipe = "Dockerfile"', 'recipe = "Nofile"', "line 2.0.recipe", "there is no file Nofile beside it"),
        (
            'suite = "trixie"',
            'suite = "tricky"',
            "line[0].suite",
            "is 'tricky'; input should be 'bookworm', 'trixie' or",
        ),
        ('suite = "trixie"\n', "", "line 2.0.suite", "is missing; a recipe builds on a release of Debian: bookworm or"),
        (
            'recipe = "Dockerfile"',
            'recipe = ""',
            "line 2.0.suite",
            "is 'trixie', and the line has no recipe",
        ),
        ('"mqtt-5"', '"mqtt-6"', "dialects[1]", "is 'mqtt-6'"),
    ],
)
def test_a_wrong_line_names_file_key_and_problem(tmp_path: Path, old: str, new: str, key: str, problem: str) -> None:
    text = (COMPOSE / "mosquitto" / "lines.toml").read_text(encoding="utf-8")
    assert old in text
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    (folder / "Dockerfile").touch()
    (folder / "lines.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(folder / 'lines.toml'))}: {re.escape(key)}: .*{problem}"):
        load_lines(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: the file: cannot be read: No such file or directory"):
        load_crates(tmp_path / "nowhere.toml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (file := tmp_path / "crates.toml").write_bytes(b'[[crate]]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match="the file: "):
        load_crates(file)


# -- picking ------------------------------------------------------------------------------------------


def test_picks_by_name_and_by_version() -> None:
    assert [crate.name for crate in pick_crates(CRATES, ["rumqttc", "mqttc@0.1.4"])] == ["rumqttc", "mqttc"]
    assert pick_crates(CRATES, []) == CRATES


def test_an_unknown_crate_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(
        UsageError, match=r"there is no crate 'rumqtc'; did you mean rumqtt.?\? `iotyet list crates` shows"
    ):
        pick_crates(CRATES, ["rumqtc"])


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    with pytest.raises(UsageError) as error:
        pick_crates(CRATES, ["zzzzzz"])
    assert "did you mean" not in str(error.value)
    assert all(crate.name in str(error.value) for crate in CRATES)


def test_another_version_has_a_row_of_its_own() -> None:
    (crate,) = pick_crates(CRATES, ["mqttc@9.9.9"])
    assert (crate.id, crate.handle, crate.role) == ("mqttc@9.9.9", "mqttc@9.9.9", Role.VERSION)
    (own,) = pick_crates(CRATES, ["mqttc@0.1.4"])
    assert (own.id, own.handle, own.role) == ("mqttc@0.1.4", "mqttc", Role.LISTED)
    assert replace(crate, version=own.version, role=own.role) == own


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mqttc@newest", "'newest' is no version; expected mqttc@MAJOR.MINOR.PATCH, such as mqttc@0.1.4"),
        ("rust-mqtt@0.4.0", "rust-mqtt can only be had as rust-mqtt@0.5.0: it does not come from the registry"),
        ("pika-python@1.0.0", "pika-python can only be had as "),
    ],
)
def test_a_version_that_cannot_be_had_is_told(name: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        pick_crates(CRATES, [name])
    assert str(error.value).startswith(problem)


def test_other_versions_are_rows_of_full_runs_alone() -> None:
    crates = [replace(CRATES[0], also_versions=("0.11.0",)), CRATES[1]]
    assert covered(crates, Profile.DEFAULT) == tuple(crates)
    ids = [crate.id for crate in covered(crates, Profile.FULL)]
    assert ids == [crates[0].id, crates[1].id, f"{crates[0].name}@0.11.0"]


def test_an_unknown_broker_gets_a_suggestion() -> None:
    with pytest.raises(
        UsageError, match=r"there is no broker 'mosquito'; did you mean mosquitto\? `iotyet list brokers`"
    ):
        pick_lines(load_lines(), ["mosquito"], Profile.DEFAULT)


def test_lines_are_picked_by_broker_by_id_and_by_profile() -> None:
    lines = load_lines()
    (line,) = pick_lines(lines, ["mosquitto@2.0"], Profile.CI)
    assert line.dialects == (Dialect.MQTT_3_1_1, Dialect.MQTT_5)
    assert pick_lines(lines, ["mosquitto", "mosquitto@2.0"], Profile.FULL).count(line) == 1
    assert line in pick_lines(lines, [], Profile.CI)
