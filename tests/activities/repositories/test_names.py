"""New names that collide with others on many disks, and new files that the repository ignores."""

import os
from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.repositories.names import NAMED, collisions, ignored
from tests.repositories import change, plain, repository

COMPOSED, APART = "caf\u00e9.txt", "cafe\u0301.txt"


@pytest.mark.parametrize(
    ("there", "new", "said"),
    [
        (["README.md"], ["Readme.md"], ("Readme.md and README.md differ only in upper and lower case",)),
        ([], ["a.py", "A.py"], ("a.py and A.py differ only in upper and lower case",)),
        (["docs/a.md"], ["Docs/b.md"], ("Docs/ and docs/ differ only in upper and lower case",)),
        (["src"], ["SRC/a.py"], ("SRC/ and src differ only in upper and lower case",)),
        (["src/a.py"], ["Src"], ("Src and src/ differ only in upper and lower case",)),
        ([COMPOSED], [APART], ("cafe\\u0301.txt and café.txt differ only in how accents are composed",)),
        (
            [COMPOSED],
            [APART.upper()],
            ("CAFE\\u0301.TXT and café.txt differ only in upper and lower case, and how accents are composed",),
        ),
        (["straße"], ["STRASSE"], ("STRASSE and straße differ only in upper and lower case",)),
        (["README.md", "readme.md", "docs/a"], ["other.md", "docs/b", "docs/readme.md"], ()),
    ],
)
def test_names_that_are_one_on_many_disks(there: list[str], new: list[str], said: tuple[str, ...]) -> None:
    """Between two new files, and with what is there; folders, too; what collided before the change is not its doing."""
    as_bytes = [os.fsencode(name) for name in new]
    assert collisions(as_bytes, [*(os.fsencode(name) for name in there), *as_bytes]) == said


def test_long_lists_are_cut_and_counted() -> None:
    """The first are named, and how many more there are."""
    new = [b"A%d" % number for number in range(15)]
    found = collisions(new, [*new, *(name.lower() for name in new)])
    assert (len(found), found[-1]) == (NAMED + 1, "and 5 more")
    assert ignored(new)[-1] == "and 5 more"
    assert ignored([b"caf\xe9\n"]) == ("caf\\xe9\\u000a",)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({".gitignore": b"*.log\ndist/\n"}, {"a.log": b"", "dist/x/y.js": b"", "src/b.py": b""}, (b"a.log", b"dist/x/y.js")),
        ({".gitignore": b"*.log\n!keep.log\n"}, {"keep.log": b"", "deep/keep.log": b""}, ()),
        ({"web/.gitignore": b"/out\n", "out/kept": b""}, {"web/out/a": b"", "out/b": b""}, (b"web/out/a",)),
        ({"a.log": b"1"}, {".gitignore": b"*.log\n", "b.log": b""}, (b"b.log",)),
        ({".gitignore": b"*.log\n", "a.log": b"1"}, {"a.log": b"2"}, ()),
        ({"x": b""}, {"a.log": b""}, ()),
    ],
)
def test_new_files_that_are_ignored(
    tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes], found: tuple[bytes, ...]
) -> None:
    """As git itself reads the patterns of every folder, those of the change included; tracked files are not ignored."""
    origin = repository(tmp_path / "origin", before)
    change(origin, after)
    mirror = Mirrors(tmp_path / "mirrors").open(str(origin))
    new = mirror.fetch().tree
    old = mirror.tree_of(plain(origin, "rev-parse", "HEAD~1"))
    assert mirror.added(old, new).ignored == found
    assert not list(mirror.directory.glob("index-*"))
