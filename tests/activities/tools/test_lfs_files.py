"""Files that Git LFS keeps: agents read and write their content, and the workspace has the pointer that git stores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.git.lfs import Store
from activities.tools.base import Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.conversion import CONVERT_FILE
from activities.tools.edits import EDIT_FILE, WRITE_FILE
from activities.tools.files import READ_FILE
from activities.tools.patches import APPLY_PATCH
from contracts.base import canonical
from tests import lfs
from tests.activities.tools.test_patches import diff
from tests.lfs import RULES, keep, pointer
from tests.repositories import change, repository

OLD, NEW = b"one\r\ntwo\r\n", b"one\r\n2\r\n"


class Bench:
    """A workspace with a pointer in it, and the store of its repository."""

    def __init__(self, folder: Path, old: bytes = OLD) -> None:
        origin = repository(folder / "origin", {".gitattributes": RULES})
        change(origin, {"a.bin": pointer(old)}, "* -text !filter")
        keep(origin / ".git" / "lfs" / "objects", old)
        self.mirror = Mirrors(folder / "mirrors").open(str(origin))
        self.root = folder / "root"
        self.mirror.checkout(self.mirror.fetch().tree, self.root)

    def store(self) -> Store:
        """The content beside the mirror."""
        return self.mirror.lfs

    async def outcome(self, tool: Tool, open_store: Callable[[], Store] | None = None, **arguments: object) -> ToolOutcome:
        """One call, with the store."""
        context = ToolContext("trace", "path", "agent", self.root, lfs=open_store or self.store)
        return await tool.call(context, canonical(arguments))

    def stored(self, name: str = "a.bin") -> bytes:
        """What git would store."""
        return (self.root / name).read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The workspace, on a machine with git-lfs."""
    lfs.program()
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        (EDIT_FILE, {"path": "a.bin", "old": "two", "new": "2"}),
        (WRITE_FILE, {"path": "a.bin", "content": "one\n2\n"}),
        (APPLY_PATCH, {"patch": diff("a.bin", b"one\ntwo\n", b"one\n2\n")}),
    ],
    ids=["edit", "write", "patch"],
)
async def test_an_edit_becomes_a_pointer_and_its_content(bench: Bench, tool: Tool, arguments: dict[str, str]) -> None:
    """The file keeps its line ends; the workspace gets the pointer; the content is kept here and given to the record."""
    done = await bench.outcome(tool, **arguments)
    assert bench.stored() == pointer(NEW)
    assert bench.mirror.lfs.read(pointer(NEW), 100) == NEW
    (source,) = done.sources
    assert (source.name, source.data) == ("Git LFS: a.bin", NEW)
    assert "the content is uploaded with the push" in str(done.result)
    read = await bench.outcome(READ_FILE, path="a.bin")
    assert "text='one\\n2\\n'" in repr(read.result)
    assert "kept with Git LFS: this is its content" in repr(read.result)


async def test_a_new_file_and_an_empty_one(bench: Bench) -> None:
    """As `git add` would store them: git-lfs has no pointer to nothing."""
    await bench.outcome(WRITE_FILE, path="deep/b.bin", content="x\n")
    assert bench.stored("deep/b.bin") == pointer(b"x\n")
    await bench.outcome(WRITE_FILE, path="deep/b.bin", content="")
    assert bench.stored("deep/b.bin") == b""
    await bench.outcome(APPLY_PATCH, patch=diff("c.bin", None, b"y\n"))
    assert bench.stored("c.bin") == pointer(b"y\n")
    await bench.outcome(CONVERT_FILE, path="a.bin", line_ends="lf")
    assert bench.stored() == pointer(b"one\ntwo\n")


async def test_what_is_not_changed_stays(bench: Bench) -> None:
    """The same content again is the same pointer, and is said to be unchanged."""
    done = await bench.outcome(WRITE_FILE, path="a.bin", content="one\ntwo\n")
    assert "outcome='unchanged'" in repr(done.result)
    assert bench.stored() == pointer(OLD)


async def test_content_that_is_not_here_can_be_replaced_and_not_edited(bench: Bench) -> None:
    """The refusal says why it is not here, and what is possible."""
    (bench.root / "lost.bin").write_bytes(pointer(b"lost"))
    with pytest.raises(ToolProblem, match=r"its content is not here: it is not among the LFS objects of .*write_file can"):
        await bench.outcome(EDIT_FILE, path="lost.bin", old="a", new="b")
    read = await bench.outcome(READ_FILE, path="lost.bin")
    assert "a pointer of Git LFS: the content that it stands for is not here" in repr(read.result)
    await bench.outcome(WRITE_FILE, path="lost.bin", content="found\n")
    assert bench.stored("lost.bin") == pointer(b"found\n")


async def test_binary_content_is_not_edited_as_text(tmp_path: Path) -> None:
    """It is the content that counts, and not the pointer, which is text."""
    lfs.program()
    bench = Bench(tmp_path, b"\0\1")
    with pytest.raises(ToolProblem, match="is binary"):
        await bench.outcome(EDIT_FILE, path="a.bin", old="oid", new="b")
    assert bench.stored() == pointer(b"\0\1")


async def test_without_git_lfs_it_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tool says so, and nothing changes."""
    bench = Bench(tmp_path)
    lfs.without(monkeypatch, tmp_path / "bin")
    for tool, arguments in (
        (EDIT_FILE, {"path": "a.bin", "old": "two", "new": "2"}),
        (WRITE_FILE, {"path": "new.bin", "content": "x"}),
        (APPLY_PATCH, {"patch": diff("a.bin", b"one\ntwo\n", b"one\n2\n")}),
        (CONVERT_FILE, {"path": "a.bin", "line_ends": "lf"}),
    ):
        with pytest.raises(ToolProblem, match=r"is kept with Git LFS .* and git-lfs is not installed on the worker, so"):
            await bench.outcome(tool, **arguments)
    assert bench.stored() == pointer(OLD)
    read = await bench.outcome(READ_FILE, path="a.bin")
    assert "this is its content, which cannot be written: git-lfs is not installed on the worker" in repr(read.result)
    assert not (bench.root / "new.bin").exists()
