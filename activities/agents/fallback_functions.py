"""Functions that stand in for an agent when no model is available. Deterministic, listed by hand, and honest about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Contract
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.delivery.testing import TestNotes, TestTask
from contracts.people import Clarified, as_text


@dataclass(frozen=True)
class Function:
    """What a function stands in with: the contract that it takes, the one that it returns, and itself.

    It is given the task, and what people have answered the agent that it stands in for.
    """

    takes: type[Contract]
    returns: type[Contract]
    make: Callable[[Any, Sequence[Clarified]], Contract]


def _checks_alone(task: TestTask, answers: Sequence[Clarified]) -> TestNotes:
    check = f"`{task.check}` runs as always" if task.check else "no check is known"
    nobody = f"No model could be asked, so nobody tried to break this change and no test was added; {check[:800]}."
    return TestNotes(summary=f"{nobody}{as_text(answers)}", tried=())


def _whole_pipeline(task: RoutingTask, answers: Sequence[Clarified]) -> Routing:
    del task, answers  # the planner reads the task anew, and may ask for itself
    return Routing(verdict="full", why="no model was available, so nothing is skipped")


FUNCTIONS: Mapping[str, Function] = {
    "checks_alone": Function(TestTask, TestNotes, _checks_alone),
    "whole_pipeline": Function(RoutingTask, Routing, _whole_pipeline),
}
"""Every function that an agent file may name as `fallback: function:NAME`."""
