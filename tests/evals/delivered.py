"""The judge of a delivery: by what the changed files do in tests that no agent has seen, and by which files were changed."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from activities.sandbox import Sandbox
from contracts.globs import fits
from ledger import gates
from tests.docs.pages import ROOT
from tests.repositories import change, plain, repository
from tests.scripts import Turn, a_tester, answer, edit, item, plan, read, says, unsure, writer
from tests.stack import Stack, result_of, until

FOLDER = ROOT / "evals" / "delivery"
CASES = sorted(FOLDER.glob("*.json"))
PROOF = "test_proof.py"
CHECK = "python -m pytest -q"
HOUR = 3600.0

Files = Mapping[str, str]


async def judged(case: Mapping[str, Any], changed: Files | None) -> str:
    """Why a delivery is wrong; "" where it is right. `changed`: the files that it has changed, whole; None: it asked."""
    expected = case["expected"]
    if expected["ends"] == "asks":
        return "" if changed is None else f"it changed {', '.join(sorted(changed))}, and has to ask first"
    if changed is None:
        return "it asked, or made no change, where there is nothing to ask"
    if beyond := [path for path in changed if not any(fits(path, glob) for glob in expected["within"])]:
        return f"it changed {', '.join(beyond)} besides"
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**case["task"]["files"], **changed, PROOF: expected["proof"]}.items():
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).write_text(text)
        done = await Sandbox.find().run(["python", "-m", "pytest", "-q", PROOF], directory=Path(folder))
    return "" if done.exit_code == 0 else f"the proof fails: {done.output.decode(errors='replace')[-500:]}"


def after(files: Files, edits: Sequence[Mapping[str, str]]) -> Files:
    """The files that these edits change, as they are then."""
    changed: dict[str, str] = {}
    for one in edits:
        text = changed.get(one["path"], files[one["path"]])
        assert text.count(one["old"]) == 1, f"{one['path']} has not one place with {one['old']!r}"
        changed[one["path"]] = text.replace(one["old"], one["new"])
    return changed


def origin(folder: Path, case: Mapping[str, Any]) -> Path:
    """A repository with the case's files."""
    work = repository(folder)
    change(work, {path: text.encode() for path, text in case["task"]["files"].items()})
    return work


def script(case: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """What agents say who are right."""
    edits = case["says"]
    if not edits:
        asks = unsure("it can be meant in two ways", {"id": "which", "text": "Which one is meant?"})
        return (says("planner", asks),)
    paths = sorted({one["path"] for one in edits})
    turns: list[Turn] = [edit(one["path"], one["old"], one["new"]) for one in edits]
    planned = says("planner", *map(read, paths), answer(plan(item("fix", paths))))
    return planned, writer("fix", *turns), a_tester()


async def delivered(stack: Stack, work: Path, case: Mapping[str, Any]) -> Files | None:
    """Have the case delivered, with every plan and change approved, and return the changed files; None: a person was asked."""
    run = await stack.deliver(work, instruction=case["task"]["instruction"], check=CHECK, branch="case", ceiling_usd="2")
    while (view := await until(lambda: next_of(stack, run), f"{run.id} ended or waits", limit=HOUR)) is not True:
        if view.kind not in ("plan", "change"):
            await run.terminate("a person is asked, and nobody answers here")
            return None
        await stack.decide(view)
    return await changed(run, work)


async def changed(run: WorkflowHandle[Any, Any], work: Path) -> Files | None:
    """The files that a delivery onto the branch `case` has changed, once it has ended; None where it was not done."""
    if (await result_of(run)).state != "done":
        return None
    paths = plain(work, "diff", "--name-only", "main", "case").splitlines()
    return {path: plain(work, "show", f"case:{path}") + "\n" for path in paths}


async def next_of(stack: Stack, run: WorkflowHandle[Any, Any]) -> Any:
    """The gate that is open, or True once the run has ended."""
    for view in await stack.ledger.read(gates.open_gates):
        if view.workflow_id.startswith(run.id):
            return view
    status = (await run.describe()).status
    return True if status is not None and status.name != "RUNNING" else None
