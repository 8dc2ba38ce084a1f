"""Facts about changed files that git would have stored in another form."""

from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.repositories.storage import storage_facts
from tests.activities.tools.test_stored import POINTER
from tests.repositories import change, plain, repository

Files = dict[str, bytes]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({".gitattributes": b"*.bin filter=lfs\n"}, {"a.bin": b"raw"}, "a.bin is itself in the repository, and not a pointer"),
        ({".gitattributes": b"*.bin filter=lfs\n", "a.bin": POINTER}, {"a.bin": POINTER + b"x 1\n"}, ""),
        ({".gitattributes": b"*.bin filter=lfs\n"}, {"a.bin": POINTER, "b.txt": b"x"}, ""),
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
    facts = storage_facts(mirror, new, mirror.changes(old, new))
    assert len(facts) == bool(said)
    assert all(one.startswith("stored in another form than .gitattributes asks for: ") and said in one for one in facts)
