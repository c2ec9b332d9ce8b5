"""Text from outside: what is stripped, shown, escaped and never linked."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import CellKey, Crate, Dialect, Kind, Role
from harness.report.addresses import cell_page, crate_page, evidence_href, slug, to_root
from harness.report.text import linked, markdown, one_line, portable, shorten, visible, web_link, xml_safe


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;https://x.y\x1b\\link", "link"),
        ("\x9b31mred", "red"),
        ("a\x00b\x08", "a\\x00b\\x08"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
        ("naïve ✔ 漢字 😀", "naïve ✔ 漢字 😀"),
    ],
)
def test_visible(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_xml_holds_whatever_comes(text: str) -> None:
    element = ET.Element("e", a=xml_safe(text))
    element.text = xml_safe(text)
    ET.fromstring(ET.tostring(element, encoding="unicode"))  # noqa: S314 - our own document


def test_one_line_and_shorten() -> None:
    assert one_line("a\n  b\t c") == "a b c"
    assert shorten("a" * 30, 10) == "aaaaaaaaaa … (20 more characters)"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("in /home/me/iotyet/src/main.rs:3", "in …/main.rs:3"),
        ("~/.cache/x/probe died", "…/probe died"),
        ("refused by 127.0.0.1:40123", "refused by 127.0.0.1:(a port)"),
        ("from https://mirror.example.org/index", "from (an address)"),
        ("could not resolve host: mirror.example.org", "could not resolve host: (a host)"),
        ("topics a/b and /a are kept, 3/4", "topics a/b and /a are kept, 3/4"),
    ],
)
def test_portable(raw: str, said: str) -> None:
    assert portable(raw) == said


def test_markdown_cannot_leave_its_table_cell() -> None:
    assert markdown("a|b\n<img> `x` [y](z) https://e.org") == (
        "a\\|b &lt;img&gt; \\`x\\` \\[y\\](z) https:&#47;/e.org"
    )  # fmt: skip


def test_only_web_addresses_become_links() -> None:
    assert [span.href for span in linked("javascript:alert(1) data:text/html,x")] == [""]
    assert web_link("https://e.org/a b") == ""
    spans = linked("see https://e.org/a, and more")
    assert [(span.text, span.href) for span in spans] == [
        ("see ", ""),
        ("https://e.org/a", "https://e.org/a"),
        (", and more", ""),
    ]


@given(st.text(min_size=1))
def test_a_slug_is_one_safe_folder(text: str) -> None:
    name = slug(text)
    assert not set(name) & set("/\\ %?#\0")
    assert name not in (".", "..")
    assert len(name) < 200


@given(st.text(), st.text())
def test_slugs_differ_where_texts_do(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)


def test_addresses() -> None:
    crate = Crate("c", Role.LISTED, Kind.CLIENT, (Dialect.MQTT_3_1_1, Dialect.MQTT_5), "c", "1.0.0", "MIT")

    def page(dialect: Dialect, params: str, peer: str) -> str:
        return cell_page(crate, CellKey(dialect, "connects", params, "c", "1.0.0", peer))

    assert page(Dialect.MQTT_3_1_1, "", "mosquitto@2.0") == "cell/c/connects/mosquitto@2.0/index.html"
    assert page(Dialect.MQTT_3_1_1, "qos-1", "mosquitto@2.0") == "cell/c/connects-qos-1/mosquitto@2.0/index.html"
    assert page(Dialect.MQTT_5, "", "mosquitto@2.0") == "cell/c/mqtt-5.connects/mosquitto@2.0/index.html"
    assert page(Dialect.PACKAGE, "", "-") == "cell/c/connects/build/index.html"
    assert to_root(crate_page("c")) == "../../"


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", "a/../../x", "a\\b"])
def test_evidence_outside_of_the_run_is_not_linked(path: str) -> None:
    assert evidence_href(path) == ""


def test_evidence_is_quoted() -> None:
    assert evidence_href("evidence/a#b?/t.txt") == "evidence/a%23b%3F/t.txt"
