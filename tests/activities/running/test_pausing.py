"""Which activities a pause holds: all but those that a workflow must be able to make whatever is paused."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.running.pausing import ALWAYS, step_of
from config import Settings
from contracts.away import FallBack
from contracts.runs import Request
from contracts.turns import CallModel, RunTool
from ledger import pauses, turns
from ledger.db import Ledger
from tests.ledger import samples
from worker_parts import build

WORKFLOWS = sorted((Path(__file__).parents[3] / "workflows").rglob("*.py"))
MAKES = {"do_now", "execute_activity_method", "execute_local_activity_method"}
WAITS = {"call_model", "run_tool"}
"""Steps that are made with `do_now` by somebody who waits for the end of a pause. `Kit.do` does so for all others."""


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger without a run."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


def _made_at_once() -> Iterator[str]:
    """The names of activities that workflows make without `Kit.do`."""
    for node in (node for path in WORKFLOWS for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MAKES:
            method = node.args[0]
            if isinstance(method, ast.Attribute):
                yield method.attr


def test_whoever_is_held_waits_for_the_end_of_the_pause() -> None:
    """An activity that is no step of a story, and would be refused in a pause, would end its run: there is none."""
    made = set(_made_at_once())
    assert {"open_gate", "finish_run", "call_model"} <= made
    assert made - WAITS <= ALWAYS


def test_all_that_is_never_held_is_there(ledger: Ledger, tmp_path: Path) -> None:
    """A name that no activity has would hold one that was meant."""
    assert {one.__name__ for one in build(Settings(state=tmp_path), ledger).activities} >= ALWAYS


def test_a_tool_call_is_its_agents(ledger: Ledger) -> None:
    """It names its turn alone, and the turn says whose it is. A fallback is a step of the agent that it stands in for."""
    new = samples.turn(1)
    ledger.tx_now(turns.insert, new)
    made = ledger.tx_now(pauses.put, "agent", "planner", "olga", "why", "cli")
    run = samples.ref()
    fallback = FallBack(run=run, agent="planner@v1", function="f", task="", why="")
    held: tuple[Request, ...] = (RunTool(run=run, turn=new.id), CallModel(run=run, name="planner"), fallback)
    assert [ledger.read_now(pauses.holding, step_of(one)) for one in held] == [made] * 3
    others = (CallModel(run=run, name="other"), fallback.model_copy(update={"agent": "other@1"}))
    assert [ledger.read_now(pauses.holding, step_of(one)) for one in others] == [None] * 2
