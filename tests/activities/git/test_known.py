"""What a mirror has learned of objects is not asked of git again, and is never believed of objects that are gone."""

import shutil
from pathlib import Path

import pytest

from activities.git import Mirror, Mirrors
from activities.git.command import Git, Output
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
