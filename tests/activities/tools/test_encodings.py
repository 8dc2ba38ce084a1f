"""Files in encodings other than UTF-8: what is said of them is obeyed, nothing is guessed wildly, no other byte changes."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from activities.tools.base import ToolProblem
from activities.tools.conversion import CONVERT_FILE
from activities.tools.edits import EDIT_FILE, WRITE_FILE
from activities.tools.files import READ_FILE
from activities.tools.patches import APPLY_PATCH
from activities.tools.search import SEARCH
from tests.activities.tools.test_patches import diff
from tests.activities.tools.tooling import call, problem
from tests.depth import count

JAPANESE, KOREAN, CHINESE = "表示の設定を読む\n", "설정 파일을 읽는다\n", "读取设置文件，中文\n"

UNTOLD = [
    (JAPANESE, "shift_jis"),
    (JAPANESE, "euc_jp"),
    (KOREAN, "euc_kr"),
    (KOREAN, "cp949"),
    (CHINESE, "gb18030"),
    ("讀取設定檔案，中文\n", "big5"),
    ("Привет мир\n", "cp1251"),
    ("Привет мир\n", "koi8_r"),
]

DECLARED = [
    ("# -*- coding: shift_jis -*-\n", JAPANESE, "shift_jis"),
    ("#!/usr/bin/python\n# vim: set fileencoding=euc-jp :\n", JAPANESE, "euc_jp"),
    ("# coding=euc-kr\n", KOREAN, "euc_kr"),
    ('<?xml version="1.0" encoding="GB18030"?>\n', CHINESE, "gb18030"),
    ('<!doctype html>\n<html><meta charset="Shift_JIS">\n', JAPANESE, "cp932"),
    ('<meta http-equiv="Content-Type" content="text/html; charset=x-sjis">\n', JAPANESE, "cp932"),
    ('<meta charset="gb2312">\n', "朱镕基的文件\n", "gb18030"),  # a name that GB 2312 lacks and everybody writes
    ('@charset "euc-kr";\n', KOREAN, "euc_kr"),
    ('msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=EUC-KR\\n"\n', KOREAN, "euc_kr"),
    ("# coding: iso-2022-jp\n", JAPANESE, "iso2022_jp"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty workspace."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize(("text", "codec"), UNTOLD)
async def test_an_encoding_that_nothing_names_is_called_unknown(root: Path, text: str, codec: str) -> None:
    """Its ASCII can be read, found and edited, its other bytes stay, and nothing else is written; named, all of it is text."""
    data = f"name = 1\n{text}end = 2\n".encode(codec)
    (root / "f").write_bytes(data)
    read = await call(READ_FILE, root, path="f")
    assert "the encoding is unknown: neither the file nor .gitattributes name it" in read.note
    assert read.text.startswith("name = 1\n\ufffd")
    assert (await call(SEARCH, root, pattern="end = ")).rows == ("f:3:end = 2",)
    edited = await call(EDIT_FILE, root, path="f", old="name = 1", new="name = 15")
    assert edited.note == "the encoding is unknown, so only ASCII was written, and all other bytes stayed"
    data = data.replace(b"name = 1", b"name = 15")
    assert (root / "f").read_bytes() == data
    for said in (
        await problem(EDIT_FILE, root, path="f", old="end", new="größer"),
        await problem(WRITE_FILE, root, path="f", content=text),
    ):
        assert "its encoding is unknown" in said
        assert "convert_file with written_in" in said
    assert (root / "f").read_bytes() == data
    (root / ".gitattributes").write_text(f"f encoding={codec}\n")
    assert (await call(READ_FILE, root, path="f")).text == f"name = 15\n{text}end = 2\n"
    await call(EDIT_FILE, root, path="f", old=text.strip()[:3], new=text.strip()[2:])
    assert (root / "f").read_bytes() == f"name = 15\n{text.strip()[2:]}{text[3:]}end = 2\n".encode(codec)


@pytest.mark.parametrize(("head", "text", "codec"), DECLARED)
async def test_what_a_file_says_of_itself_is_obeyed(root: Path, head: str, text: str, codec: str) -> None:
    """Also where all of it is ASCII so far, and where its name means a wider encoding, as browsers take it."""
    (root / "f").write_bytes(f"{head}{text}end\n".encode(codec))
    assert (await call(READ_FILE, root, path="f")).text == f"{head}{text}end\n"
    await call(EDIT_FILE, root, path="f", old="end", new=text.strip())
    assert (root / "f").read_bytes() == f"{head}{text}{text}".encode(codec)


@pytest.mark.parametrize(
    ("head", "text", "codec"), [one for one in DECLARED if "msgid" not in one[0] and "gb2312" not in one[0]]
)
async def test_the_first_text_beyond_ascii_is_written_as_declared(root: Path, head: str, text: str, codec: str) -> None:
    """An ASCII file that says what it is does not get UTF-8."""
    (root / "f").write_bytes(f"{head}end\n".encode())
    await call(EDIT_FILE, root, path="f", old="end\n", new=text)
    assert (root / "f").read_bytes() == f"{head}{text}".encode(codec)


async def test_a_program_that_reads_other_encodings_is_not_in_them(root: Path) -> None:
    """Words of a program about other files say nothing about itself."""
    (root / "f.py").write_bytes(b'import x\ntext = open("a", encoding="euc-kr")\npage = "<meta charset=shift_jis>"\n# end\n')
    await call(EDIT_FILE, root, path="f.py", old="# end", new="# \u00fc")
    assert (root / "f.py").read_bytes().endswith("# \u00fc\n".encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# coding: latin-1\n", "caf\u00e9"),  # wrongly named, and valid UTF-8
        ("", "\uc9c4\ub2e4"),
        ("<?xml version='1.0' encoding='utf-8'?>\n", "\u8868"),
    ],
)
async def test_valid_utf8_is_utf8(root: Path, before: str, after: str) -> None:
    """What is said of it in one byte a character is no reason to garble it."""
    (root / "f").write_bytes(f"{before}{after}\n".encode())
    await call(EDIT_FILE, root, path="f", old=after, new=after * 2)
    assert (root / "f").read_bytes() == f"{before}{after * 2}\n".encode()


async def test_a_name_that_the_bytes_contradict_is_no_reason_to_guess(root: Path) -> None:
    """Neither that encoding nor another: only ASCII."""
    (root / "f").write_bytes(b"# coding: ascii\ncaf\xe9\nend\n")
    assert "is unknown" in await problem(EDIT_FILE, root, path="f", old="end", new="\u00e9")
    await call(EDIT_FILE, root, path="f", old="end", new="over")
    assert (root / "f").read_bytes() == b"# coding: ascii\ncaf\xe9\nover\n"


async def test_utf16_without_a_mark(root: Path) -> None:
    """It is text where it is named, by an XML declaration or in .gitattributes; else the refusal says what would help."""
    xml = '<?xml version="1.0" encoding="UTF-16"?>\n<a>\u00e9</a>\n'
    for codec in ("utf-16-le", "utf-16-be"):
        (root / "a.xml").write_bytes(xml.encode(codec))
        await call(EDIT_FILE, root, path="a.xml", old="\u00e9", new="\u65e5")
        assert (root / "a.xml").read_bytes() == xml.replace("\u00e9", "\u65e5").encode(codec)
        (root / "a.txt").write_bytes("hello\nworld\n".encode(codec))
        name = codec.upper().replace("16-", "16")
        said = await problem(EDIT_FILE, root, path="a.txt", old="hello", new="hi")
        assert "looks like UTF-16 without a byte order mark, but nothing says so" in said
        assert f"`a.txt encoding={name}` in .gitattributes would" in said
        (root / ".gitattributes").write_text(f"*.txt encoding={name}\n")
        await call(EDIT_FILE, root, path="a.txt", old="hello", new="\u65e5")
        assert (root / "a.txt").read_bytes() == "\u65e5\nworld\n".encode(codec)
        (root / ".gitattributes").unlink()


async def test_half_a_character_is_never_replaced(root: Path) -> None:
    """In Shift_JIS the second byte of a character may be a letter or a backslash."""
    data = "\u8868\u30bd\n".encode("shift_jis") + b"\\x\n"  # both end in a backslash
    (root / "f").write_bytes(data)
    said = await problem(EDIT_FILE, root, path="f", old="\\", new="/", all=True)
    assert "begins right after a byte that is no ASCII, perhaps in the middle of a character" in said
    assert (root / "f").read_bytes() == data
    await call(EDIT_FILE, root, path="f", old="\\x", new="/x")
    assert (root / "f").read_bytes() == data.replace(b"\\x", b"/x")


async def test_a_patch_of_a_file_in_an_unknown_encoding(root: Path) -> None:
    """Its ASCII lines can be patched; others are refused with what can be done."""
    data = f"a\n{JAPANESE}b\nc\n".encode("euc_jp")
    (root / "f").write_bytes(data)
    await call(APPLY_PATCH, root, patch="--- a/f\n+++ b/f\n@@ -3,2 +3,2 @@\n b\n-c\n+d\n")
    assert (root / "f").read_bytes() == data.replace(b"\nc\n", b"\nd\n")
    said = await problem(APPLY_PATCH, root, patch=diff("f", b"b\nd\n", "b\n\u00e9\n".encode()))
    assert "a patch can hold no line with other characters than ASCII" in said


async def test_a_file_of_unknown_encoding_is_converted_once_it_is_named(root: Path) -> None:
    """Without a name it is refused, not garbled."""
    (root / "f").write_bytes(KOREAN.encode("euc_kr"))
    assert "does not say which encoding it is in, and a wrong one" in await problem(
        CONVERT_FILE, root, path="f", encoding="utf-8"
    )
    await call(CONVERT_FILE, root, path="f", encoding="utf-8", written_in="euc-kr")
    assert (root / "f").read_bytes() == KOREAN.encode()


CODECS = ("shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "gb18030", "big5", "cp1251", "utf-16-le")


@given(
    st.sampled_from(CODECS),
    st.text(st.characters(codec="gb18030", exclude_categories=("Cs", "Cc")), max_size=12),
    st.text(st.characters(codec="gb18030", exclude_categories=("Cs", "Cc")), max_size=12),
)
@settings(max_examples=count(25, soak=2000))
def test_no_byte_outside_an_edit_changes(codec: str, before: str, after: str) -> None:
    """Named or not: exactly the marked part is replaced, or it is refused and nothing changes."""
    first, last = (text.encode(codec, "ignore") for text in (before, after))
    here, there = "<here>".encode(codec), "there".encode(codec)
    content = first + here + last
    assume(content.count(here) == 1)
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for rules in ("", f"f encoding={codec}\n"):
            (root / ".gitattributes").write_text(rules)
            (root / "f").write_bytes(content)
            try:
                asyncio.run(call(EDIT_FILE, root, path="f", old="<here>", new="there"))
            except ToolProblem:
                assert (root / "f").read_bytes() == content
            else:
                assert (root / "f").read_bytes() == first + there + last
