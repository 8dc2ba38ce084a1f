"""Search: every row is true, every bound is named, and no pattern stops the worker."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.tools import matcher as program
from activities.tools import search as searching
from activities.tools.base import ToolProblem
from activities.tools.matcher import Matcher, PatternTooSlow
from activities.tools.search import SEARCH
from tests.activities.tools.tooling import call, outcome, source_tree
from tests.depth import soak


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace of these tests."""
    return source_tree(tmp_path)


async def test_search_gives_rows_with_their_lines(root: Path) -> None:
    """A text is found as it stands, letter by letter; the rows can be quoted from a source."""
    done = await outcome(SEARCH, root, pattern="os.name")
    result: Any = done.result
    assert result.rows == ("src/main.py:5:    print(os.name)",)
    assert (result.matches, result.complete, result.skipped) == (1, True, 2)
    assert set(result.skipped_because) == {"link: a link, not followed", "away: a link, not followed"}
    assert done.sources[0].data == b"src/main.py:5:    print(os.name)\n"
    nothing = await outcome(SEARCH, root, pattern="os_name")
    assert nothing.sources == ()
    assert (await call(SEARCH, root, pattern="hidden")).matches == 0


async def test_search_by_regular_expression(root: Path) -> None:
    """With regex set the pattern is one; `$` works before any line end; a bad one is explained."""
    assert (await call(SEARCH, root, pattern=r"^def \w+", regex=True)).rows == ("src/main.py:4:def main() -> None:",)
    (root / "dos.txt").write_bytes(b"one\r\ntwo\r\n")
    assert (await call(SEARCH, root, pattern=r"e$", regex=True, path="dos.txt")).rows == ("dos.txt:1:one",)
    with pytest.raises(ToolProblem, match=r"not a regular expression: missing \)"):
        await call(SEARCH, root, pattern="(a", regex=True)
    with pytest.raises(ToolProblem, match="spans lines"):
        await call(SEARCH, root, pattern="a\nb")


async def test_search_shows_the_lines_around(root: Path) -> None:
    """Context rows use dashes, and a line between two matches appears once."""
    (root / "abc").write_text("a\nX1\nb\nX2\nc\nd\n")
    found = await call(SEARCH, root, pattern="X", path="abc", context=1)
    assert found.rows == ("abc-1-a", "abc:2:X1", "abc-3-b", "abc:4:X2", "abc-5-c")
    assert found.matches == 2


async def test_search_is_bounded(root: Path) -> None:
    """Many matches, long lines and many rows end the search at a bound that it names."""
    (root / "many").write_text("needle\n" * 1000)
    found = await call(SEARCH, root, pattern="needle", limit=7)
    assert (found.matches, len(found.rows), found.complete) == (7, 7, False)
    assert "limit of 7" in found.note
    assert (await call(SEARCH, root, pattern="needle", path="README.md")).complete
    (root / "exact").write_text("needle\n" * 7)
    assert (await call(SEARCH, root, pattern="needle", path="exact", limit=7)).complete
    (root / "wide").write_text(("x" * 5000 + "needle" + "y" * 5000 + "\n") * 400)
    found = await call(SEARCH, root, pattern="needle", path="wide", limit=500)
    assert not found.complete
    assert "fill the result" in found.note
    assert all("needle" in row and len(row) < 220 for row in found.rows)


async def test_search_skips_and_says_so(root: Path) -> None:
    """Binary and oversized files are skipped, counted, and named with the reason."""
    for number in range(15):
        (root / f"{number:02}.bin").write_bytes(b"needle\0")
    with open(root / "00.big", "wb") as file:
        file.truncate(1 << 40)
    found = await call(SEARCH, root, pattern="needle")
    assert (found.matches, found.skipped) == (0, 18)
    assert found.skipped_because[0].startswith("00.big: the file is larger")
    assert found.skipped_because[1] == "00.bin: binary"
    assert len(found.skipped_because) == 10


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*a){20}$", *soak("(a|a)*$", "([a-z]+)*1")])
async def test_a_catastrophic_expression_is_ended(root: Path, pattern: str) -> None:
    """Expressions that would run for years are ended with advice, and the event loop runs on meanwhile."""
    (root / "hostile").write_text("a" * 5000 + "!\n")
    beats = 0
    searched = asyncio.create_task(call(SEARCH, root, pattern=pattern, regex=True, path="hostile"))
    while not searched.done():
        await asyncio.wait([searched], timeout=0.05)
        beats += 1
    with pytest.raises(ToolProblem, match=r"took more than 2 seconds .* in hostile; avoid repetition inside repetition"):
        await searched
    assert beats > 1


def test_a_matcher_leaves_no_process_behind() -> None:
    """Whether it finished, was refused or was ended: afterwards the process is gone."""
    with Matcher("b+") as matcher:
        assert matcher.lines("a\nxb\r\nb", 5) == [(1, 1), (2, 0)]
        assert matcher.lines("b\nb\nb", 2) == [(0, 0), (1, 0)]
        process = matcher._process
    assert process.returncode is not None
    with Matcher("(a+)+$") as matcher, pytest.raises(PatternTooSlow):
        matcher.lines("a" * 100 + "!", 1, seconds=0.2)
    assert matcher._process.returncode is not None


async def test_search_ends_in_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is over the search gives what it has and names the file where it stopped."""
    monkeypatch.setattr(searching, "SEARCH_SECONDS", 0.0)
    found = await call(SEARCH, root, pattern="Title")
    assert not found.complete
    assert "stopped at README.md" in found.note


def test_the_matching_process_needs_nothing_of_ours() -> None:
    """The process starts without site packages, environment or this project, which keeps its start cheap."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", program.__file__],
        input=b'{"size": 1}\na',
        capture_output=True,
        env={},
        check=True,
    )
    assert json.loads(done.stdout) == {"ready": True}
