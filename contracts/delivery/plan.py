"""The planner's contract: a change as a graph of work items, in every version so far."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from contracts.base import Contract, Earlier
from contracts.people import Feedback
from contracts.resources import Resource, file_resource, resource, shared


class WorkItem(Contract):
    """One narrow, well-specified change."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    intent: str = Field(min_length=1, max_length=2000, description="what is changed, and why")
    files: tuple[str, ...] = Field(min_length=1, max_length=50, description="every file it may write, relative to the root")
    settings: tuple[str, ...] = Field(max_length=50, description="settings, keys or shared resources it touches")
    acceptance: tuple[str, ...] = Field(min_length=1, max_length=20, description="what must be true afterwards")
    depends_on: tuple[str, ...] = Field(max_length=20, description="ids of items that must be done before")


class PlanV1(Contract, name="plan/1"):
    """A concrete, scoped change as a graph of work items."""

    # The name the class had when it was the only version: its schema must not change with the class's name.
    model_config = ConfigDict(title="Plan")

    summary: str = Field(min_length=1, max_length=4000)
    items: tuple[WorkItem, ...] = Field(min_length=1, max_length=30)
    risks: tuple[str, ...] = Field(max_length=20)
    check: str | None = Field(max_length=1000, description="command that proves the change, where none was declared")

    @model_validator(mode="after")
    def _is_a_plan(self) -> Self:
        refuse_unless_a_plan(self.items)
        return self


class Criterion(Contract):
    """Something that must be true afterwards, and what shows that it is."""

    text: str = Field(min_length=1, description="what must be true afterwards")
    shown_by: str | None = Field(
        min_length=1,
        max_length=500,
        description="the test, or the command and what it prints, that shows it; null where only reading the change can tell",
    )

    @property
    def line(self) -> str:
        """Both in one line, for writers, testers and people."""
        return f"{self.text} (shown by: {self.shown_by})" if self.shown_by else self.text


class PlanItem(Contract):
    """One narrow, well-specified change, with criteria that can be checked."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    intent: str = Field(min_length=1, max_length=2000, description="what is changed, and why")
    files: tuple[str, ...] = Field(min_length=1, max_length=50, description="every file it may write, relative to the root")
    settings: tuple[str, ...] = Field(max_length=50, description="settings, keys or shared resources it touches")
    acceptance: tuple[Criterion, ...] = Field(min_length=1, max_length=20, description="what must be true afterwards")
    depends_on: tuple[str, ...] = Field(max_length=20, description="ids of items that must be done before")

    @property
    def work(self) -> WorkItem:
        """The item as the writer gets it."""
        return WorkItem.model_validate(self.model_dump() | {"acceptance": [one.line for one in self.acceptance]})


def _from_plan_1(body: dict[str, Any]) -> dict[str, Any]:
    """In plan/1 a criterion was plain text, without what proves it."""
    items = [item | {"acceptance": [_criterion(text) for text in item["acceptance"]]} for item in body["items"]]
    return body | {"items": items}


def _criterion(text: str) -> dict[str, Any]:
    # plan/1 accepted an empty criterion and plan/2 does not, but an upcast has to take every stored body.
    return {"text": text or "(nothing was written)", "shown_by": None}


class Plan(Contract, name="plan/2", earlier=Earlier(PlanV1, _from_plan_1)):
    """A concrete, scoped change as a graph of work items, with what will show that each is right."""

    summary: str = Field(min_length=1, max_length=4000)
    items: tuple[PlanItem, ...] = Field(min_length=1, max_length=30)
    risks: tuple[str, ...] = Field(max_length=20)
    check: str | None = Field(max_length=1000, description="command that proves the change, where none was declared")

    @model_validator(mode="after")
    def _is_a_plan(self) -> Self:
        refuse_unless_a_plan(self.items)
        return self

    def ordered(self) -> tuple[PlanItem, ...]:
        """The items, each after everything it depends on, otherwise in the plan's order."""
        # An item has more ancestors than any of them, so their number sorts topologically.
        before = ancestors(self.items)
        return tuple(sorted(self.items, key=lambda item: (len(before[item.id]), self.items.index(item))))


Items = Sequence[WorkItem | PlanItem]

GLOBS_LIMIT = 50
"""Most globs in one plan."""

SHARED_SHOWN = 5
"""Most overlaps of two items that an error names."""


def refuse_unless_a_plan(items: Items) -> None:
    """Raise ValueError if ids repeat, a dependency is unknown or circular, or items that may run side by side overlap."""
    by_id = {item.id: item for item in items}
    if len(by_id) != len(items):
        raise ValueError("two items have the same id; every id must be unique")
    _refuse_shared(items, ancestors(items))


def ancestors(items: Items) -> dict[str, frozenset[str]]:
    """For each item, every item that must be done before it. Raises ValueError for unknown ids and cycles."""
    direct = {item.id: item.depends_on for item in items}
    for item, needs in direct.items():
        for need in needs:
            if need not in direct:
                raise ValueError(f"item {item!r} depends on {need!r}, which is not in the plan")
    found: dict[str, frozenset[str]] = {}
    # Every round settles at least one item or finds a circle, so this ends.
    while len(found) < len(direct):
        ready = [item for item, needs in direct.items() if item not in found and all(need in found for need in needs)]
        if not ready:
            raise ValueError(f"items depend on each other in a circle: {', '.join(sorted(set(direct) - set(found)))}")
        for item in ready:
            found[item] = frozenset(direct[item]).union(*(found[need] for need in direct[item]))
    return found


def _touched(item: WorkItem | PlanItem) -> tuple[Resource, ...]:
    """The resources an item declares. Raises ValueError for a name that leaves the repository or matches every file."""
    try:
        files = tuple(file_resource(name) for name in item.files)
        return (*files, *(resource("setting", name) for name in item.settings))
    except ValueError as error:
        raise ValueError(f"item {item.id!r}: {error}") from None


def _first(names: Sequence[str]) -> str:
    left = len(names) - SHARED_SHOWN
    return ", ".join(names[:SHARED_SHOWN]) + (f" and {left} more" if left > 0 else "")


def _refuse_shared(items: Items, before: dict[str, frozenset[str]]) -> None:
    """Two items that may run at the same time must not name files or settings that overlap, however they are written."""
    touched = {item.id: _touched(item) for item in items}
    globs = sum(one.kind == "glob" for named in touched.values() for one in named)
    if globs > GLOBS_LIMIT:
        # Globs are compared in pairs whenever a plan is parsed, in workflows too, where long computation fails the task.
        raise ValueError(f"the plan has {globs} globs and may have {GLOBS_LIMIT}; name files or folders")
    for position, one in enumerate(items):
        for other in items[position + 1 :]:
            if one.id in before[other.id] or other.id in before[one.id]:
                continue
            both = shared(touched[one.id], touched[other.id])
            if both:
                raise ValueError(
                    f"items {one.id!r} and {other.id!r} both touch {_first(both)} and neither depends on the other; "
                    "add a dependency or join them"
                )


class PlanTask(Contract, name="plan_task/1"):
    """What the planner is given."""

    instruction: str
    repository: str
    base: str
    check: str | None = Field(default=None, description="the check that was declared or detected")
    feedback: tuple[Feedback, ...] = ()
