"""The paragraphs and list items of a page in Markdown that link crates, with where each is in the source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from harness.guide.links import inline_links, parsed, place
from harness.model import Crate

#: The mark of a list item with what precedes and follows it.
_MARK = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s+")


@dataclass(frozen=True)
class Block:
    """A piece of text that links crates; lines count from 0, and the last is the one after its end.

    `after` is the line below which something about it can be said, `indent` what that has to start with.
    """

    first: int
    last: int
    after: int
    indent: str
    crates: tuple[Crate, ...]


@dataclass(frozen=True)
class Items:
    """A list with marks and no numbers, each of whose items links one crate: the lines of each."""

    items: tuple[tuple[int, int], ...]
    crates: tuple[Crate, ...]


def blocks_of(text: str, known: Mapping[str, Crate]) -> tuple[tuple[Block, ...], tuple[Items, ...]]:
    """Every block that links crates, and the lists whose order says something.

    Args:
        text: the page.
        known: the crate at each place, as `links.place` names it.
    """
    tokens, lines = parsed(text), text.split("\n")
    blocks: list[Block] = []
    opened: list[Token] = []
    for token in tokens:
        if token.nesting == 1:
            opened.append(token)
        elif token.nesting == -1:
            opened.pop()
        elif token.type == "inline" and token.map:
            crates = tuple(known[where] for link in inline_links(token) if (where := place(link.href)) in known)
            if crates:
                blocks.append(_block(token.map, opened, lines, crates))
    return tuple(blocks), tuple(_lists(tokens, blocks, lines))


def _block(span: Sequence[int], opened: Sequence[Token], lines: Sequence[str], crates: tuple[Crate, ...]) -> Block:
    kinds = {token.type for token in opened}
    if kinds <= {"paragraph_open", "bullet_list_open", "ordered_list_open", "list_item_open"}:
        found = _MARK.match(lines[span[0]]) if "list_item_open" in kinds else re.match(r"\s+", lines[span[0]])
        indent = " " * len(found[0]) if found and "list_item_open" in kinds else ""
        return Block(span[0], span[1], span[1], indent, crates)
    outer = opened[0].map or span
    return Block(span[0], span[1], outer[1], "", crates)


def _lists(tokens: Iterable[Token], blocks: Sequence[Block], lines: Sequence[str]) -> Iterable[Items]:
    opened: list[tuple[Token, list[tuple[int, int]]]] = []
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            opened.append((token, []))
        elif token.type == "list_item_open" and token.map:
            opened[-1][1].append(_trimmed(token.map[0], token.map[1], lines))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            head, items = opened.pop()
            inside = [[block for block in blocks if first <= block.first < last] for first, last in items]
            crates = [own[0].crates[0] for own in inside if len(own) == 1 and len(own[0].crates) == 1]
            if head.type == "bullet_list_open" and len(crates) == len(items) > 1:
                yield Items(tuple(items), tuple(crates))


def _trimmed(first: int, last: int, lines: Sequence[str]) -> tuple[int, int]:
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    return first, last
