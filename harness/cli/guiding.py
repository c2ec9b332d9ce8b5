"""Commands about the guide's own page."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from harness.catalog import load_crates, load_guide_links
from harness.cli.group import FORMAT, cli, matrix_of, published, say
from harness.errors import UsageError
from harness.guide.check import check
from harness.guide.links import is_html, links_of
from harness.guide.suggest import suggest
from harness.matrix import EXIT_DIFFERS, EXIT_OK
from harness.paths import REPORTS
from harness.store import RunFolder, newest_whole_run

#: What can stand in a link in Markdown as it is.
_ADDRESS = re.compile(r"https?://[^\s()<>]+")
_PAGE = click.argument("page", metavar="FILE", type=click.Path(path_type=Path))


@cli.group()
def guide() -> None:
    """Compare a copy of the guide with the catalogue and with what was measured.

    Example: iotyet guide check index.md
    """


@guide.command("check")
@_PAGE
@FORMAT
def check_page(page: Path, form: str) -> int:
    """Say which crate links of a page have no entry, and which entries it no longer has.

    FILE is Markdown, or HTML where its name ends so. Exits with 0 where both agree and 1 where they differ.

    Example: iotyet guide check index.md
    """
    found = list(check(links_of(page.name, _read(page)), load_crates(), load_guide_links()))
    if form == "json":
        click.echo(json.dumps([asdict(difference) for difference in found], indent=1))
    else:
        for difference in found:
            click.echo(difference)
    if not found:
        say(f"every crate that {page} links has an entry, and it links every crate that is listed")
    return EXIT_DIFFERS if found else EXIT_OK


@guide.command("suggest")
@_PAGE
@click.option(
    "--base-url",
    default="",
    metavar="URL",
    help="Where reports are published; each line cites a page of this run there, which stays.",
)
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run to go by; the newest of a whole profile by default.",
)
def suggest_patch(page: Path, base_url: str, run_folder: Path | None) -> int:
    """Print a patch for the guide's Markdown: advice, successors, the best crates first. It takes no link away.

    Each line cites the run's page below URL/run/, where published reports stay: name a run that was published.

    Exits with 0 where there is nothing to say and 1 where there is a patch.

    Example: iotyet guide suggest index.md --base-url https://example.org/matrix | patch -p1
    """
    if not _ADDRESS.fullmatch(base_url):
        raise UsageError(
            "every line of the patch cites the report: say with --base-url https://… where it is published"
        )
    if is_html(page.name):
        raise UsageError(
            f"{page} is HTML, and a patch is for the page's source: name the Markdown that it is made from"
        )
    text = _read(page)
    folder = RunFolder(run_folder.resolve()) if run_folder else newest_whole_run(REPORTS / "runs")
    built = matrix_of(folder)
    say(f"as run {built.run.id} of the profile {built.run.profile} has it")
    name = page.name if page.is_absolute() or ".." in page.parts else page.as_posix()
    patch = suggest(name, text, built, published(base_url, "").permalink(built.run))
    click.echo(patch, nl=False)
    return EXIT_DIFFERS if patch else EXIT_OK


def _read(page: Path) -> str:
    try:
        return page.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{page} cannot be read: {error.strerror}; name a copy of the guide's page") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{page} is no text in UTF-8 (byte {error.start}); name a copy of the guide's page") from error
