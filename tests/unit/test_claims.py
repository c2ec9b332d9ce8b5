"""The guide's claims follow the matrix, and every sentence of claims.toml can be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.advice import Advice, Recommendation, advise
from harness.catalog import load_claims, load_crates
from harness.claims import Status, judge
from harness.errors import ConfigError
from harness.model import Claim, Dialect, Role, Verdict
from harness.reasons import Reason
from harness.report.advising import reason_line
from tests.golden.made_up import matrix

MATRIX = matrix()
CLAIM = Claim("id", "MQTT", "a crate works", 1, crate="mqtt-one")


def _status(claim: Claim, **changes: object) -> tuple[Status, str]:
    matrix = replace(MATRIX, claims=(claim,), **changes)  # type: ignore[arg-type]
    (judged,) = judge(matrix, advise(matrix))
    return judged.status, judged.reasons[0].text


def test_a_claim_about_a_crate_goes_by_its_advice() -> None:
    assert _status(CLAIM) == (Status.CONTRADICTED, "the repository is archived; its successor is mqtt-two")
    assert _status(replace(CLAIM, crate="kafka-one")) == (Status.UNTESTED, "no probe is written yet")
    assert _status(replace(CLAIM, crate="nobody")) == (Status.UNTESTED, "the run has no row for this crate")


def test_a_claim_about_platforms_goes_by_the_builds() -> None:
    platform = Claim("id", "Linux", "it builds", 1, builds=("x86_64",))
    arch = MATRIX.run.host["arch"]
    assert arch == "x86_64"
    assert _status(replace(platform, builds=("mips",))) == (Status.UNTESTED, "this run was on x86_64")
    assert _status(platform) == (Status.UNTESTED, "not every listed crate was built")


@pytest.mark.parametrize(
    ("verdict", "status", "said"),
    [
        (Verdict.PASS, Status.BACKED, "every listed crate compiles"),
        (Verdict.UNAVAILABLE, Status.CAVEATS, "could not be obtained: mqtt-one, kafka-one"),
        (Verdict.BUILD_FAILED, Status.CONTRADICTED, "does not compile as published: mqtt-one, kafka-one"),
    ],
)
def test_what_all_builds_come_to(verdict: Verdict, status: Status, said: str) -> None:
    cells = tuple(replace(cell, result=replace(cell.result, verdict=verdict)) for cell in MATRIX.cells)
    assert _status(Claim("id", "Linux", "it builds", 1, builds=("x86_64",)), cells=cells) == (status, said)


def test_a_claim_that_nothing_measures_says_why() -> None:
    claim = Claim("id", "Web", "it is elsewhere", 1, untested="nothing here speaks HTTP")
    assert _status(claim) == (Status.UNTESTED, "nothing here speaks HTTP")


def test_rust_is_ready_where_every_protocol_has_a_crate() -> None:
    status, reason = _status(Claim("id", "Answer", "it is ready", 1, protocols=True))
    assert (status, reason) == (Status.UNTESTED, "not every protocol was measured")
    poor = Advice(MATRIX.rows[0].crate, Dialect.MQTT_5, Recommendation.NOT_RECOMMENDED, (Reason("it fails"),), ())
    (judged,) = judge(replace(MATRIX, claims=(Claim("id", "Answer", "it is ready", 1, protocols=True),)), [poor])
    assert judged.status is Status.CONTRADICTED
    assert [said.text for said in judged.reasons] == ["MQTT 5.0: nothing is recommended"]


def test_cells_of_several_crates_are_named_with_their_crate() -> None:
    keys = tuple(cell.key for cell in MATRIX.cells if cell.key.scenario == "compiles_as_published")
    links = reason_line(Reason("some do not compile", keys), {}, "").cells
    assert [link.text for link in links[:2]] == ["mqtt-one: compiles_as_published", "codec: compiles_as_published"]
    (link,) = reason_line(Reason("it does not compile", keys[:1]), {}, "").cells
    assert link.text == "compiles_as_published"


def test_every_listed_crate_is_claimed() -> None:
    claims = load_claims()
    assert {claim.crate for claim in claims if claim.crate} == {c.name for c in load_crates() if c.role is Role.LISTED}
    assert all(claim.source.startswith("https://") for claim in claims)
    assert len({claim.id for claim in claims}) == len(claims)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("", "one of crate, builds, protocols and untested"),
        ('crate = "rumqtt"\nuntested = "why"', "one of crate, builds, protocols and untested"),
        ('crate = "nobody"', "is 'nobody', which the catalogue does not have"),
        ("speed = 3\nprotocols = true", "is no known key"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, how: str, said: str) -> None:
    file = tmp_path / "claims.toml"
    text = f'guide = "https://example.org"\n[[claim]]\nid = "x"\nsection = "s"\nline = 1\ntext = "t"\n{how}\n'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_claims(file)
