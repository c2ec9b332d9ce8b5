"""Text from outside made safe to show. What probes, brokers and compilers print is untrusted.

Escaping for HTML is the template engine's; here is what escaping does not cover.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: ANSI escape sequences: CSI, OSC (ended by BEL or ST), and the two-character ones.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]")
#: Everything that is invisible or changes the direction of what follows; line feed and tab are meant.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
#: What XML 1.0 cannot hold, not even escaped (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#&$])")
_WEB = re.compile(r"https?://[^\s<>\"'`]+")

#: What tells of the machine that ran: absolute paths, local ports, and addresses in measured text.
_PATH = re.compile(r"(?<![\w./:~-])(?:/[\w.@+~-]+)+/([\w.@+~-]+)")
_HOME = re.compile(r"(?<![\w/])~/(?:[\w.@+-]+/)*([\w.@+-]+)")
_LOCAL = re.compile(r"\b(127\.0\.0\.1|localhost|\[::1\]):\d+")
_HOST = re.compile(r"(\bhosts?:? )([\w-]+(?:\.[\w-]+)+)")


@dataclass(frozen=True)
class Span:
    """A piece of text; `href` is empty where it is no link."""

    text: str
    href: str


def visible(text: str) -> str:
    """Colour codes removed, other control and invisible characters as escapes, line ends as line feeds."""
    if text.isprintable():  # most texts, and much faster to find out
        return text
    plain = _ANSI.sub("", text.replace("\r\n", "\n"))
    return _INVISIBLE.sub(lambda found: _escape(found[0]), plain)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str, limit: int = 300) -> str:
    """`visible` text on one line of at most `limit` characters."""
    if len(text) <= limit and text.isprintable() and "  " not in text and text == text.strip():
        return str(text)  # it is one already, or a word of an enumeration
    return shorten(" ".join(visible(text).split()), limit)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters and a note of how many more there are."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()} … ({len(text) - limit} more characters)"


def portable(text: str) -> str:
    """Measured text without what is only true on the machine of the run: folders, ports and hosts."""
    plain = _WEB.sub("(an address)", text)
    plain = _HOST.sub(r"\1(a host)", plain)
    plain = _LOCAL.sub(r"\1:(a port)", plain)
    return _HOME.sub(r"…/\1", _PATH.sub(r"…/\1", plain))


def markdown(text: str, limit: int = 300) -> str:
    """One line of text as Markdown that renders as that text, also inside a table."""
    escaped = _MARKDOWN.sub(r"\\\1", one_line(text, limit))
    return escaped.replace("<", "&lt;").replace(">", "&gt;").replace("://", ":&#47;/")


def xml_safe(text: str) -> str:
    """Text that an XML 1.0 document can hold, once escaped."""
    return _NOT_XML.sub("", visible(text))


def web_link(text: str) -> str:
    """`text` if it is a web address and nothing else, otherwise empty: no other scheme becomes a link."""
    return text if _WEB.fullmatch(text) else ""


def linked(text: str, longest: int = 0) -> tuple[Span, ...]:
    """Text with the web addresses in it as links; an address of more than `longest` characters shows its ends only."""
    spans, end = [], 0
    plain = visible(text)
    for found in _WEB.finditer(plain):
        address = found[0].rstrip(".,;:)")
        if plain[end : found.start()]:
            spans.append(Span(plain[end : found.start()], ""))
        spans.append(Span(_brief(address, longest) if longest else address, address))
        end = found.start() + len(address)
    if plain[end:]:
        spans.append(Span(plain[end:], ""))
    return tuple(spans)


def _brief(address: str, longest: int) -> str:
    plain = address.split("://", 1)[1]
    half = longest // 2
    return plain if len(plain) <= longest else f"{plain[:half]}…{plain[-half:]}"
