#!/usr/bin/env python3
"""Evidence that a report's red cells cite, for `.ci/publish`: `.ci/cited.py REPORT NEWEST BYTES`.

Prints the files, relative to the folder REPORT and each ended by a NUL, that pages with a bug report link there, of the
cells that are still red in the report in the folder NEWEST. What is larger than BYTES is left out.
"""

import re
import sys
import urllib.parse
from pathlib import Path

#: Of the section of a cell's page that only red cells of crates have.
BUG = 'id="bug"'


def red(report: Path) -> dict[str, str]:
    """The page of each red cell, by its place in the report."""
    pages = ((page, page.read_text(encoding="utf-8")) for page in (report / "cell").rglob("index.html"))
    return {page.relative_to(report).as_posix(): text for page, text in pages if BUG in text}


def cited(report: Path, newest: Path, most: int) -> list[str]:
    """The files, in order."""
    still = red(newest)
    texts = (text for page, text in red(report).items() if page in still)
    links = (link for text in texts for link in re.findall(r'href="(?:\.\./)+(evidence/[^"#]+)"', text))
    found = sorted({urllib.parse.unquote(link) for link in links})
    return [name for name in found if (report / name).is_file() and (report / name).stat().st_size <= most]


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\0" for name in cited(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
