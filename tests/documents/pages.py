"""Reads the documents: their links, their headings, and their blocks of code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import ROOT

PAGES = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+)(?::[^\n]*)? -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its language, its text, and what the comment above it says of it, if any."""

    language: str
    code: str
    mark: str


def blocks(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(each["language"], each["code"], each["mark"] or "") for each in found]


def prose(text: str) -> str:
    """A page without its code and pictures."""
    return re.sub(r"<picture>.*?</picture>", "", _FENCE.sub("", text), flags=re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """What a page links to, or shows, in this repository."""
    for found in _LINK.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = next(filter(None, found.groups()))
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}
