"""Hostile repositories and git: nothing of theirs runs, nothing outside is read or written, and what is refused says why."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from activities.files import paths
from activities.git import Mirror, Mirrors, RepositoryTooLarge, RevisionUnknown, command
from activities.git.mirrors import ATTRIBUTES
from activities.git.quota import size_of
from activities.repositories.detection import detect
from contracts.errors import BatonError
from tests.depth import of_each_kind
from tests.hostile.elsewhere import ELSEWHERE
from tests.hostile.entries import ENTRIES
from tests.hostile.names import NAMES
from tests.hostile.programs import PROGRAMS
from tests.hostile.sizes import SIZES
from tests.hostile.tricks import Trick
from tests.hostile.world import World, contents
from tests.repositories import change, plain, repository

WHEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
TRICKS = (*PROGRAMS, *ELSEWHERE, *ENTRIES, *NAMES, *SIZES)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine with something to steal. Git gets little memory, so that asking for much needs little time."""
    monkeypatch.setattr(command, "MEMORY", 128 << 20)
    built = World.build(tmp_path / "world", monkeypatch)
    yield built
    built.close()


@pytest.mark.parametrize("trick", TRICKS, ids=str)
def test_a_hostile_repository_gets_nothing(world: World, tmp_path: Path, trick: Trick) -> None:
    """All that git has to do in a delivery is done, or refused with the reason; no canary sings, and no secret is found."""
    origin = trick.make(world, tmp_path / "origin")
    before, said = contents(origin), ""
    try:
        seen = deliver(Mirrors(tmp_path / "mirrors"), str(origin), tmp_path / "work", trick.revision)
        assert not trick.refused, f"{trick} was not refused"
    except BatonError as error:
        said, seen = str(error), b""
        assert re.search(trick.refused or "(?!)", said), said
    assert world.fired() == set()
    assert world.leaks([tmp_path / "mirrors", tmp_path / "work"], seen, said) == []
    after = contents(origin)
    assert {name for name, data in before.items() if after.get(name) != data} == set(), "a push only adds"


def deliver(mirrors: Mirrors, repository: str, folder: Path, revision: str | None) -> bytes:
    """Every git step of a delivery, from the fetch to the push. Returns what agents could read on the way."""
    mirror = mirrors.open(repository)
    start = mirror.fetch(revision)
    mirror.check(start.tree)
    mirror.checkout(start.tree, folder / "scratch")
    detect(folder / "scratch")
    mirror.checkout(start.tree, folder / "files")
    seen = read_all(folder / "files") + read_all(folder / "scratch")
    (folder / "files" / "made by an agent.txt").write_text("new\n")
    tree = mirror.snapshot(folder / "files", start.tree)
    patch = mirror.diff(start.tree, tree)
    assert "made by an agent.txt" in {change.path for change in mirror.changes(start.tree, tree)}
    assert mirror.apply(start.tree, patch).tree == tree
    assert mirror.merge(start.tree, tree, start.tree).tree == tree
    _clash(mirror, start.tree, folder)
    commit = mirror.commit(tree, start.commit, "change", author="A", email="a@example.org", when=WHEN)
    mirror.push(commit, "baton/new", expected=None)
    head = mirror.remote_head("baton/new")
    assert head is not None
    assert (head.commit, head.tree) == (commit, tree)
    return seen + patch


def _clash(mirror: Mirror, start: str, folder: Path) -> None:
    """A merge that cannot be done, which is where merge drivers and conflict markers come in."""
    sides = []
    for text in ("one\n", "other\n"):
        mirror.checkout(start, folder / "side")
        (folder / "side" / "clash.txt").write_text(text)
        sides.append(mirror.snapshot(folder / "side", start))
    assert mirror.merge(start, *sides).conflicts == ("clash.txt",)


def read_all(folder: Path) -> bytes:
    """What the tools of agents give for every name there is."""
    read = b""
    for entry in paths.walk(folder).entries:
        try:
            read += paths.read_file(folder, entry.path)
        except (BatonError, OSError) as error:
            read += str(error).encode()
    return read


CAUGHT = of_each_kind(TRICKS, lambda trick: (trick.make.__module__, trick.refused))
"""One of each kind: each that is refused for a reason of its own, and one of each file's that are not refused."""


@pytest.mark.parametrize("trick", CAUGHT, ids=str)
def test_the_careless_are_caught(world: World, tmp_path: Path, trick: Trick) -> None:
    """The same repository, worked on as a naive application would: every trick works, so the test above can fail."""
    origin = trick.make(world, tmp_path / "origin")
    assert world.fired() == set()
    assert trick.careless(world, origin, tmp_path / "work") >= trick.trips


def test_a_repository_gets_no_more_room_than_is_set(tmp_path: Path) -> None:
    """A fetch that needs more than the limit is refused by name and leaves nothing; what fits is fetched, also afterwards."""
    origin = repository(tmp_path / "origin", {"small.txt": b"x\n"})
    mirrors = Mirrors(tmp_path / "mirrors", limit=1 << 20)
    small = mirrors.open(str(origin)).fetch()
    change(origin, {"large.bin": os.urandom(2 << 20)})
    with pytest.raises(RepositoryTooLarge, match=r"needs more than 1 MiB .*mirror_mib"):
        mirrors.open(str(origin)).fetch()
    assert size_of(tmp_path / "mirrors") < 1 << 20
    mirrors.open(str(origin)).checkout(small.tree, tmp_path / "files")
    assert Mirrors(tmp_path / "mirrors", limit=8 << 20).open(str(origin)).fetch().commit == plain(origin, "rev-parse", "HEAD")
    plain(origin, "commit", "--quiet", "--allow-empty", "-m", "more")
    with pytest.raises(RepositoryTooLarge):  # no room is left at all
        mirrors.open(str(origin)).fetch()


def test_a_name_that_leads_to_no_commit_is_refused(tmp_path: Path) -> None:
    """A tag of a file, and a branch that is a file's id, are refused with what to name instead."""
    origin = repository(tmp_path / "origin")
    blob = plain(origin, "rev-parse", "HEAD:README.md")
    plain(origin, "tag", "file", blob)
    (origin / ".git" / "refs" / "heads" / "evil").write_text(f"{blob}\n")
    for name in ("file", "evil"):
        with pytest.raises(RevisionUnknown, match="names no commit; name a branch"):
            Mirrors(tmp_path / "mirrors").open(str(origin)).fetch(name)


def test_old_mirrors_get_todays_attributes(tmp_path: Path) -> None:
    """A mirror that an earlier release made obeys the attributes of this one from the next use on."""
    origin = repository(tmp_path / "origin")
    mirror = Mirrors(tmp_path / "mirrors").open(str(origin))
    (mirror.directory / "info" / "attributes").write_text("* -text\n")
    Mirrors(tmp_path / "mirrors").open(str(origin))
    assert (mirror.directory / "info" / "attributes").read_text() == ATTRIBUTES
