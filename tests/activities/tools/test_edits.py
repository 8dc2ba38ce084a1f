"""Writing and editing: a change is exactly what was asked for, or nothing, and a refusal says what stands there."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from activities.providers.schema import closed_schema
from activities.tools.base import Tool
from activities.tools.edits import EDIT_FILE, EDIT_TOOLS, WRITE_FILE
from activities.tools.patches import APPLY_PATCH
from tests.activities.tools.tooling import POEM, call, poem_tree, problem, tree
from tests.children import PATIENCE
from tests.depth import count


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The workspace of these tests."""
    return poem_tree(tmp_path)


@pytest.mark.parametrize("tool", EDIT_TOOLS, ids=lambda tool: tool.name)
def test_arguments_fit_the_closed_schema(tool: Tool) -> None:
    """Every argument can be required, and the tools say that they change the workspace."""
    schema = closed_schema(tool.takes)
    assert schema["required"] == list(schema["properties"])
    assert tool.effect == "workspace"


async def test_writes_and_says_what_was_there(root: Path) -> None:
    """A file is created with its folders, overwritten, or found to be so already; sizes are bytes."""
    written = await call(WRITE_FILE, root, path="new/deep/ü.txt", content="é\n")
    assert (written.outcome, written.size, written.previous_size) == ("created", 3, None)
    assert (root / "new/deep/ü.txt").read_bytes() == "é\n".encode()
    written = await call(WRITE_FILE, root, path="new/deep/ü.txt", content="é\n")
    assert (written.outcome, written.size, written.previous_size) == ("unchanged", 3, 3)
    written = await call(WRITE_FILE, root, path="./new//deep/ü.txt", content="")
    assert (written.path, written.outcome, written.previous_size) == ("new/deep/ü.txt", "overwritten", 3)


async def test_a_program_stays_one(root: Path) -> None:
    """Overwriting, editing and patching keep the file's mode."""
    (root / "run").write_bytes(b"#!/bin/sh\n")
    (root / "run").chmod(0o755)
    await call(WRITE_FILE, root, path="run", content="#!/bin/sh\nexit 1\n")
    await call(EDIT_FILE, root, path="run", old="1", new="2")
    await call(APPLY_PATCH, root, patch="--- a/run\n+++ b/run\n@@ -2 +2 @@\n-exit 2\n+exit 3\n")
    assert (root / "run").read_bytes() == b"#!/bin/sh\nexit 3\n"
    assert (root / "run").stat().st_mode & 0o777 == 0o755


BAD_PATHS = [
    "../secret",
    "/tmp/x",
    "link",
    "away/new",
    ".git/hooks/pre-commit",
    "sub/.GIT",
    "a\nb",
    "\u202egpj",
    "a\\b",
    "",
    ".",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("tool", EDIT_TOOLS, ids=lambda tool: tool.name)
async def test_no_tool_writes_outside(root: Path, tool: Tool, path: str) -> None:
    """Links, ways out, git's own files and names that deceive are refused by every tool, and nothing changes."""
    outside = tree(root.parent)
    arguments: dict[str, Any] = {"path": path, "content": "x"}
    if tool is EDIT_FILE:
        arguments = {"path": path, "old": "outside", "new": "x"}
    if tool is APPLY_PATCH:
        arguments = {"patch": f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-outside\n\\ No newline at end of file\n+x\n"}
    await problem(tool, root, **arguments)
    assert tree(root.parent) == outside


async def test_a_folder_is_not_written(root: Path) -> None:
    """A folder's name, or a file used as a folder, is refused by name."""
    (root / "folder").mkdir()
    assert "folder is a folder" in await problem(WRITE_FILE, root, path="folder", content="x")
    assert "is a file or lies below one" in await problem(WRITE_FILE, root, path="poem.txt/x", content="x")


async def test_a_second_name_is_replaced_and_never_written_through(root: Path) -> None:
    """Writing over a hard link leaves the other name's bytes alone; editing it is refused."""
    os.link(root.parent / "secret", root / "hard")
    assert "second name" in await problem(EDIT_FILE, root, path="hard", old="outside", new="x")
    await call(WRITE_FILE, root, path="hard", content="outside")
    await call(WRITE_FILE, root, path="hard", content="mine")
    assert (root.parent / "secret").read_bytes() == b"outside"


async def test_replaces_the_one_occurrence(root: Path) -> None:
    """One exact occurrence is replaced; the result says at which line the new text stands."""
    edited = await call(EDIT_FILE, root, path="poem.txt", old="three\nfour", new="3\n4", all=None)
    assert (edited.replaced, edited.lines, edited.size) == (1, (3,), len(POEM) - 7)
    assert (root / "poem.txt").read_bytes() == POEM.replace(b"three\nfour", b"3\n4")


async def test_replaces_all_when_told(root: Path) -> None:
    """With all set every occurrence is replaced, and the lines are those of the new file."""
    (root / "a").write_bytes(b"x\n" * 30)
    edited = await call(EDIT_FILE, root, path="a", old="x\n", new="y\nz\n", all=True)
    assert (edited.replaced, edited.lines[:3], len(edited.lines)) == (30, (1, 3, 5), 20)
    assert (root / "a").read_bytes() == b"y\nz\n" * 30


async def test_several_occurrences_are_named(root: Path) -> None:
    """More than one occurrence is refused with the lines, also when they overlap or are very many."""
    said = await problem(EDIT_FILE, root, path="poem.txt", old="e\n", new="E\n")
    assert "occurs 4 times, at lines 1, 3, 5, 9" in said
    (root / "a").write_bytes(b"aaa")
    assert "2 times, at lines 1, 1" in await problem(EDIT_FILE, root, path="a", old="aa", new="b")
    (root / "b").write_bytes(b"x\n" * 100_000)
    assert "more than 20 times" in await problem(EDIT_FILE, root, path="b", old="x", new="b")


@pytest.mark.parametrize(
    ("data", "old", "why"),
    [
        (b"  return x\n", "    return x\n", 'line 1 is "  return x", which differs in white space'),
        (b"a\n\treturn x\n", "    return x", 'line 2 is "\\treturn x", which differs in white space'),
        (b"Hello World\n", "hello world", "differs in upper and lower case"),
        ("e\u0301t\u00e9\n".encode(), "\u00e9t\u00e9", "how accents are composed"),
        ("a\u202eb\n".encode(), "a\\u202eb", "shown as \\uXXXX"),
        ("é".encode() + b"caf\xe9 au lait\n", "caf\ufffd au", "bytes that are not UTF-8"),
        (
            b"x\ndef compute(self, value):\n",
            "def compute(self, values):\n    pass",
            'closest is line 2, "def compute(self, value):"',
        ),
        (b"alpha\n", "0123456789", "no line is like it"),
        (b"", "x", "no line is like it"),
    ],
)
async def test_text_that_is_not_there_is_explained(root: Path, data: bytes, old: str, why: str) -> None:
    """When old is not found, the message says what stands there instead and in what it differs."""
    (root / "file").write_bytes(data)
    assert why in await problem(EDIT_FILE, root, path="file", old=old, new="something else entirely")


async def test_an_edit_that_was_made_already_is_recognised(root: Path) -> None:
    """The same edit a second time is refused with a message of its own, naming the line."""
    await call(EDIT_FILE, root, path="poem.txt", old="five", new="5!")
    said = await problem(EDIT_FILE, root, path="poem.txt", old="five", new="5!")
    assert "old is not in the file; new is, at line 5: perhaps the edit was made before" in said
    said = await problem(EDIT_FILE, root, path="poem.txt", old="  two", new="one")
    assert "new is, at line 1" in said
    assert "already applied" not in said
    assert "line 2 is" in said


async def test_edits_that_make_no_sense_are_refused(root: Path) -> None:
    """Equal texts, an empty old text, a missing file and unbounded growth are refused."""
    assert "same text" in await problem(EDIT_FILE, root, path="poem.txt", old="one", new="one")
    assert "old" in await problem(EDIT_FILE, root, path="poem.txt", old="", new="one")
    assert "similar: poem.txt" in await problem(EDIT_FILE, root, path="poems.txt", old="one", new="two")
    (root / "a").write_bytes(b"a" * 1_000_000)
    assert "would grow" in await problem(EDIT_FILE, root, path="a", old="a", new="b" * 1000, all=True)


async def test_bytes_that_are_not_edited_stay(root: Path) -> None:
    """A file with bytes that are not UTF-8 and mixed line ends changes only where it was told to."""
    (root / "old").write_bytes("é".encode() + b"caf\xe9\r\nkey=1\nend")
    await call(EDIT_FILE, root, path="old", old="key=1\n", new="key=ü\r\n")
    assert (root / "old").read_bytes() == "é".encode() + b"caf\xe9\r\nkey=\xc3\xbc\r\nend"


async def test_edits_side_by_side_lose_nothing(root: Path) -> None:
    """Many edits of one file at once all arrive."""
    (root / "list").write_text("".join(f"item {number:02};\n" for number in range(40)))
    await asyncio.gather(
        *(call(EDIT_FILE, root, path="list", old=f"item {number:02};", new=f"done {number:02};") for number in range(40))
    )
    assert (root / "list").read_text() == "".join(f"done {number:02};\n" for number in range(40))


TEXTS = st.text(alphabet=st.sampled_from("ab \t\n\\é🙂\u202e"), max_size=40)


@given(TEXTS, TEXTS.filter(bool), TEXTS.filter(bool), TEXTS)
@settings(max_examples=count(20, soak=600))
def test_an_edit_and_its_reverse_give_the_file_back(before: str, old: str, new: str, after: str) -> None:
    """Where both texts are unambiguous, replacing there and back again changes nothing."""
    assume(old != new)
    data, edited = (before + old + after).encode(), (before + new + after).encode()
    assume(_once(data, old) and _once(edited, new))
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        (root / "file").write_bytes(data)
        asyncio.run(call(EDIT_FILE, root, path="file", old=old, new=new))
        assert (root / "file").read_bytes() == edited
        asyncio.run(call(EDIT_FILE, root, path="file", old=new, new=old))
        assert (root / "file").read_bytes() == data


def _once(data: bytes, part: str) -> bool:
    first = data.find(part.encode())
    return data.find(part.encode(), first + 1) < 0


async def test_a_hostile_size_ends_soon(root: Path) -> None:
    """A large file of equal lines in which the text is not found is answered in seconds."""
    (root / "big").write_bytes(b"same line\n" * 300_000)
    said = await asyncio.wait_for(problem(EDIT_FILE, root, path="big", old="same  Line\n" * 2 + "never", new="y"), PATIENCE)
    assert "closest is line 1" in said
