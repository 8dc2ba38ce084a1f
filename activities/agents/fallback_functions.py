"""Functions that stand in for an agent when no model is available. Deterministic, listed by hand, and honest about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Contract
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.delivery.testing import TestNotes, TestTask
from contracts.load import MapTask
from contracts.people import Clarified, as_text
from contracts.tables import Mapping as ColumnMapping


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


def _same_names(task: MapTask, answers: Sequence[Clarified]) -> ColumnMapping:
    del answers  # what they say would have to be understood
    plain = {_plain(name): name for name in reversed(task.header)}
    found = [{"to": one.name, "source": plain[_plain(one.name)]} for one in task.columns if _plain(one.name) in plain]
    # Nothing alike: what is then proposed names what the file has not, so that the dry run says what is missing.
    first = [{"to": task.columns[0].name, "source": task.columns[0].name}]
    return ColumnMapping.model_validate({"columns": found or first})


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


FUNCTIONS: Mapping[str, Function] = {
    "checks_alone": Function(TestTask, TestNotes, _checks_alone),
    "same_names": Function(MapTask, ColumnMapping, _same_names),
    "whole_pipeline": Function(RoutingTask, Routing, _whole_pipeline),
}
"""Every function that an agent file may name as `fallback: function:NAME`."""
