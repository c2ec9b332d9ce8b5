"""cargo, really run on packages made here without a network: whose fault an error is, in one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BuildFailed, ContractViolation, Unavailable
from harness.probes import cargo

#: Makes a package below the test's folder; returns its manifest.
Make = Callable[..., Path]
#: Nothing listens on the reserved port 1 (tcpmux) of this machine.
CLOSED = "127.0.0.1:1"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def package(name: str, source: str, *, extra: str = "", build: str = "", main: bool = False) -> Path:
        folder = tmp_path / name
        (folder / "src").mkdir(parents=True)
        manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{extra}\n[workspace]\n'
        (folder / "Cargo.toml").write_text(manifest)
        (folder / "src" / ("main.rs" if main else "lib.rs")).write_text(source)
        if build:
            (folder / "build.rs").write_text(build)
        return folder / "Cargo.toml"

    return package


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """cargo's environment, with nothing downloaded yet and one try at each address."""
    return {
        **os.environ,
        **cargo.GIT,
        "CARGO_HOME": str(tmp_path / "cargo-home"),
        "CARGO_TARGET_DIR": str(tmp_path / "target"),
        "CARGO_NET_RETRY": "0",
    }


def _compile(manifest: Path, env: dict[str, str], *, command: str = "check") -> Path | None:
    argv = ["cargo", command, "--message-format=json", "--manifest-path", str(manifest)]
    return cargo.compile_package(argv, env, "checking one@1.0.0", lambda _text: None)


# -- compiling ----------------------------------------------------------------------------------------


def test_a_program_that_compiles_is_returned(make: Make, env: dict[str, str]) -> None:
    binary = _compile(make("one", "fn main() {}", main=True), env, command="build")
    assert binary is not None
    assert os.access(binary, os.X_OK)


def test_a_library_makes_no_executable(make: Make, env: dict[str, str]) -> None:
    assert _compile(make("one", "pub fn f() {}"), env) is None


def test_somebody_elses_error_is_one_sentence_with_code_package_and_place(make: Make, env: dict[str, str]) -> None:
    """The first error counts, and warnings before it do not."""
    manifest = make("one", 'fn unused() {}\npub fn f() -> u8 { "text" }\npub fn g() -> u8 { nothing }\n')
    with pytest.raises(BuildFailed) as error:
        _compile(manifest, env)
    assert re.fullmatch(
        r"error\[E0\d{3}\] in (one@)?0\.1\.0 \(lib\.rs:[23]\): (mismatched types|cannot find value .*)",
        error.value.observed,
    )
    assert error.value.expected == "checking one@1.0.0 compiles"


def test_the_error_names_the_dependency_that_it_is_in(make: Make, env: dict[str, str]) -> None:
    make("two", "pub fn f() -> u8 { nothing }")
    manifest = make("one", "pub use two::f;", extra='[dependencies]\ntwo = { path = "../two" }')
    with pytest.raises(BuildFailed, match=r"error\[E0425\] in two@0\.1\.0 \(lib\.rs:1\): cannot find value"):
        _compile(manifest, env)


def test_an_error_in_our_own_source_is_our_fault(
    make: Make, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cargo, "PROBES", tmp_path / "probes")
    manifest = make("probes/one".replace("/", "-"), "pub fn f() -> u8 { nothing }")
    ours = tmp_path / "probes"
    manifest.parent.rename(ours)
    with pytest.raises(ContractViolation, match=r"^our own source does not compile: error\[E0425\]"):
        _compile(ours / "Cargo.toml", env)


def test_a_failed_build_script_is_named_with_its_first_error(make: Make, env: dict[str, str]) -> None:
    script = 'fn main() { eprintln!("looking for libfoo"); panic!("libfoo is not installed") }'
    with pytest.raises(BuildFailed, match=r"failed to run custom build command for `one v0\.1\.0.*: .*panicked at"):
        _compile(make("one", "", build=script), env)


def test_a_build_script_that_talks_of_the_network_is_not_an_unreachable_source(make: Make, env: dict[str, str]) -> None:
    script = 'fn main() { panic!("error: connection refused, failed to download, could not connect") }'
    with pytest.raises(BuildFailed, match="failed to run custom build command"):
        _compile(make("one", "", build=script), env)


def test_a_build_that_takes_too_long_says_so(make: Make, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cargo, "_BUILD_LIMIT", 2.0)
    script = "fn main() { std::thread::sleep(std::time::Duration::from_secs(60)) }"
    with pytest.raises((BuildFailed, Unavailable), match=r"within 2 s"):
        _compile(make("one", "", build=script), env)


def test_progress_is_told(make: Make, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cargo, "_PROGRESS_EVERY", 0.0)
    told: list[str] = []
    argv = ["cargo", "check", "--message-format=json", "--manifest-path", str(make("one", ""))]
    cargo.compile_package(argv, env, "checking one", told.append)
    assert told
    assert all(re.fullmatch(r"checking one: \d+ packages compiled", line) for line in told)


def test_what_the_system_refuses_cargo_is_no_fault_of_the_crate(
    make: Make, env: dict[str, str], tmp_path: Path
) -> None:
    """Here a link to nothing stands where cargo makes a folder: File exists (os error 17)."""
    home = tmp_path / "refusing"
    home.mkdir()
    (home / "registry").symlink_to(tmp_path / "nowhere")
    manifest = make("one", "", extra='[dependencies]\nitoa = "1"')
    refused = {**env, "CARGO_HOME": str(home)}
    with pytest.raises(Unavailable, match=r"^cargo failed on this machine: .*\(os error 17\)"):
        _compile(manifest, refused)


def test_a_disk_that_is_full_is_no_fault_of_the_crate(make: Make, env: dict[str, str]) -> None:
    script = 'fn main() { panic!("No space left on device (os error 28)") }'
    with pytest.raises(Unavailable, match=r"^cargo failed on this machine: .*build command"):
        _compile(make("one", "", build=script), env)


# -- resolving ----------------------------------------------------------------------------------------


def _resolve(manifest: Path, env: dict[str, str]) -> None:
    cargo.resolve(["cargo", "generate-lockfile"], manifest.parent, env, "one 1.0.0")


def test_a_git_source_that_cannot_be_reached_is_unavailable(make: Make, env: dict[str, str]) -> None:
    manifest = make("one", "", extra=f'[dependencies]\nx = {{ git = "https://{CLOSED}/x" }}')
    with pytest.raises(Unavailable, match=r"^the source of one 1\.0\.0 cannot be reached: ."):
        _resolve(manifest, env)
    with pytest.raises(Unavailable, match=r"^the source of checking one@1\.0\.0 cannot be reached: ."):
        _compile(manifest, env)


def test_a_git_source_that_cannot_be_reached_says_why_in_gits_words(make: Make, env: dict[str, str]) -> None:
    manifest = make("one", "", extra=f'[dependencies]\nx = {{ git = "https://{CLOSED}/x" }}')
    with pytest.raises(Unavailable, match=r"cannot be reached: .*(unable to access|Failed to connect)"):
        _resolve(manifest, env)


def test_a_registry_that_cannot_be_reached_is_unavailable(make: Make, env: dict[str, str]) -> None:
    manifest = make("one", "", extra='[dependencies]\nserde = "1"')
    closed = {**env, "CARGO_HTTP_PROXY": f"http://{CLOSED}", "CARGO_HTTP_TIMEOUT": "5"}
    with pytest.raises(Unavailable, match="cannot be reached"):
        _resolve(manifest, closed)


def test_dependencies_that_contradict_each_other_are_the_crates_fault(make: Make, env: dict[str, str]) -> None:
    make("two", "")
    manifest = make("one", "", extra='[dependencies]\ntwo = { path = "../two", version = "=9.0.0" }')
    with pytest.raises(BuildFailed) as error:
        _resolve(manifest, env)
    assert error.value.expected == "the dependencies of one 1.0.0 resolve"
    assert error.value.observed


def test_without_cargo_everything_is_unavailable_and_says_what_to_install(
    make: Make, env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = make("one", "")
    bare = {**env, "PATH": str(tmp_path)}
    advice = r"was not found; install a Rust toolchain \(https://rustup\.rs\) and run again$"
    with pytest.raises(Unavailable, match=f"^cargo {advice}"):
        _compile(manifest, bare)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=f"^cargo {advice}"):
        _resolve(manifest, bare)
    with pytest.raises(Unavailable, match=f"^rustc {advice}"):
        cargo.rustc_version()
