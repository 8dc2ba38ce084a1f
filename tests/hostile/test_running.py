"""Checks of hostile repositories: their code runs in the sandbox only, sees nothing, and leaves nothing behind."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.git import Mirrors
from activities.git.trees import delete_folder
from activities.repositories.check_run import Ran, run_check
from activities.repositories.workspaces import Workspaces
from activities.sandbox import Sandbox
from tests.hostile.running import LEFT_BEHIND, RUNNING
from tests.hostile.world import World
from tests.repositories import repository

ATTEMPTS = ("mark", "overwrite", "secret", "link", "private", "variable", "processes", "connect", "datagram", "daemon")
"""What the conftest says that it tried."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine with something to steal."""
    built = World.build(tmp_path / "world", monkeypatch)
    yield built
    built.close()


async def checked(folder: Path, origin: Path) -> Ran:
    """The run of a repository's own tests, as the product runs them."""
    mirrors = Mirrors(folder / "mirrors")
    mirror = mirrors.open(str(origin))
    tree = mirror.fetch().tree
    workspaces = Workspaces(folder / "workspaces", mirrors)
    return await run_check(Sandbox.find(), workspaces, mirror, tree, "pytest -q -s", limit=timedelta(minutes=2))


async def test_a_hostile_check_gets_nothing(world: World, tmp_path: Path) -> None:
    """Every attempt of a conftest is made and fails: files, variables, processes, network, state."""
    ran = await checked(tmp_path / "state", RUNNING.make(world, tmp_path / "origin"))
    output = ran.output.decode()
    assert [f"ATTEMPT {name} " in output for name in ATTEMPTS] == [True] * len(ATTEMPTS), output
    assert (ran.exit_code, ran.total) == (0, 1)
    assert world.fired() == set()
    assert world.leaks([tmp_path / "state"], ran.output) == []


def test_the_careless_are_caught(world: World, tmp_path: Path) -> None:
    """The same tests run where they stand: all of it works."""
    assert RUNNING.careless(world, RUNNING.make(world, tmp_path / "origin"), tmp_path / "work") >= RUNNING.trips


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing stays, whatever a test that fails left there."""
    (tmp_path / "deep").mkdir()
    yield tmp_path / "deep"
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


async def test_whatever_a_check_leaves_is_deleted(folder: Path) -> None:
    """Pipes, folders without rights or deeper than any path, programs that run as their owner: all are gone afterwards."""
    ran = await checked(folder / "state", repository(folder / "origin", {"test_it.py": LEFT_BEHIND.encode()}))
    assert (ran.exit_code, ran.total) == (0, 1), ran.output.decode()
    scratch = folder / "state" / "workspaces" / "scratch"
    assert list(scratch.iterdir()) == []
    assert scratch.stat().st_mode & 0o077 == 0, "nobody else gets at a program that is there for a moment"


def test_deep_folders_are_out_of_reach_of_paths(folder: Path) -> None:
    """No path leads to the end of folders that deep, and still they are deleted."""
    top = folder / "top"
    top.mkdir()
    for number in range(1200):
        inner = folder / f"{number % 2}"
        inner.mkdir()
        top.rename(inner / "deep")
        inner.rename(top)
    with pytest.raises(OSError, match="name too long"):
        Path(top, *["deep"] * 1200).lstat()
    delete_folder(top)
    assert not top.exists()
