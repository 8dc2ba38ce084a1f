"""Very many children of one run: a layer of workflows between, so that no history and no workflow has them all."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow

from contracts.base import Contract
from contracts.carried import Children
from contracts.errors import Refused
from contracts.handoff import Handoff
from contracts.inputs import RunContext
from contracts.spread import Member, SpreadInput
from workflows.kit.fan_out import CHILDREN_LIMIT, Child, fan_out
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.slots import Slots

I = TypeVar("I", bound=Contract)  # noqa: E741  the child's input

HANDED_ON = 128 * 1024
"""Most bytes of what a layer is given for its children, and of what it hands on from them together."""

MARGIN = timedelta(minutes=5)
"""What a layer has beyond the deadlines of its children, to say how they ended."""


async def spread(
    kit: Kit,
    path: str,
    run: Callable[..., Any],
    children: Sequence[Child[I]],
    *,
    limit: int,
    deadline: timedelta,
    summary: str,
    layer: int = CHILDREN_LIMIT,
) -> dict[str, Handoff[Any]]:
    """As `fan_out`, for any number of children that do not depend on each other: more than `layer` are in groups of their own.

    `limit` is of all groups together. A pause, a stop at a ceiling and a cancellation reach every child; each has its own
    `deadline`. A child hands on its share of 128 KiB at most, so larger results go by id. Raises `Refused` for dependencies.
    """
    if len(children) <= layer:
        return await fan_out(kit, path, run, children, limit=limit, deadline=deadline, summary=summary)
    if any(child.after for child in children):
        raise Refused(f"{len(children)} children are more than {layer}, and of so many none can depend on another")
    groups = _groups(kit, children, layer)
    each = max(1, limit // len(groups))
    name = run.__qualname__.partition(".")[0]  # a child's class is called as its workflow type

    def group(number: int, members: tuple[Member, ...]) -> Child[SpreadInput]:
        def make(context: RunContext, done: dict[str, Handoff[Any]]) -> SpreadInput:
            del done
            given = {"limit": each, "deadline": deadline, "summary": summary}
            return SpreadInput(context=context, workflow=name, members=members, **given)

        return Child(f"g{number:02}", (), make)

    rounds = -(-max(len(members) for members in groups) // each)
    layers = [group(number, members) for number, members in enumerate(groups, 1)]
    whole = deadline * rounds + MARGIN
    # Within a group one may wait for a person while others work, so a group keeps its slot.
    slots, said = Slots(kit, limit, given_back=False), f"{summary}: group"
    made = await fan_out(kit, path, Spread.run, layers, limit=limit, deadline=whole, summary=said, slots=slots)
    return {
        member.name: one
        for (name, handoff), members in zip(made.items(), groups, strict=True)
        for member, one in zip(members, _of(kit, f"{path}/{name}", handoff, members), strict=True)
    }


def _groups(kit: Kit, children: Sequence[Child[I]], layer: int) -> list[tuple[Member, ...]]:
    """The children in as few groups of about one size as the layer's width and the size of its input allow."""
    # What a child inherits is put in by its layer, which has it as well.
    context = RunContext(run=kit.ref, began=kit.pins, parts=kit.parts)
    members = [Member(name=one.name, asked=_own(one.make(context, {}))) for one in children]
    largest = max(len(one.stored()) for one in members)
    if largest > HANDED_ON:
        raise Refused(f"the input of a child has {largest} bytes; at most {HANDED_ON} go through a layer")
    wide = min(layer, max(1, HANDED_ON // largest))
    number = -(-len(members) // wide)
    if number > CHILDREN_LIMIT:
        raise Refused(f"{len(children)} children are {number} groups of {wide}; at most {CHILDREN_LIMIT} groups")
    return [tuple(members[len(members) * at // number : len(members) * (at + 1) // number]) for at in range(number)]


def _own(asked: Contract) -> dict[str, Any]:
    return asked.model_dump(mode="json", exclude={"context", "carried"})


def _of(kit: Kit, path: str, handoff: Handoff[Any], members: Sequence[Member]) -> list[Handoff[Any]]:
    """What the children of a group made; where the group itself could not, each of them could not."""
    if (made := handoff.read_as(Children)) is not None:
        return [made.handoffs[one.name] for one in members]
    return [
        kit.keep(made_by_us(kit.at(f"{path}/each/{one.name}"), "coordinator", "could_not", handoff.reason)) for one in members
    ]


@workflow.defn(name="Spread")
class Spread:
    """One group of the children of a run that has more than one workflow can have."""

    def __init__(self) -> None:
        self.kit = Kit(())

    @workflow.run
    async def run(self, asked: SpreadInput) -> Handoff[Any]:
        """Return the handoffs of all children, whatever became of each. Cancelling it cancels them and waits for them."""
        kit = self.kit
        kit.join(asked)
        kit.stage = "spread"
        children = [Child(one.name, (), _maker(one)) for one in asked.members]
        # The layer itself spends nothing, so nothing is kept back for what comes after.
        made = await fan_out(
            *(kit, "each", asked.workflow, children),
            limit=asked.limit,
            deadline=asked.deadline,
            summary=asked.summary,
            kept_back=0,
        )
        room = HANDED_ON // len(made)
        handoffs = {name: _within(kit, handoff, room) for name, handoff in made.items()}
        await kit.leave()
        return made_by_us(kit.ref, "coordinator", "done", "", Children(handoffs=handoffs))


def _maker(one: Member) -> Callable[[RunContext, dict[str, Handoff[Any]]], Any]:
    def make(context: RunContext, done: dict[str, Handoff[Any]]) -> Any:
        del done
        return one.asked | {"context": context.model_dump(mode="json")}

    return make


def _within(kit: Kit, handoff: Handoff[Any], room: int) -> Handoff[Any]:
    size = len(handoff.stored())
    if size <= room:
        return handoff
    reason = f"its result has {size} bytes, and {room} go through a layer; {handoff.id} is in the ledger: hand on an id"
    return kit.keep(made_by_us(kit.ref.model_copy(update={"path": handoff.path}), "coordinator", "could_not", reason))
