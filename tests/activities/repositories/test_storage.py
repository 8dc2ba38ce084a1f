"""Facts about changed files that git would have stored in another form."""

from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.repositories.storage import kept_elsewhere, storage_facts
from tests.activities.tools.test_stored import POINTER
from tests.repositories import change, plain, repository

Files = dict[str, bytes]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({".gitattributes": b"*.bin filter=lfs\n"}, {"a.bin": b"raw"}, "a.bin is itself in the repository, and not a pointer"),
        ({".gitattributes": b"*.bin filter=lfs\n", "a.bin": POINTER}, {"b.txt": b"x"}, ""),
        ({"x/.gitattributes": b"k filter=git-crypt\n"}, {"x/k": b"plain", "k": b""}, "x/k did not pass through the filter"),
        ({".gitattributes": b"* text=auto\n"}, {"a.txt": b"a\r\n"}, "a.txt has CRLF, and git would have stored LF"),
        ({".gitattributes": b"* text=auto\n"}, {"a.bin": b"a\r\n\0"}, ""),
        ({".gitattributes": b"* text=auto\n", "a.txt": b"a\r\n"}, {"a.txt": b"b\r\n"}, ""),
        ({"a.txt": b"a\n"}, {"a.txt": b"a\r\n"}, ""),
    ],
)
def test_what_git_would_have_stored_otherwise_is_named(tmp_path: Path, before: Files, after: Files, said: str) -> None:
    """Raw content in place of a pointer, unfiltered content, CRLF in text; what was so before the change is not its doing."""
    exact = "* -text !filter"
    origin = repository(tmp_path / "origin", {"x": b""} if "x" not in str(before) else {"y": b""})
    change(origin, before, exact)
    change(origin, after, exact)
    mirror = Mirrors(tmp_path / "mirrors").open(str(origin))
    new = mirror.fetch().tree
    old = mirror.tree_of(plain(origin, "rev-parse", "HEAD~1"))
    facts = storage_facts(mirror, old, new, mirror.changes(old, new))
    assert len(facts) == bool(said)
    assert all(one.startswith("stored in another form than .gitattributes asks for: ") and said in one for one in facts)


LFS = {".gitattributes": b"*.bin filter=lfs\n"}
UNSEEN = "pointers of Git LFS to content that nobody here has seen: "
ELSEWHERE = "stored in another way than before, by the new .gitattributes: "


@pytest.mark.parametrize(
    ("before", "after", "gone", "said"),
    [
        (LFS, {"a.bin": POINTER}, (), (f"{UNSEEN}a.bin (oid sha256:{'0' * 64} size 12345)",)),
        (LFS | {"a.bin": POINTER}, {"a.bin": POINTER.replace(b"12345", b"7")}, (), (f"{UNSEEN}a.bin (oid",)),
        (LFS | {"a.bin": POINTER}, {"d/b.bin": POINTER}, ("a.bin",), ()),
        (LFS | {"a.bin": POINTER}, {"d/b.bin": POINTER.replace(b"12345", b"7")}, ("a.bin",), (f"{UNSEEN}d/b.bin",)),
        (LFS | {"a.bin": POINTER}, {".gitattributes": b""}, (), (f"{ELSEWHERE}a.bin (filter lfs before, none now)",)),
        (
            {"a.csv": b"1,2"},
            {".gitattributes": b"*.csv filter=lfs\n"},
            (),
            (f"{ELSEWHERE}a.csv (filter none before, lfs now)",),
        ),
        ({"d/a.csv": b"1"}, {".gitattributes": b"[attr]big filter=lfs\n*.csv big\n"}, (), (f"{ELSEWHERE}d/a.csv",)),
        (LFS | {"a.bin": POINTER}, {".gitattributes": b"# new\n*.bin filter=lfs\n"}, (), ()),
    ],
)
def test_pointers_without_content_and_new_rules_are_named(
    tmp_path: Path, before: Files, after: Files, gone: tuple[str, ...], said: tuple[str, ...]
) -> None:
    """A pointer that the change makes, whichever way it got past the tools; files whose filter another rule has changed."""
    exact = "* -text !filter"
    origin = repository(tmp_path / "origin", {"x": b""})
    change(origin, before, exact)
    for path in gone:
        plain(origin, "rm", "--quiet", "--cached", path)
        (origin / path).unlink()
    change(origin, after, exact)
    mirror = Mirrors(tmp_path / "mirrors").open(str(origin))
    new, old = mirror.fetch().tree, mirror.tree_of(plain(origin, "rev-parse", "HEAD~1"))
    facts = storage_facts(mirror, old, new, mirror.changes(old, new))
    assert len(facts) == len(said)
    assert all(fact.startswith(begin) for fact, begin in zip(facts, said, strict=True))


def test_files_kept_elsewhere_are_told_beforehand(tmp_path: Path) -> None:
    """How many, with the first; nothing where no rule names such a filter, or no file fits."""
    origin = repository(tmp_path / "origin", {"x": b""})
    mirror = Mirrors(tmp_path / "mirrors").open(str(origin))
    for files, said in (
        ({".gitattributes": b"*.txt text\n", "b.bin": POINTER}, ""),
        ({".gitattributes": b"*.bin filter=git-crypt\n"}, ""),
        ({".gitattributes": b"*.bin filter=lfs\n"}, "1 file is kept with Git LFS, such as b.bin: "),
        ({"d/a.bin": POINTER, "d/.gitattributes": b"*.txt filter=lfs\n"}, "2 files are kept with Git LFS, such as b.bin: "),
    ):
        change(origin, files, "* -text !filter")
        notes = kept_elsewhere(mirror, mirror.fetch().tree)
        assert len(notes) == bool(said)
        assert "".join(notes).startswith(said)
