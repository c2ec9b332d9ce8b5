"""The links of a page, in Markdown or HTML, and which project each leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: Sites where a project is an owner and a name.
_FORGES = frozenset({"github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "git.sr.ht"})
#: First parts of GitHub's addresses that are no owner.
_NO_OWNERS = frozenset({"orgs", "topics", "sponsors", "marketplace", "features"})
#: Sites that show a package, and what comes before its name there.
_PACKAGES = {"crates.io": ("crates",), "lib.rs": ("crates",), "docs.rs": ("crate", "")}
#: Ends of names of files that are HTML. Their content does not tell: a page in Markdown may start with a doctype.
_HTML = (".html", ".htm", ".xhtml")


@dataclass(frozen=True)
class Link:
    """A link as the page has it; `line` counts from 1."""

    href: str
    line: int


def place(href: str) -> str:
    """The project that an address leads to, equal for all ways to write it; empty where it leads to none.

    A repository is `site/owner/name`, a package of the registry `crates.io/name`. Case, scheme, `www.`, a final slash,
    `.git` and what comes below the project make no difference.
    """
    try:
        parts = urlsplit(href.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    path = [unquote(part).lower() for part in parts.path.split("/") if part]
    if host in _FORGES and len(path) > 1 and path[0] not in _NO_OWNERS:
        return f"{host}/{path[0]}/{path[1].removesuffix('.git')}"
    for before in _PACKAGES.get(host, ()):
        named = path[1:] if path[:1] == [before] else [] if before else path
        if named:
            return package(named[0])
    return ""


def package(name: str) -> str:
    """A package as `place` names it: the registry takes hyphen and underscore for the same."""
    return f"crates.io/{name.lower().replace('_', '-')}"


def is_html(name: str) -> bool:
    """True where a file of this name is read as HTML."""
    return name.lower().endswith(_HTML)


def links_of(name: str, text: str) -> tuple[Link, ...]:
    """Every link of a page, in its order.

    Args:
        name: the file's; its end tells HTML from Markdown.
        text: the file's.
    """
    return tuple(_in_html(text, 1) if is_html(name) else _in_markdown(text))


def parsed(text: str) -> Sequence[Token]:
    """Markdown as tokens of blocks, with tables as on GitHub."""
    return MarkdownIt("commonmark").enable("table").parse(text)


def inline_links(block: Token) -> Iterator[Link]:
    """The links of one paragraph, heading or cell of a table; reference links lead where their definition says."""
    line = (block.map[0] if block.map else 0) + 1
    for token in block.children or ():
        if token.type in ("softbreak", "hardbreak"):
            line += 1
        elif token.type == "link_open":
            yield Link(str(token.attrs["href"]), line)
        elif token.type == "html_inline":
            yield from _in_html(token.content, line)


def _in_markdown(text: str) -> Iterator[Link]:
    for token in parsed(text):
        if token.type == "inline":
            yield from inline_links(token)
        elif token.type == "html_block":
            yield from _in_html(token.content, (token.map[0] if token.map else 0) + 1)


def _in_html(text: str, first_line: int) -> Iterator[Link]:
    reader = _Anchors()
    reader.feed(text)
    reader.close()
    yield from (Link(href, first_line + line - 1) for href, line in reader.found)


class _Anchors(HTMLParser):
    """Notes what every `a` leads to, with its line."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.found.append((re.sub(r"\s+", "", href), self.getpos()[0]))
