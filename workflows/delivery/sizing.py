"""Delivery's early end: a router says how much of the pipeline a task needs, and the rest is skipped, with the reason told."""

from dataclasses import dataclass

from contracts.delivery.plan import Criterion, Plan, PlanItem
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import ANY_FILE, Workspace
from workflows.delivery import gates as gates
from workflows.delivery.course import Agreed, Course
from workflows.kit.ask import ask
from workflows.kit.ends import Ended
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.step import CouldNot, Done, Step, Unsure
from workflows.kit.stuck import stuck_gate, try_again

AUTO = ("router", "solo")
"""The agents that `effort: auto` needs beside the others: who decides, and who makes a small change alone."""

WHOLE = "the planner reads the repository"


@dataclass(frozen=True)
class Sized:
    """What is left to do: a change for one agent alone (`agreed`), or the whole pipeline, with what a person said."""

    agreed: Agreed | None = None
    feedback: tuple[Feedback, ...] = ()
    skipped: str = ""


def asks_router(kit: Kit) -> bool:
    """True where the run pinned a router: only those do that were started with `effort: auto`."""
    return set(AUTO) <= set(kit.pins.agents)


async def size_up(course: Course) -> Sized:
    """Ask the router, where the run has one. Whatever is not clear-cut means the whole pipeline."""
    kit = course.kit
    if not asks_router(kit):
        return Sized()
    kit.enter("route", "the router says how much of the pipeline the task needs")
    step = await _ask_router(course)
    match step.ended:
        case Done(routing):
            handoff = step.handoff
        case Unsure(reason) | CouldNot(reason):
            return _whole(kit, f"the router is {step.outcome}: {reason}")
    said = f"the router says {routing.verdict}: {routing.why}"
    if routing.verdict == "impossible":
        return await _impossible(kit, handoff, routing, said)
    if routing.verdict == "full":
        return _whole(kit, said)
    if not course.base.check:
        return _whole(kit, f"{said}; but no check is known, and the plan gate is where a person names one")
    kit.note("skipped the planner and the plan gate", said, "one agent makes the change; checks and change gate stay")
    return Sized(_alone(course, handoff), skipped=f"not planned, made by one agent alone: {said}")


async def _ask_router(course: Course) -> Step[Routing]:
    base, path = course.base, "route/1"
    task = RoutingTask(instruction=course.asked.instruction, repository=base.repository, base=base.commit, check=base.check)
    use = Workspace(name=f"{course.kit.ref.trace}/{path}", ref=course.start)
    return await ask(course.kit, path, "router", task, Routing, resources=(use,))


def _whole(kit: Kit, why: str) -> Sized:
    kit.note("skips nothing: the task takes the whole pipeline", why, WHOLE)
    return Sized()


async def _impossible(kit: Kit, handoff: Handoff[Routing], routing: Routing, said: str) -> Sized:
    """A person has the last word: the run ends with the router's reason, or the task is planned all the same."""
    asked = stuck_gate("the router says that this cannot be done", (said,), handoff, routing.why)
    try:
        wanted = await try_again(kit, asked, "plan it all the same")
    except Ended:
        kit.note("skipped planning, writing and testing", said, "the run ends")
        raise
    kit.note(
        "skips nothing: the task takes the whole pipeline", f"{wanted.source} overrules the router at {wanted.about}", WHOLE
    )
    return Sized(feedback=(wanted,))


def _alone(course: Course, handoff: Handoff[Routing]) -> Agreed:
    """The whole change as one item of one agent, which may touch any file: the change gate shows them all."""
    instruction, check = course.asked.instruction, course.base.check
    item = PlanItem(
        id="change",
        intent=instruction[:2000],
        files=(ANY_FILE,),
        settings=(),
        acceptance=(Criterion(text="the instruction is fulfilled", shown_by=check[:500] if check else None),),
        depends_on=(),
    )
    # Not checked as a planner's would be: none of those may leave the files open.
    plan = Plan.model_construct(summary=instruction[:4000], items=(item,), risks=(), check=None)
    made = made_by_us(course.kit.at("route"), "coordinator", "done", "", plan)
    return Agreed(Handoff[Plan].model_construct(**(dict(made) | {"body": plan})), check, agent="solo", given=(handoff.id,))
