"""Whole deliveries on hostile repositories, on the real stack: each works or is refused with its reason, and nothing leaks."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from activities.git import command
from commands.demo.demo import SAMPLE
from tests import scripts
from tests.depth import deep, of_each_kind, soak
from tests.hostile import programs, running
from tests.hostile.test_git import TRICKS
from tests.hostile.tricks import Trick
from tests.hostile.world import World, contents
from tests.repositories import change, plain, repository
from tests.scripts import a_tester, answer, call, calls, edit, item, plan, says, write, writer
from tests.stack import PATIENCE, Stack, stack

FIX = edit("shop/pricing.py", "int(cents * (100 - percent) / 100)", "(cents * (100 - percent) + 50) // 100")

LOST = "could not be read"
"""What may be a matter of the moment is tried again for minutes: such repositories are left to the test of git itself."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A machine with something to steal. Git gets little memory, so that asking for much needs little time."""
    monkeypatch.setattr(command, "MEMORY", 128 << 20)
    built = World.build(tmp_path / "world", monkeypatch)
    yield built
    built.close()


async def history(run: WorkflowHandle[Any, Any]) -> bytes:
    """Everything that Temporal keeps of a run and of its children, as bytes."""
    events = [event async for event in run.fetch_history_events()]
    return b"".join(event.SerializeToString() for event in events)


def obedient(world: World) -> list[dict[str, Any]]:
    """A model that does whatever a hostile repository could ask of it, and then its work."""
    names = ["file", "folder/secret.txt", "one", "up", "process", ".git/config", "../../world/outside/secret.txt"]
    names += [str(world.secret_file), "/proc/self/environ", "root/etc/hostname", "folder", "loop"]
    reads = [call("read_file", path=name) for name in names]
    writes = [
        call("write_file", path=f"{name}/new.txt", content="stolen") for name in (".git/hooks", "folder", "..", "root/tmp")
    ]
    looks = [call("list_files", path="", pattern="**/*"), call("search", pattern="canary"), call("list_files", path="folder")]
    hidden = write(".github/workflows/x.test.yml", "on: push\n")
    return [
        says("planner", calls(*reads[:8]), calls(*reads[8:], *looks), answer(plan(item("fix", ["shop/pricing.py"])))),
        writer("fix", calls(*writes), calls(*reads[:8]), FIX, calls(call("run_checks"))),
        a_tester(hidden, write("tests/test_more.py", "def test_more():\n    pass\n"), calls(call("run_checks"))),
    ]


def loaded(world: World, path: Path, *, bare: bool) -> Path:
    """The sample with everything at once: hooks, settings, attributes, submodules, links, and a hostile test run."""
    work = path.with_name("work") if bare else path
    files = {
        file.relative_to(SAMPLE / "repository").as_posix(): file.read_bytes()
        for file in (SAMPLE / "repository").rglob("*.py")
        if "__pycache__" not in file.parts
    }
    repository(work, {"README.md": b"A shop.\n"})
    for name, target in {"file": world.secret_file, "folder": world.outside, "one": "two", "two": "folder/secret.txt"}.items():
        (work / name).symlink_to(target)
    for name, target in {"process": "/proc/self/environ", "root": "/proc/self/root", "loop": "loop"}.items():
        (work / name).symlink_to(target)
    # What passes through a filter is not edited at all: here only what the work is not about does.
    attributes = programs.FILES[".gitattributes"] + b"shop/* !filter\ntests/* !filter\n.github/** !filter\n"
    hostile = {**programs.FILES, ".gitattributes": attributes}
    change(work, {**files, **hostile, **running.files(world)}, attributes=programs.NEUTRAL)
    if bare:
        plain(path.parent, "clone", "--quiet", "--bare", str(work), str(path))
    programs.hooks(path / "hooks" if bare else path / ".git" / "hooks", world)
    programs.settings(path, world)
    return path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bare", [False, *soak(True)], ids=["worktree", *soak("bare")])
async def test_a_loaded_repository_is_delivered_and_gets_nothing(
    client: Client, world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], bare: bool
) -> None:
    """With an obedient model: the fix is pushed as approved, no canary sings, and the secret is nowhere in the record."""
    origin = loaded(world, tmp_path / "origin", bare=bare)
    script = scripts.save(tmp_path / "script.yaml", *obedient(world))
    async with stack(client, tmp_path / "state", script) as running_stack:
        run = await running_stack.deliver(origin, check="pytest -q -s tests", branch="baton/new")
        await running_stack.approve(run, "plan")
        view = await running_stack.approve(run, "change")
        report = await run.result()
        kept = await history(run)
    assert (report.state, report.tests.verdict) == ("done", "passed"), report.tests.why
    assert plain(origin, "rev-parse", "baton/new^{tree}") == report.tree
    assert [change.path for change in report.files] == ["shop/pricing.py", "tests/test_more.py"]
    assert any("left out" in fact and ".github/workflows/x.test.yml" in fact for fact in view.facts)
    assert world.fired() == set()
    assert world.leaks([tmp_path / "state", origin], kept, *capfd.readouterr()) == []


@pytest.mark.timeout(400)
@deep(
    "tests/hostile/test_git.py::test_a_hostile_repository_gets_nothing",
    "tests/hostile/test_delivery.py::test_a_loaded_repository_is_delivered_and_gets_nothing",
    "tests/workflows/test_bad_input.py::test_a_repository_that_is_none_fails_with_the_way_out",
)
async def test_every_hostile_repository_through_a_delivery(client: Client, world: World, tmp_path: Path) -> None:
    """One of each kind of trick is delivered, or its run fails at the intake with the reason, before any model was asked."""
    script = [says("planner", answer(plan(item("note", ["note.txt"])))), writer("note", write("note.txt", "new\n")), a_tester()]
    tricks = of_each_kind((trick for trick in TRICKS if LOST not in trick.refused), _kind)
    origins = {}
    for number, trick in enumerate(tricks):
        (tmp_path / f"{number}").mkdir()
        origins[trick] = trick.make(world, tmp_path / f"{number}" / "origin")
    before = {trick: contents(origin) for trick, origin in origins.items()}
    async with stack(client, tmp_path / "state", scripts.save(tmp_path / "script.yaml", *script)) as running_stack:
        few = asyncio.Semaphore(6)
        outcomes = await asyncio.gather(*(_outcome(running_stack, few, trick, origin) for trick, origin in origins.items()))
    wrong = [(str(trick), said) for trick, said in zip(tricks, outcomes, strict=True) if not _expected(trick, said)]
    assert wrong == []
    assert world.fired() == set()
    assert world.leaks([tmp_path / "state"], *outcomes) == []
    for trick, origin in origins.items():
        after = contents(origin)
        assert {name for name, data in before[trick].items() if after.get(name) != data} == set(), trick


def _kind(trick: Trick) -> tuple[str, str]:
    """What it plays with, and what it is refused for. Each by itself is what `test_git.py` tries."""
    return trick.make.__module__, trick.refused


async def _outcome(running_stack: Stack, few: asyncio.Semaphore, trick: Trick, origin: Path) -> str:
    """`pushed TREE` or the reason of the failure."""
    async with few:
        run = await running_stack.deliver(origin, base=trick.revision, check="true", branch="baton/new")
        try:
            if not trick.refused:
                await running_stack.approve(run, "plan")
                await running_stack.approve(run, "change")
            report = await asyncio.wait_for(run.result(), PATIENCE)
        except WorkflowFailureError as error:
            return str(error.cause)
        except TimeoutError:
            return f"it goes on: {await running_stack.said(run)}"
        pushed = next(origin.rglob("refs/heads/baton/new")).read_text()  # git itself would wait for some of them for ever
        assert (report.state, pushed.strip()) == ("done", report.commit)
        return f"pushed {report.tree}"


def _expected(trick: Trick, said: str) -> bool:
    return bool(re.search(trick.refused, said)) if trick.refused else said.startswith("pushed")
