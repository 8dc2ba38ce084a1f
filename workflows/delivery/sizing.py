"""Delivery's shortcut: a router says how much of the pipeline a task needs; the feed says what is skipped and why."""

from dataclasses import dataclass

from contracts.delivery.plan import Criterion, Plan, PlanItem
from contracts.delivery.sizing import Routing, RoutingTask
from contracts.handoff import Handoff
from contracts.people import Feedback
from contracts.repositories import ANY_FILE, Workspace
from workflows.delivery import gates as gates
from workflows.delivery.course import Agreed, Course
from workflows.delivery.declared import declared_by
from workflows.kit.ask import ask
from workflows.kit.ends import Ended
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.step import CouldNot, Done, Step, Unsure
from workflows.kit.stuck import stuck_gate, try_again

AUTO = ("router", "solo")
"""The extra agents of `effort: auto`: the router, and the agent that makes a small change alone."""

WHOLE = "the planner reads the repository"


@dataclass(frozen=True)
class Sized:
    """What to do: a change for one agent (`agreed`), or, if that is None, the whole pipeline with a person's feedback."""

    agreed: Agreed | None = None
    feedback: tuple[Feedback, ...] = ()
    skipped: str = ""


def asks_router(kit: Kit) -> bool:
    """True if the run pinned a router, which only runs with `effort: auto` do."""
    # The pins decide, not the input: policy may set the effort, and an open run must keep its course.
    return set(AUTO) <= set(kit.pins.agents)


async def size_up(course: Course) -> Sized:
    """Ask the router if the run has one. Anything but a clear answer means the whole pipeline."""
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
    # Without a check nothing would show that the shortcut was wrong.
    if not course.base.check:
        return _whole(kit, f"{said}; but no check is known, so a person has to name one at the plan gate")
    kit.note("skipped the planner and the plan gate", said, "one agent makes the change; checks and the change gate remain")
    return Sized(_alone(course, handoff), skipped=f"not planned; made by a single agent: {said}")


async def _ask_router(course: Course) -> Step[Routing]:
    base, path = course.base, "route/1"
    task = RoutingTask(instruction=course.asked.instruction, repository=base.repository, base=base.commit, check=base.check)
    use = Workspace(name=f"{course.kit.ref.trace}/{path}", ref=course.start)
    return await ask(course.kit, path, "router", task, Routing, resources=(use,))


def _whole(kit: Kit, why: str) -> Sized:
    kit.note("skips nothing: the task needs the whole pipeline", why, WHOLE)
    return Sized()


async def _impossible(kit: Kit, handoff: Handoff[Routing], routing: Routing, said: str) -> Sized:
    """Ask a person: the run ends with the router's reason, or the task is planned anyway."""
    asked = stuck_gate("the router says this cannot be done", (said,), handoff, routing.why)
    try:
        wanted = await try_again(kit, asked, "plan it anyway")
    except Ended:
        # The exception goes straight to the end of the run: what was skipped has to be said before.
        kit.note("skipped planning, writing and testing", said, "the run ends")
        raise
    kit.note(
        "skips nothing: the task needs the whole pipeline", f"{wanted.source} overrules the router at {wanted.about}", WHOLE
    )
    return Sized(feedback=(wanted,))


def _alone(course: Course, handoff: Handoff[Routing]) -> Agreed:
    """The whole change as one item for one agent, which may touch any file: the change gate lists them all."""
    instruction, check = course.asked.instruction, course.base.check
    item = PlanItem(
        id="change",
        # An instruction may be ten times what the contract takes here; the task has all of it anyway.
        intent=instruction[:2000],
        files=(ANY_FILE,),
        settings=(),
        acceptance=(Criterion(text="the instruction is fulfilled", shown_by=check[:500] if check else None),),
        depends_on=(),
    )
    # Built without validation: a planner's plan must name its files, and this one leaves them open.
    plan = Plan.model_construct(summary=instruction[:4000], items=(item,), risks=(), check=None)
    made = course.kit.keep(made_by_us(course.kit.at("route"), "coordinator", "done", "", plan))
    handed = Handoff[Plan].model_construct(**(dict(made) | {"body": plan}))
    return Agreed(handed, check, declared_by(course.base), agent="solo", given=(handoff.id,))
