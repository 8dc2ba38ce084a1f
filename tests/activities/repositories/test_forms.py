"""Facts that a diff shows badly: computed from the trees of real repositories."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.repositories.forms import LARGEST, NAMED, form_facts
from tests.repositories import change, plain, repository

Files = dict[str, bytes]
Facts = Callable[[Files, Files], tuple[str, ...]]


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """The facts of a change from some files to others."""

    def of(before: Files, after: Files) -> tuple[str, ...]:
        origin = repository(tmp_path / "origin", before)
        change(origin, after)
        return between(tmp_path, origin)

    return of


def between(folder: Path, origin: Path) -> tuple[str, ...]:
    """The facts of an origin's last commit."""
    mirror = Mirrors(folder / "mirrors").open(str(origin))
    new = mirror.fetch().tree
    old = mirror.tree_of(plain(origin, "rev-parse", "HEAD~1"))
    return form_facts(mirror, mirror.changes(old, new), mirror.diff(old, new))


def test_an_ordinary_change_has_none(facts: Facts) -> None:
    """Text in UTF-8 with letters of any script, changed, added and deleted lines, CRLF kept as CRLF: nothing to say."""
    before = {"a.py": "größe = 1\n".encode(), "b.txt": b"one\r\ntwo\r\n", "c": b"no end"}
    after = {"a.py": "größe = 2  # 日本語 नमस्ते 👍\n".encode(), "b.txt": b"one\r\n2\r\n3\r\n", "c": b"no end yet", "new": b"x\n"}
    assert facts(before, after) == ()


@pytest.mark.parametrize(
    ("before", "after", "fact"),
    [
        (b"a\nb\n", b"a\r\nb\r\n", "LF → CRLF"),
        (b"a\r\nb\r\n", b"a\nb\n", "CRLF → LF"),
        (b"a\r\nb\r\nc\r\n", b"a\r\nB\nc\r\n", "CRLF → mixed (2 CRLF, 1 LF)"),
        (b"a\nb\n", b"a\nb\nc\r\n", "LF → mixed (1 CRLF, 2 LF)"),
        (b"a\r\nb\r\nc\n", b"a\nb\nc\r\n", "mixed (2 CRLF, 1 LF) → mixed (1 CRLF, 2 LF)"),
        (b"a\r\nb\n", b"a\r\nb\r\n", "mixed (1 CRLF, 1 LF) → CRLF"),
        (b"a\nb\n", b"a\nb", "the newline at its end is lost"),
        (b"a\nb", b"a\nb\n", "the newline at its end is added"),
    ],
)
def test_a_change_of_line_ends_is_named(facts: Facts, before: bytes, after: bytes, fact: str) -> None:
    """Every turn of line ends, also within a file that was mixed before, with the counts."""
    assert facts({"f": before}, {"f": after}) == (f"line ends change: f: {fact}",)


@pytest.mark.parametrize(
    ("before", "after", "fact"),
    [
        ("né\n".encode(), "né\n".encode("latin-1"), "UTF-8 → not UTF-8"),
        ("né\n".encode("latin-1"), "né\n".encode(), "not UTF-8 → UTF-8"),
        (b"\xef\xbb\xbfx\n", b"x\n", "UTF-8 with a byte order mark → UTF-8"),
    ],
)
def test_a_change_of_encoding_is_named(facts: Facts, before: bytes, after: bytes, fact: str) -> None:
    """Latin-1 where UTF-8 was, the other way round, a byte order mark that goes."""
    assert facts({"f": before}, {"f": after}) == (f"encoding changes: f: {fact}",)


def test_text_that_becomes_utf_16_is_binary_and_named_twice(facts: Facts) -> None:
    """Git calls it binary and shows nothing of it: the encoding is a fact, and so is that it is not shown."""
    after = "text\n".encode("utf-16")
    assert facts({"f": b"text\n"}, {"f": after}) == (
        "encoding changes: f: UTF-8 → not UTF-8",
        f"not shown in the diff: f (binary, 5 bytes before, {len(after)} after)",
    )


def test_modes_links_and_their_targets_are_named(tmp_path: Path) -> None:
    """A file that may be run, one that may no longer, files that become links, a link that leads elsewhere, a new link."""
    origin = repository(tmp_path / "origin", {"run": b"x\n", "off": b"x\n", "file": b"text\n"})
    (origin / "off").chmod(0o755)
    os.symlink("file", origin / "link")
    change(origin, {})
    (origin / "run").chmod(0o755)
    (origin / "off").chmod(0o644)
    for name, target in (("file", "/etc/passwd"), ("link", "run"), ("new", "../x\u202e")):
        (origin / name).unlink(missing_ok=True)
        os.symlink(target, origin / name)
    change(origin, {})
    (fact, hidden) = sorted(between(tmp_path, origin), reverse=True)
    assert fact == (
        "mode or type changes: file: a file → a symbolic link to /etc/passwd; "
        "link: a symbolic link → a symbolic link to run; new is new and a symbolic link to ../x\\u202e; "
        "off: an executable file → a file; run: a file → an executable file"
    )
    assert hidden == "hidden characters are added: new line 1 (\\u202e)"


def test_many_and_large_files_are_counted(facts: Facts) -> None:
    """Ten are named, the others counted; what is too large to be looked at is said, and so are long lines."""
    many = {f"f{number:02}": b"a\n" for number in range(NAMED + 3)}
    large = {"large": (b"x" * 99 + b"\n") * (LARGEST // 100 + 1), "long": b"y" * 3000 + b"\n"}
    found = facts(many | {"large": b"x\n"}, dict.fromkeys(many, b"a\r\n") | large)
    assert found[0].endswith("; f09: LF → CRLF; and 3 more")
    assert found[1:] == (
        "not shown in the diff: the ends of long lines of long",
        "too large to be looked at for line ends and encoding: large",
    )


def test_a_binary_file_that_is_moved_is_named_as_that(tmp_path: Path) -> None:
    """With the same content; one that is changed on the way, or deleted, is named with its sizes."""
    origin = repository(tmp_path / "origin", {"a.png": b"\0a", "b.png": b"\0bb", "c.png": b"\0ccc"})
    for name in ("a.png", "b.png", "c.png"):
        (origin / name).unlink()
    change(origin, {"x/a.png": b"\0a", "x/b.png": b"\0BB"})
    assert between(tmp_path, origin) == (
        "not shown in the diff: b.png (binary, 3 bytes before, 0 after); c.png (binary, 4 bytes before, 0 after); "
        "x/a.png (binary, moved unchanged from a.png); x/b.png (binary, 0 bytes before, 3 after)",
    )
