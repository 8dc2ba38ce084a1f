"""The judge of `solo`: by tests that it never sees, by which files it changed, and by how much of them."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from ledger import handoffs
from tests.activities.agentfiles import routed
from tests.docs.pages import ROOT
from tests.evals import delivered
from tests.evals.delivered import CHECK, HOUR, Files, after, changed, next_of
from tests.scripts import Turn, a_tester, answer, edit, read, says, summary, unsure
from tests.stack import Stack, until

FOLDER = ROOT / "evals" / "solo"
CASES = sorted(FOLDER.glob("*.json"))

SCRIPTED = '[{ model = "scripted:others" }]'
ROUTER = says("router", answer({"verdict": "simple", "why": "one clear change in one file"}))


async def judged(case: Mapping[str, Any], changed: Files | None) -> str:
    """Why the change is wrong; "" where it is right. `changed`: the files that it has changed, whole; None: it was not sure."""
    if wrong := await delivered.judged(case, changed):
        return wrong
    files, most = case["task"]["files"], case["expected"].get("lines")
    # Tests that it adds are welcome, and no part of the change that was asked for.
    own = {path: text for path, text in (changed or {}).items() if not path.startswith("tests/")}
    lines = sum(_lines(files.get(path, ""), text) for path, text in own.items())
    return f"it changed {lines} lines, where {most} are enough" if most is not None and lines > most else ""


def _lines(old: str, new: str) -> int:
    """Lines that went or came."""
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return sum(not one.startswith(("---", "+++", "@@")) for one in found)


def changes(case: Mapping[str, Any], which: str = "says") -> Files | None:
    """What becomes of the files by who is right, or falls into the trap; None where they ask."""
    return after(case["task"]["files"], case[which]) if case[which] else None


def script(case: Mapping[str, Any], which: str = "says") -> dict[str, Any]:
    """The conversation of a `solo` that is right, or falls into the trap."""
    if not case[which]:
        return says("solo", unsure("it can be meant in two ways", {"id": "which", "text": "Which one is meant?"}))
    turns: list[Turn] = [edit(one["path"], one["old"], one["new"]) for one in case[which]]
    return says("solo", *(read(one) for one in sorted({one["path"] for one in case[which]})), *turns, answer(summary()))


OTHERS = (ROUTER, a_tester())
"""Who else takes part: always scripted, so that nothing but `solo` is measured."""


def agents(folder: Path) -> Path:
    """The shipped agents, of whom only `solo` is answered by a model."""
    return routed(folder, router=SCRIPTED, tester=SCRIPTED)


async def alone(stack: Stack, work: Path, case: Mapping[str, Any]) -> Files | None:
    """Have `solo` do the case in a real delivery, approve it whatever it is, and return the changed files; None: it asked."""
    asked = {"instruction": case["task"]["instruction"], "check": CHECK, "branch": "case", "ceiling_usd": "2"}
    run = await stack.deliver(work, effort="auto", rework=0, **asked)
    while (view := await until(lambda: next_of(stack, run), f"{run.id} ended or waits", limit=HOUR)) is not True:
        if view.kind not in ("change", "stuck") or not await _is_done(stack, run):
            await run.terminate("a person is asked, and nobody answers here")
            return None
        # Also where the check that it sees fails: what it made is judged by other tests.
        await stack.decide(view)
    return await changed(run, work)


async def _is_done(stack: Stack, run: WorkflowHandle[Any, Any]) -> bool:
    """Whether `solo` says that it is done."""
    made = await stack.ledger.read(handoffs.of_trace, run.first_execution_run_id or "")
    return any(one.path == "write/0/change/write" and one.outcome == "done" for one in made)
