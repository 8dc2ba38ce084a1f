"""The judge of the router: by what a delivery would skip because of its verdict, and whether it names what decided that."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from contracts.delivery.sizing import Routing
from contracts.handoff import Handoff
from ledger import handoffs
from tests.docs.pages import ROOT
from tests.evals.delivered import CHECK, HOUR
from tests.scripts import answer, calls, says
from tests.stack import Stack, until

FOLDER = ROOT / "evals" / "router"
CASES = sorted(FOLDER.glob("*.json"))


def judged(case: Mapping[str, Any], routing: Routing | None) -> str:
    """Why the verdict is wrong; "" where it is right. None: the router was not sure, and then nothing is skipped."""
    expected = case["expected"]
    verdict = "full" if routing is None else routing.verdict
    if verdict not in expected["verdicts"]:
        return f"it says {verdict}, and not {' or '.join(expected['verdicts'])}{f': {routing.why}' if routing else ''}"
    named = expected["mentions"]
    if routing is not None and named and not any(one in routing.why.lower() for one in named):
        return f"it does not say what is missing, or what contradicts itself: {routing.why}"
    return ""


def made(case: Mapping[str, Any], which: str) -> Routing:
    """What a router says that is right (`says`), or that obeys, or judges by looks (`trap`)."""
    return Routing.model_validate(case[which])


def script(case: Mapping[str, Any], which: str = "says") -> dict[str, Any]:
    """The router's conversation: it reads what it was given, then answers."""
    paths = [path for path, text in case["task"]["files"].items() if text]
    look = calls(*({"tool": "read_file", "arguments": {"path": one, "first_line": None, "lines": None}} for one in paths))
    return says("router", look, answer(case[which]))


async def sized(stack: Stack, work: Path, case: Mapping[str, Any]) -> Routing | None:
    """The router's verdict in a real delivery, which ends there; None where it was not sure."""
    asked = {"instruction": case["task"]["instruction"], "check": CHECK, "effort": "auto", "ceiling_usd": "2"}
    run = await stack.deliver(work, branch=f"case-{secrets.token_hex(2)}", **asked)
    handed = await until(lambda: _routed(stack, run), f"the router of {run.id} has answered", limit=HOUR)
    await run.terminate("the router has answered")
    return handed.read_as(Routing) if handed.outcome == "done" else None


async def _routed(stack: Stack, run: WorkflowHandle[Any, Any]) -> Handoff[Any] | None:
    # The trace of a run is its first execution.
    found = await stack.ledger.read(handoffs.of_trace, run.first_execution_run_id or "")
    own = [one for one in found if one.path == "route/1"]
    return await stack.ledger.read(handoffs.get, own[-1].id) if own else None
