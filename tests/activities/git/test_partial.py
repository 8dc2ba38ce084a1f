"""Sources that do not have everything: partial, sparse and shallow clones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.git import Mirrors, RepositoryRefused
from tests.repositories import change, plain, repository

WHEN = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with files that are gone in its newest commit, which gives clones without some objects."""
    path = repository(tmp_path / "origin", {"a.txt": b"1\n", "deep/b.txt": b"b\n"})
    change(path, {"a.txt": b"2\n"})
    change(path, {"a.txt": b"3\n"})
    plain(path, "config", "uploadpack.allowFilter", "true")
    plain(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


def cloned(origin: Path, *options: str) -> Path:
    """A clone made with these options."""
    path = origin.with_name("clone")
    plain(origin.parent, "clone", "--quiet", *options, f"file://{origin}", str(path))
    return path


@pytest.mark.parametrize("options", [["--filter=blob:none"], ["--filter=tree:0"], ["--sparse"], ["--depth=1"], []])
def test_a_clone_that_has_its_newest_files_is_worked_on(origin: Path, tmp_path: Path, options: list[str]) -> None:
    """Its newest commit is fetched, a change is made on it, and the commit is pushed back."""
    path = cloned(origin, *options)
    mirror = Mirrors(tmp_path / "mirrors").open(str(path))
    start, folder = mirror.fetch(), tmp_path / "folder"
    mirror.check(start.tree)
    mirror.checkout(start.tree, folder)
    assert sorted(mirror.paths(start.tree)) == ["a.txt", "deep/b.txt"]
    (folder / "a.txt").write_bytes(b"4\n")
    tree = mirror.snapshot(folder, start.tree)
    commit = mirror.commit(tree, start.commit, "four", author="A", email="a@b", when=WHEN)
    mirror.push(commit, "work", expected=None)
    assert plain(path, "show", "work:a.txt") == "4"
    assert plain(path, "rev-parse", "work^") == start.commit
    head = mirror.remote_head("work")
    assert head is not None
    assert head.tree == tree


@pytest.mark.parametrize("options", [["--filter=blob:none", "--bare"], ["--filter=blob:none", "--sparse"]])
def test_a_partial_clone_without_the_files_is_refused_with_what_to_do(origin: Path, tmp_path: Path, options: list[str]) -> None:
    """At once, naming it as what it is; and what the message says does complete it."""
    path = cloned(origin, *options)
    mirror = Mirrors(tmp_path / "mirrors").open(str(path))
    with pytest.raises(RepositoryRefused, match=r"is a partial clone .* lacks files .* `git fetch --refetch`"):
        mirror.fetch()
    plain(path, "config", "--unset", "remote.origin.partialclonefilter")
    plain(path, "fetch", "--quiet", "--refetch")
    assert sorted(mirror.paths(mirror.fetch().tree)) == ["a.txt", "deep/b.txt"]
