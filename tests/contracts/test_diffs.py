"""What a person is shown of a patch: nothing hidden, cut at line feeds only, and each shown line means one line of bytes."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.diffs import LINE, NOTE, added_unseen, lines_of, long_lines, rendered, shown_lines
from contracts.exact import exact, is_unseen
from tests.repositories import change, repository

_CODE = re.compile(r"(\\+)(u([0-9a-f]{4})|x([0-9a-f]{2}))", re.IGNORECASE)
TRICKS = st.sampled_from(
    ["\\", "\\u202e", "\\x0d", "\\U", "u202e", "x41", "\r", "\n", "\u202e", "\u2028", "\U000e0041", "e\u0301"]
)
CONTENT = st.lists(st.one_of(TRICKS.map(str.encode), st.binary(max_size=6), st.text(max_size=6).map(str.encode)), max_size=12)


def read_back(shown: str) -> bytes:
    """What a reader takes a shown line for: an odd number of backslashes before a code make it one."""

    def meant(found: re.Match[str]) -> str:
        run, code = found[1], found[2]
        if len(run) % 2 == 0:
            return run[: len(run) // 2] + code
        assert code == code.lower(), "codes are written in small letters"
        point = int(found[3] or found[4], 16)
        return run[: len(run) // 2] + chr(point if found[3] else 0xDC00 + point)

    text = _CODE.sub(meant, shown)
    # Pairs are one character; bytes that are no UTF-8 are kept as single halves, which no pair begins with.
    paired = re.sub(
        "[\ud800-\udbff][\udc00-\udfff]", lambda two: two[0].encode("utf-16", "surrogatepass").decode("utf-16"), text
    )
    return paired.encode(errors="surrogateescape")


@given(CONTENT)
def test_a_shown_line_can_be_read_back(parts: list[bytes]) -> None:
    """Whatever bytes a line has, they follow from what is shown of it; so two lines never look alike."""
    line = b"".join(parts)
    assert read_back(exact(line)) == line


@given(CONTENT)
def test_nothing_that_is_shown_is_hidden(parts: list[bytes]) -> None:
    """No separator, control, bidi, zero-width, non-breaking or tag character is left, nor a flood of marks."""
    shown = exact(b"".join(parts))
    assert not [character for character in shown if is_unseen(character)]
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("// uno\r evil1();", "// uno\\u000d evil1();"),
        ("a\x0bb\x0cc\x85d\u2028e\u2029f", "a\\u000bb\\u000cc\\u0085d\\u2028e\\u2029f"),
        ("if admin\u202e\u2066:", "if admin\\u202e\\u2066:"),
        ("pass\u200bword\u00a0\u3000=", "pass\\u200bword\\u00a0\\u3000="),
        ("x\U000e0041\U000e007f", "x\\udb40\\udc41\\udb40\\udc7f"),
        ("Z" + "\u0301" * 6, "Z" + "\u0301" * 3 + "\\u0301" * 3),
        ("\u0301first", "\\u0301first"),
        ('"\\u202e"', '"\\\\u202e"'),
        ("\\\u202e", "\\\\\\u202e"),
        ("C:\\new\\table", "C:\\new\\table"),
        ("größe = 'ñ', 日本語", "größe = 'ñ', 日本語"),
    ],
)
def test_what_each_kind_looks_like(line: str, shown: str) -> None:
    """Codes for what is hidden, doubled backslashes only where one could be taken for a code, letters as they are."""
    assert exact(line.encode()) == shown


def patch_of(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> bytes:
    """Git's own patch between two commits."""
    origin = repository(folder, before)
    for name in set(before) - set(after):
        (origin / name).unlink()
    change(origin, after)
    compared = ("diff", "--no-renames", "--binary", "--full-index", "HEAD~1", "HEAD")
    done = subprocess.run(["git", "-c", "core.quotePath=false", *compared], cwd=origin, capture_output=True, check=True)
    return done.stdout


def test_every_patch_of_text_can_be_read_back(tmp_path: Path) -> None:
    """Old and new line ends, bytes that are no UTF-8, a missing last newline: the shown diff has the patch's very bytes."""
    before = {"a": b"one\ntwo\r\nthree", "b": b"\xe9t\xe9\n", "c": b"-- a/x\n++ b/y\n", "with b/ in it": b"1\n"}
    after = {"a": b"one\r\ntwo\nthree\n", "b": "été\n".encode(), "c": b"-- a/z\n\\ No newline\n", "with b/ in it": b"2\n"}
    patch = patch_of(tmp_path / "o", before, after)
    assert b"".join(read_back(line) + b"\n" for line in rendered(patch).split("\n")[:-1]) == patch
    assert b"\n".join(line.raw for line in lines_of(patch)) + b"\n" == patch
    assert "-two\\u000d\n" in rendered(patch)
    assert "+one\\u000d\n" in rendered(patch)


def test_a_separator_inside_a_line_makes_no_second_line(tmp_path: Path) -> None:
    """The public report: what stands behind a CR, VT, NEL or LS in an added line is shown as added, not as unchanged."""
    evil = "// uno\r evil1();\n// dos\x0b evil2();\n// tres\x85 evil3();\n// cuatro\u2028 evil4();\n".encode()
    patch = patch_of(tmp_path / "o", {"a.js": b"start();\n"}, {"a.js": b"start();\n" + evil})
    added = [line for line in rendered(patch).split("\n") if "evil" in line]
    assert len(added) == 4
    assert all(line.startswith("+// ") for line in added)
    assert [(one.number, one.codes) for one in added_unseen(patch)] == [
        (2, ("\\u000d",)),
        (3, ("\\u000b",)),
        (4, ("\\u0085",)),
        (5, ("\\u2028",)),
    ]


def test_what_is_not_shown_is_said_with_its_size(tmp_path: Path) -> None:
    """Binary files, the end of a long line, and what is beyond the limit: a note that no file's line can imitate."""
    data = bytes(range(256)) * 40
    before = {"logo.png": data, "gone.bin": b"\0" * 77, "min.js": b"x\n"}
    after = {"logo.png": data[:99] + b"!!" + data[99:], "min.js": b"y" * 5000 + b"\n", "fake": b"\\ binary, not shown\n"}
    patch = patch_of(tmp_path / "o", before, after)
    notes = [line for line in rendered(patch).split("\n") if line.startswith(NOTE)]
    assert notes == [
        "\\ binary, not shown: 77 bytes before, 0 bytes after",
        "\\ binary, not shown: 10240 bytes before, 10242 bytes after",
        f"\\ the rest of this line is not shown: {5001 - LINE} bytes of 5000",
    ]
    assert long_lines(patch) == ["min.js"]
    short = rendered(patch, 500)
    assert len(short) < 700
    assert re.search(r"\n\\ the rest is not shown: \d+ bytes, in \S+ and \d more files?\n$", short)
    shown = len(short[: short.rindex(NOTE)].split("\n")) - 1
    left = b"\n".join(line.raw for line in list(lines_of(patch))[shown:]) + b"\n"
    assert f"not shown: {len(left)} bytes" in short


def test_an_empty_patch_shows_nothing() -> None:
    """Nothing changed: no line at all."""
    assert rendered(b"") == ""


def test_every_line_has_its_number_in_the_file_that_it_is_of() -> None:
    """A removed one in the file before the change, all others in the one after it, over several parts of a file."""
    patch = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -2,3 +2,3 @@ f\n a\n-b\n+c\n d\n@@ -9 +9,2 @@\n-e\n+f\n+g\n"
    numbered = [(line.raw, line.was if line.kind == "removed" else line.number) for _, line in shown_lines(patch)][3:]
    named = [(raw, number) for raw, number in numbered if not raw.startswith(b"@@")]
    assert named == [(b" a", 2), (b"-b", 3), (b"+c", 3), (b" d", 4), (b"-e", 9), (b"+f", 9), (b"+g", 10)]
