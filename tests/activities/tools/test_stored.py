"""Edits keep how a file is written: its encoding, byte order mark and line ends; and what git stores in its place."""

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from activities.tools.conversion import CONVERT_FILE
from activities.tools.edits import EDIT_FILE, WRITE_FILE
from activities.tools.entries import MOVE_FILE
from activities.tools.files import READ_FILE
from activities.tools.patches import APPLY_PATCH
from activities.tools.search import SEARCH
from tests.activities.tools.test_patches import diff
from tests.activities.tools.tooling import call, problem
from tests.depth import count

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\n", "a\nb", "a\nx\nb", b"a\r\nx\r\nb\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "a\nx\nb", b"a\r\nx\r\nb\r\n"),
        (b"a\r\nb\r\n", "b", "b\nc", b"a\r\nb\r\nc\r\n"),
        (b"a\r\nb\r\n", "\nb", "\nc", b"a\r\nc\r\n"),
        (b"a\nb\n", "a\r\nb", "a\r\nx\r\nb", b"a\nx\nb\n"),
        (b"a\nb\n", "b", "b\r\nc", b"a\nb\r\nc\n"),
        (b"a\r\nb\nc\n", "a\nb", "a\nx\nb", b"a\r\nx\r\nb\nc\n"),
        (b"a\r\nb\nc\n", "b\nc", "b\nx\nc", b"a\r\nb\nx\nc\n"),
        (b"a\r\nb\nc\n", "a", "a\nx", b"a\r\nx\r\nb\nc\n"),
        (b"a\r\nb", "b", "b\nc", b"a\r\nb\r\nc"),
        (b"a\rb\n", "b", "c\nd", b"a\rc\nd\n"),
        (b"\xef\xbb\xbfa\n", "a", "b", b"\xef\xbb\xbfb\n"),
        (b"caf\xe9\n", "café", "thé", b"th\xe9\n"),
        (b"\x93a\x94 caf\xe9\n", "“a”", "“b” – c", b"\x93b\x94 \x96 c caf\xe9\n"),
        ("a\nü\n".encode("utf-16"), "ü", "ß€🙂", "a\nß€🙂\n".encode("utf-16")),
        (
            b"\xfe\xff" + "a\r\nb\r\n".encode("utf-16-be"),
            "a\nb",
            "x\ny\nz",
            b"\xfe\xff" + "x\r\ny\r\nz\r\n".encode("utf-16-be"),
        ),
        ("# coding: cp1251\nПривет\n".encode("cp1251"), "Привет", "Пока", "# coding: cp1251\nПока\n".encode("cp1251")),
        ("é\n".encode() + b"\xff\n", "é", "ü", "ü\n".encode() + b"\xff\n"),
    ],
)
async def test_an_edit_keeps_encoding_and_line_ends(root: Path, before: bytes, old: str, new: str, after: bytes) -> None:
    """The text is read and written as a model does, with \\n and in Unicode; the bytes are as the file has them."""
    (root / "f").write_bytes(before)
    await call(EDIT_FILE, root, path="f", old=old, new=new)
    assert (root / "f").read_bytes() == after


@pytest.mark.parametrize(
    ("before", "encoding"),
    [
        (b"caf\xe9\n", "Latin-1 (a guess)"),
        (b"# coding: iso-8859-2\n\xb3\n", "iso-8859-2"),
        (b"\x93\n", "Windows-1252 (a guess)"),
    ],
)
async def test_what_does_not_fit_into_the_encoding_is_said(root: Path, before: bytes, encoding: str) -> None:
    """No character is replaced or written in another encoding: the first that does not fit is named, with its line."""
    (root / "f").write_bytes(before + b"end")
    line = before.count(b"\n") + 1
    said = await problem(EDIT_FILE, root, path="f", old="end", new="b 日本\n")
    assert f'"日" (U+65E5, line {line} of the new text) does not exist in {encoding}' in said
    said = await problem(WRITE_FILE, root, path="f", content="a\nb\nc 日本\n")
    assert f'"日" (U+65E5, line 3 of the new text) does not exist in {encoding}' in said


async def test_a_file_that_is_replaced_keeps_its_form(root: Path) -> None:
    """All of a file written anew has the line ends, encoding and mark it had, and the result says so."""
    (root / "f").write_bytes(b"caf\xe9\r\nx\r\n")
    written = await call(WRITE_FILE, root, path="f", content="thé\ny\n")
    assert (root / "f").read_bytes() == b"th\xe9\r\ny\r\n"
    assert written.note == "line ends stay CRLF; the encoding stays Latin-1, a guess: nothing in the file names its encoding"
    (root / "marked").write_bytes(b"\xef\xbb\xbfa")
    await call(WRITE_FILE, root, path="marked", content="b")
    assert (root / "marked").read_bytes() == b"\xef\xbb\xbfb"


async def test_a_patch_keeps_encoding_and_line_ends(root: Path) -> None:
    """A patch with LF and in UTF-8, as models write it, fits a file with CRLF and in Latin-1."""
    (root / "f").write_bytes(b"caf\xe9\r\nx\r\nend")
    await call(APPLY_PATCH, root, patch=diff("f", "café\nx\nend".encode(), "café\nü\ny\nend".encode()))
    assert (root / "f").read_bytes() == b"caf\xe9\r\n\xfc\r\ny\r\nend"
    assert "already applied" in await problem(
        APPLY_PATCH, root, patch=diff("f", "café\nx\nend".encode(), "café\nü\ny\nend".encode())
    )


async def test_already_applied_is_said_only_where_it_is(root: Path) -> None:
    """New lines that stand elsewhere by chance do not make a patch applied, nor does a created file without its mode."""
    (root / "f").write_bytes(b"pass\n" + b"x\n" * 20 + b"def f():\n    return 2\n")
    said = await problem(APPLY_PATCH, root, patch="--- a/f\n+++ b/f\n@@ -22 +22 @@\n-old\n+pass\n")
    assert "already applied" not in said
    assert "line 22 should be" in said
    (root / "run").write_bytes(b"x\n")
    made = "diff --git a/run b/run\nnew file mode 100755\n" + diff("run", None, b"x\n")
    assert "it already exists with other content or mode" in await problem(APPLY_PATCH, root, patch=made)


async def test_a_search_finds_text_in_any_encoding(root: Path) -> None:
    """What can be read can be found."""
    (root / "latin").write_bytes(b"caf\xe9\n")
    (root / "wide").write_bytes("café\n".encode("utf-16"))
    (root / "image").write_bytes(b"\x89PNG\0caf\xc3\xa9")
    found = await call(SEARCH, root, pattern="café")
    assert found.rows == ("latin:1:café", "wide:1:café")
    assert found.skipped_because == ("image: binary",)


async def test_binary_files_are_not_edited_as_text(root: Path) -> None:
    """Whatever the tool, it is said that the file is binary, and what can be done with it."""
    (root / "f.png").write_bytes(b"\x89PNG\0old\n")
    for said in (
        await problem(EDIT_FILE, root, path="f.png", old="old", new="new"),
        await problem(WRITE_FILE, root, path="f.png", content="text"),
        await problem(APPLY_PATCH, root, patch="--- a/f.png\n+++ b/f.png\n@@ -1 +1 @@\n-old\n+new\n"),
        await problem(CONVERT_FILE, root, path="f.png", line_ends="crlf"),
    ):
        assert "f.png is binary (9 bytes, NUL at byte 4), so its content cannot be edited as text; delete_file" in said


@pytest.mark.parametrize(
    ("attributes", "path", "why"),
    [
        ("*.bin filter=lfs diff=lfs merge=lfs -text\n", "data/a.bin", "kept with Git LFS"),
        ("secret/** filter=git-crypt diff=git-crypt\n", "secret/a.yml", 'passes through the filter "git-crypt"'),
        ("[attr]kept filter=lfs\n*.csv kept\n", "a.csv", "kept with Git LFS"),
    ],
)
async def test_what_git_stores_as_something_else_is_not_written(root: Path, attributes: str, path: str, why: str) -> None:
    """Neither in place of a pointer nor as a new file; where a folder below says otherwise, that counts."""
    (root / ".gitattributes").write_text(attributes)
    (root / path).parent.mkdir(exist_ok=True)
    assert why in await problem(WRITE_FILE, root, path=path, content="raw")
    assert why in await problem(APPLY_PATCH, root, patch=diff(path, None, b"raw\n"))
    (root / path).write_bytes(POINTER)
    assert why in await problem(WRITE_FILE, root, path=path, content="raw")
    assert why in await problem(EDIT_FILE, root, path=path, old="size 12345", new="size 1")
    assert why in await problem(CONVERT_FILE, root, path=path, line_ends="crlf")
    assert "a pointer of Git LFS" in (await call(READ_FILE, root, path=path)).note
    assert "stored by git" in await problem(MOVE_FILE, root, path=path, to="elsewhere.txt")
    (root / path).parent.joinpath(".gitattributes").write_text(f"{Path(path).name} -filter\n")
    if "/" in path:
        await call(WRITE_FILE, root, path=path, content="raw")


@pytest.mark.parametrize(
    ("attributes", "stored"),
    [
        ("", b"a\r\nb\r\n"),
        ("* text=auto\n", b"a\nb\n"),
        ("*.bat text eol=crlf\n", b"a\nb\n"),
        ("*.bat eol=lf\n", b"a\nb\n"),
        ("*.bat -text\n", b"a\r\nb\r\n"),
        ("* text=auto\n*.bat binary\n", b"a\r\nb\r\n"),
    ],
)
async def test_new_files_are_stored_as_git_would_store_them(root: Path, attributes: str, stored: bytes) -> None:
    """The same bytes that `git add` makes of the file, whichever tool writes it."""
    (root / ".gitattributes").write_text(attributes)
    await call(WRITE_FILE, root, path="one.bat", content="a\r\nb\r\n")
    await call(APPLY_PATCH, root, patch=diff("two.bat", None, b"a\r\nb\r\n"))
    assert (root / "one.bat").read_bytes() == stored
    assert (root / "two.bat").read_bytes() == stored
    (root / "raw.bat").write_bytes(b"a\r\nb\r\n")
    for command in (["init", "-q"], ["-c", "core.autocrlf=false", "add", "raw.bat"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    shown = subprocess.run(["git", "cat-file", "blob", ":raw.bat"], cwd=root, check=True, capture_output=True)
    assert shown.stdout == stored


async def test_what_git_could_not_check_out_is_refused(root: Path) -> None:
    """Git stores UTF-8 and writes the working-tree-encoding: a character that has no place there would break checkouts."""
    (root / ".gitattributes").write_text("*.rc working-tree-encoding=ISO-8859-1\n*.txt working-tree-encoding=UTF-16LE-BOM\n")
    assert "does not exist in ISO-8859-1, its working-tree-encoding" in await problem(
        WRITE_FILE, root, path="a.rc", content="5 €"
    )
    await call(WRITE_FILE, root, path="a.rc", content="ü")
    await call(WRITE_FILE, root, path="a.txt", content="5 € 🙂")
    assert ((root / "a.rc").read_bytes(), (root / "a.txt").read_bytes()) == ("ü".encode(), "5 € 🙂".encode())


async def test_line_ends_and_encoding_are_converted_on_request(root: Path) -> None:
    """Only what was asked for changes; a guess is not taken for the encoding."""
    (root / "f").write_bytes(b"caf\xe9\r\nb\n")
    await call(CONVERT_FILE, root, path="f", line_ends="crlf")
    assert (root / "f").read_bytes() == b"caf\xe9\r\nb\r\n"
    assert "set written_in" in await problem(CONVERT_FILE, root, path="f", encoding="utf-8")
    assert "is no known encoding" in await problem(CONVERT_FILE, root, path="f", encoding="utf-8", written_in="rot13")
    converted = await call(CONVERT_FILE, root, path="f", encoding="utf-8", written_in="latin-1", line_ends="lf")
    assert (root / "f").read_bytes() == "café\nb\n".encode()
    assert (converted.encoding, converted.line_ends) == ("UTF-8", "LF")
    assert "already; nothing to change" in await problem(CONVERT_FILE, root, path="f", line_ends="lf")
    (root / ".gitattributes").write_text("f text\n")
    assert "set eol=crlf for it there" in await problem(CONVERT_FILE, root, path="f", line_ends="crlf")


NAMES = st.sampled_from(
    [
        "a.txt",
        "with space",
        "quo'te\"s",
        "ünï/cödé",
        "-dash",
        "*star",
        "#hash",
        "a:b",
        "$HOME",
        "日本.txt",
        "e\u0301.txt",
        "%41",
    ]
)
WORDS = st.text(alphabet="ab é\t\\", max_size=8)
ENDS = st.sampled_from(["\n", "\r\n"])
FORMS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])


@given(NAMES, st.lists(WORDS, min_size=1, max_size=6), ENDS, st.booleans(), FORMS, st.data())
@settings(max_examples=count(20, soak=800))
def test_only_the_edited_line_changes(
    name: str, lines: list[str], end: str, ended: bool, form: str, data: st.DataObject
) -> None:
    """For any name, content and edit: bytes in are bytes out but for the line that was replaced, in the file's own form."""
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = f"<{at}>"
    new = data.draw(st.lists(WORDS, max_size=3))
    after = [*lines[:at], *new, *lines[at + 1 :]] if new else [*lines[:at], "", *lines[at + 1 :]]
    before = (end.join(lines) + (end if ended else "")).encode(form)
    expected = (end.join(after) + (end if ended else "")).encode(form)
    # One line alone has no line end, and says nothing about what the file's are.
    assume(len(lines) > 1 or ended or len(new) < 2 or end == "\n")
    assume(form != "latin-1" or ascii_only(lines) or not ascii_only(after))
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        (root / name).parent.mkdir(exist_ok=True)
        others = {os.fsencode(made) + b"/caf\xe9\n": b"\xff\r\n\0", os.fsencode(made) + b"/b": b"no end"}
        for path, content in {os.fsencode(root / name): before, **others}.items():
            with open(path, "wb") as file:
                file.write(content)
        asyncio.run(call(EDIT_FILE, root, path=name, old=f"<{at}>", new="\n".join(new)))
        assert (root / name).read_bytes() == expected
        for path, content in others.items():
            with open(path, "rb") as file:
                assert file.read() == content


def ascii_only(lines: list[str]) -> bool:
    """Whether a file in Latin-1 with these lines cannot be told from one in UTF-8."""
    return all(line.isascii() for line in lines)


@given(st.binary(max_size=60), st.binary(max_size=60))
@settings(max_examples=count(20, soak=800))
def test_any_bytes_around_an_edit_stay(before: bytes, after: bytes) -> None:
    """Whatever a file holds, it is refused and unchanged, or exactly the marked part of it is replaced."""
    content = before + b"<here>" + after
    assume(content.count(b"<here>") == 1)
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        (root / "f").write_bytes(content)
        if b"\0" in content:
            asyncio.run(problem(EDIT_FILE, root, path="f", old="<here>", new="there"))
            assert (root / "f").read_bytes() == content
        else:
            asyncio.run(call(EDIT_FILE, root, path="f", old="<here>", new="there"))
            assert (root / "f").read_bytes() == before + b"there" + after
