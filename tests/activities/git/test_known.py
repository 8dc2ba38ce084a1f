"""What a mirror has learned of objects is not asked of git again, and is never believed of objects that are gone."""

import shutil
from pathlib import Path

import pytest

from activities.git import Mirror, Mirrors
from activities.git.command import Git, Output
from activities.git.remembered import LONGEST, MOST, Remembered
from tests.repositories import repository

PATCH = b"--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """The mirror of a repository with one file, fetched."""
    opened = Mirrors(tmp_path / "mirrors").open(str(repository(tmp_path / "source", {"a.txt": b"one\n"})))
    opened.fetch()
    return opened


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that git is given from here on."""
    given: list[str] = []
    run = Git.run

    def noted(git: Git, *arguments: str, **how: object) -> Output:
        given.append(arguments[0])
        return run(git, *arguments, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(Git, "run", noted)
    return given


def test_the_same_patch_is_applied_once(mirror: Mirror, asked: list[str]) -> None:
    """The second time git is only asked whether the tree is here; another patch is applied."""
    base = mirror.tree_of(mirror.fetch().commit)
    first = mirror.apply(base, PATCH)
    asked.clear()
    assert mirror.apply(base, PATCH) == first
    assert asked == ["rev-list"]
    assert mirror.apply(base, PATCH.replace(b"two", b"three")) != first
    assert "apply" in asked


def test_what_is_gone_is_made_again(mirror: Mirror) -> None:
    """Objects that somebody deleted are not taken to be here because they were: the patch is applied anew."""
    base = mirror.tree_of(mirror.fetch().commit)
    made = mirror.apply(base, PATCH).tree
    assert made is not None
    shutil.rmtree(mirror.directory / "objects" / made[:2])
    assert not mirror.holds(made)
    assert mirror.apply(base, PATCH).tree == made
    assert mirror.holds(made)


def test_a_name_of_a_branch_is_judged_once(mirror: Mirror, asked: list[str]) -> None:
    """Git's rules for names do not change; a bad name stays bad."""
    assert [mirror.closed("0" * 40, "fix/once") for _ in range(2)] == ["", ""]
    assert asked.count("check-ref-format") == 1


def test_a_tree_without_filters_is_looked_through_once(mirror: Mirror, asked: list[str]) -> None:
    """Where no file passes through a filter the tree is not listed again."""
    base = mirror.tree_of(mirror.fetch().commit)
    asked.clear()
    assert [mirror.attributes(base, None) for _ in range(2)] == [{}, {}]
    assert asked == ["ls-tree"]


def test_a_tree_is_listed_once_and_two_are_compared_once(mirror: Mirror, asked: list[str]) -> None:
    """What differs, with its line counts, and what a tree names are known the second time; other trees are asked about."""
    base = mirror.tree_of(mirror.fetch().commit)
    made = mirror.apply(base, PATCH).tree
    assert made is not None
    asked.clear()
    first, second = ((mirror.changes(base, made), mirror.paths(made)) for _ in range(2))
    assert asked == ["diff-tree", "ls-tree"]
    assert first == second
    ((change,), paths) = first
    assert (change.path, change.status, change.added, change.removed, paths) == ("a.txt", "modified", 1, 1, ("a.txt",))
    asked.clear()
    assert mirror.changes(made, base) != mirror.changes(base, made)
    assert asked == ["diff-tree"]


def test_names_that_may_come_to_mean_something_else_are_asked_each_time(mirror: Mirror, asked: list[str]) -> None:
    """Only whole ids are digests: a short one, or a branch, is looked up anew."""
    base = mirror.tree_of(mirror.fetch().commit)
    asked.clear()
    assert [mirror.paths(base[:12]) for _ in range(2)] == [("a.txt",), ("a.txt",)]
    assert asked == ["ls-tree", "ls-tree"]


def test_a_listing_with_a_missing_file_is_not_kept(mirror: Mirror) -> None:
    """Git knows no size of what is missing: once the file is here again it is listed as a file."""
    made = mirror.apply(mirror.tree_of(mirror.fetch().commit), PATCH).tree
    assert made is not None
    blob = mirror.directory / "objects" / "f7" / "19efd430d52bcfc8566a43b2eb655688d38871"
    blob.rename(mirror.directory / "away")
    assert mirror.paths(made) == ()
    (mirror.directory / "away").rename(blob)
    assert mirror.paths(made) == ("a.txt",)


def test_few_answers_are_kept_and_no_long_ones() -> None:
    """What a process remembers stays small: the latest answers, none of them long, each a list of the caller's own."""
    kept: Remembered[int] = Remembered()
    asked: list[int] = []

    def answer(number: int, length: int = 1) -> list[int]:
        def ask() -> list[int]:
            asked.append(number)
            return [number] * length

        return kept.of(Path(), (f"{number:040x}",), ask, lambda _: True)

    for number in (*range(MOST + 1), 1, MOST, 0):
        answer(number).append(7)
    assert asked == [*range(MOST + 1), 0]
    assert answer(1) == [1]
    asked.clear()
    for _ in range(2):
        assert len(answer(1_000, LONGEST + 1)) == LONGEST + 1
    assert asked == [1_000, 1_000]
