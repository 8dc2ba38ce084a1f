"""The pages that people read, and what stands in them: blocks of code with their marks, and links.

A mark is an HTML comment on the line before a block:

- `<!-- tested -->`: a test runs it
- `<!-- not tested: WHY -->`: no test does, for this reason
- `<!-- file: PATH -->`, `<!-- edit: PATH -->`: extending Baton writes this file, or changes this one
- `<!-- output of: COMMAND -->`: what the command prints, shortened with `…`; `the block above` is the last tested one
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "deploy/README.md", "benchmarks/README.md")
MARKS = ("tested", "not tested", "file", "edit", "output of")

_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block. `mark` and `argument` are the two sides of the mark's colon, empty where there is none."""

    page: str
    line: int
    language: str
    mark: str
    argument: str
    text: str

    @property
    def where(self) -> str:
        """For messages and test ids."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page."""
    return [*(ROOT / name for name in TOP), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """A page's path from the top of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The page's blocks, in their order."""
    text = page.read_text()
    found = []
    for one in _BLOCK.finditer(text):
        mark, _, argument = (one["mark"] or "").partition(":")
        line = text.count("\n", 0, one.start("language")) + 1
        found.append(Block(name_of(page), line, one["language"], mark.strip(), argument.strip(), one["text"]))
    return found


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of the page's links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
