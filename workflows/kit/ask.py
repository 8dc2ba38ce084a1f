"""One agent step: a task in, a handoff out. A flat loop of model turns and tool calls until a valid output or a limit."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.turns.tool_calls import Tools
from contracts.agents import AgentPin
from contracts.base import Contract, canonical, sha256
from contracts.carried import Round
from contracts.errors import Refused
from contracts.gates import Decided
from contracts.handoff import Handoff, Outcome, Producer, Question
from contracts.ids import handoff_id, turn_key
from contracts.people import Clarified
from contracts.repositories import WorkspaceUse
from contracts.runs import Request, RunRef
from contracts.turns import CallModel, RunTool, ToolDone, Turn
from workflows.kit.bounds import cut
from workflows.kit.calling import call_model
from workflows.kit.conversation import Conversation, handoff_of, limit_of, not_pinned_yet, steps_up
from workflows.kit.gate import Ask, gate
from workflows.kit.growth import StepStopped
from workflows.kit.kit import Duplicate, Kit
from workflows.kit.options import WORK
from workflows.kit.outage import NOBODY, answered, away_of, note_degraded

B = TypeVar("B", bound=Contract)
R = TypeVar("R")

TASK_LIMIT = 120 * 1024
"""Bytes of a task, which goes to the model as a whole: what was asked, and what came back on the way."""

REPAIRS = 2
"""Turns in a row that may go into making an output valid; then the step could not."""


@dataclass(frozen=True)
class Step(Generic[B]):
    """How a step ended: its handoff, the workspace as its edits left it, and the body's own bytes as the agent made it."""

    handoff: Handoff[B]
    workspace: WorkspaceUse | None
    made: str


async def ask(
    kit: Kit,
    path: str,
    agent: str,
    task: Contract,
    returns: type[B],
    *,
    inputs: Sequence[str] = (),
    workspace: WorkspaceUse | None = None,
) -> Step[B]:
    """Have an agent do one step, and route what it says about itself.

    The outcome is `done`, `unsure` or `could_not`, never an exception of the model's or the provider's making: `done` below
    the agent's minimum confidence becomes `unsure`; `unsure` with questions goes to a person at a `clarify` gate, at most
    as often as the agent's limits say, and the answers to the same conversation. `inputs` are ids of handoffs that enter the
    prompt as labelled data.
    """
    pin = kit.pins.agents[agent] if kit.beginning is None else not_pinned_yet(agent)
    kit.asked[agent] = kit.asked.get(agent, 0) + 1
    talk = Conversation(kit.at(path), pin, task, tuple(inputs), workspace, kit.asked[agent])
    for round_number in range(pin.limits.clarify + 1):
        talk, handoff = await _sure(kit, talk)
        if handoff.outcome != "unsure" or not handoff.questions or round_number == pin.limits.clarify:
            break
        decided = await _clarify(kit, talk, handoff)
        if decided.verb != "answer":
            break
        talk.task = _answered(talk.task, handoff.questions, decided)
    note_degraded(kit, handoff)
    return Step(_typed(handoff, returns), talk.workspace, canonical(handoff.body).decode())


async def _sure(kit: Kit, talk: Conversation) -> tuple[Conversation, Handoff[Any]]:
    """The agent's answer; where it is unsure and its class has a choice for that, the answer of that one, asked once more."""
    handoff = _confident(talk.pin, await answered(kit, talk, _round))
    if not steps_up(talk, handoff):
        return talk, handoff
    kit.note(f"{talk.pin.label} is unsure", handoff.reason[:1000], "another model is asked once more", importance="detail")
    again = talk.once_more()
    other = _confident(again.pin, await answered(kit, again, _round))
    return (talk, handoff) if other.outcome == "could_not" else (again, other)


async def _round(kit: Kit, talk: Conversation) -> Handoff[Any]:
    """The agent's answer. What the run that this one continues has of it is not asked again."""
    step = kit.chain.begin(lambda: f"ask:{talk.run.path}")
    if step.known is not None:
        known = await kit.chain.recall(step, Round)
        talk.go_on(known.talk)
        return known.handoff
    if step.stood is not None:
        talk.go_on(step.stood)
    step.stands = talk.stands
    handoff = await _converse(kit, talk)
    step.result = Round(handoff=handoff, talk=talk.stands())
    return handoff


async def _converse(kit: Kit, talk: Conversation) -> Handoff[Any]:
    """Turns until a valid output, or until a limit and then one last try with what there is."""
    while True:
        await kit.chain.safe_point()
        finish = limit_of(talk)
        try:
            turn = await _turn(kit, talk, finish)
        except Refused as error:
            return _own(talk, "could_not", str(error))
        except StepStopped as stopped:
            if talk.ending:
                continue
            return _own(talk, "unsure", stopped.reason)
        except ActivityError as error:
            if is_cancelled_exception(error) or kit.began is None:
                raise
            return _not_asked(kit, talk, finish, error)
        if turn.answered is not None or turn.handoff is not None:
            talk.repairs = 0
            return turn.handoff or handoff_of(talk, turn.answered)
        if turn.problem is not None:
            talk.repairs += 1
            if talk.repairs > REPAIRS or finish:
                return _no_output(talk, finish, turn)
            continue
        talk.repairs = 0
        await _run_tools(kit, talk, turn)


def _not_asked(kit: Kit, talk: Conversation, finish: str | None, error: ActivityError) -> Handoff[Any]:
    """The model could not be asked. At a limit that leaves what there is, as an output that could not be used does."""
    gone, reason = away_of(error), cause_of(error)
    if gone is not None and not finish and kit.since(3):
        return made_by_us(talk.run, NOBODY, "could_not", f"no model could be asked: {gone.why}")
    if finish and kit.since(3):
        return _own(talk, "unsure", f"{finish}; the model could not be asked for what it has: {reason}")
    return _own(talk, "could_not", f"the model could not be asked: {reason}")


def _no_output(talk: Conversation, finish: str | None, turn: Turn) -> Handoff[Any]:
    """The step ends without a valid output. What the agent had said at a limit is kept, as what it changed is."""
    outcome: Outcome = "unsure" if finish else "could_not"
    reason = f"{finish or 'no valid output'}; the last reply could not be used: {turn.problem}"
    if turn.partial is None:
        return _own(talk, outcome, reason)
    reason = f"{reason[:3000]}; what it had said is artifact {turn.partial.artifact}: {turn.partial.shown}"
    return _own(talk, outcome, reason, (turn.partial.artifact,))


async def _turn(kit: Kit, talk: Conversation, finish: str | None) -> Turn:
    body = talk.task.stored()
    if len(body) > TASK_LIMIT:
        raise Refused(f"its task has {len(body)} bytes and may have {TASK_LIMIT}; ask for less at a time")
    digest = sha256(body)
    request = CallModel(
        run=talk.run,
        begin=kit.beginning,
        name=talk.pin.name,
        head=talk.head,
        task_digest=digest if digest in talk.sent else "",
        task=None if digest in talk.sent else body.decode(),
        inputs=talk.inputs,
        occurrence=talk.occurrence,
        finish=finish,
        parts=kit.parts,
        tried="invalid" if talk.repairs else talk.tried,
        degraded=talk.degraded,
    )
    # The call that lets a run in has no handoffs before it.
    starts = _starts_with(kit, talk) if kit.began is not None else ()
    if starts and not talk.head:
        request = request.model_copy(update={"key": _key(talk, digest, starts)})
    if kit.began is not None and not kit.began.kept:
        # A run that began before the ledger kept its pins says them with every call.
        request = request.model_copy(update={"agent": talk.pin.ref, "choices": talk.pin.choices})
    summary = f"{talk.pin.label}: turn {talk.turns + 1}"
    turn = await call_model(kit, talk, request, summary)
    if turn.began is not None:
        kit.admitted(turn.began)
        if turn.began.duplicate_of is not None:
            raise Duplicate(turn.began.duplicate_of)
        talk.pin = kit.pins.agents[talk.pin.name]
    talk.sent.add(digest)
    talk.head = _key(talk, digest, starts)
    talk.turns += 1
    talk.context = turn.usage.input
    talk.tokens += turn.usage.input + turn.usage.output
    kit.tokens += turn.usage.input + turn.usage.output
    kit.usd_micros += turn.usd_micros
    return turn


def _starts_with(kit: Kit, talk: Conversation) -> tuple[str, ...]:
    """What a conversation begins with beside its task: handoffs, and files. On other files it is another conversation."""
    use = talk.workspace
    files = () if use is None or not kit.since(3) else (sha256(canonical([use.ref.model_dump(mode="json"), use.state])),)
    return (*talk.inputs, *files) if kit.since(2) else ()


def _key(talk: Conversation, task: str, starts: tuple[str, ...]) -> str:
    return turn_key(talk.run.trace, talk.run.path, talk.head, talk.pin.digest, task, starts)


async def _do(
    kit: Kit,
    talk: Conversation,
    method: Callable[[Any, Any], Coroutine[Any, Any, R]],
    request: Request,
    summary: str,
    **options: Any,
) -> R:
    """An activity of this step. Its time counts; what it gave is not kept for a next run: the ledger has it under its key."""
    await kit.unpaused()
    with talk.clock.ticking():
        return await kit.do_now(method, request, summary, **options)


async def _run_tools(kit: Kit, talk: Conversation, turn: Turn) -> None:
    """One turn's calls: at the same time where none changes the workspace, else in their order."""
    effects = {tool.name: tool.effect for tool in talk.pin.tools}
    ordered = not talk.pin.parallel or any(effects.get(call.name) != "none" for call in turn.calls)
    if not ordered:
        await asyncio.gather(*(_run_tool(kit, talk, call.index, call.name) for call in turn.calls))
        return
    for call in turn.calls:
        done = await _run_tool(kit, talk, call.index, call.name)
        if talk.workspace is not None and done.state != talk.workspace.state and effects.get(call.name) != "none":
            talk.workspace = talk.workspace.model_copy(update={"state": done.state})


async def _run_tool(kit: Kit, talk: Conversation, index: int, name: str) -> ToolDone:
    request = RunTool(run=talk.run, turn=talk.head, index=index, workspace=talk.workspace)
    return await _do(kit, talk, Tools.run_tool, request, f"{talk.pin.label}: {name}", **WORK)


def _confident(pin: AgentPin, handoff: Handoff[Any]) -> Handoff[Any]:
    if handoff.outcome != "done" or handoff.confidence >= pin.minimum_confidence:
        return handoff
    reason = f"{pin.label} is {handoff.confidence} of 1000 sure, and {pin.minimum_confidence} is asked for"
    return handoff.model_copy(update={"outcome": "unsure", "reason": reason})


async def _clarify(kit: Kit, talk: Conversation, handoff: Handoff[Any]) -> Decided:
    return await gate(
        kit,
        Ask(
            kind="clarify",
            title=f"{talk.pin.label} asks before it goes on",
            subject=handoff.model_dump_json(),
            facts=tuple(f"{question.id}: {question.text}" for question in handoff.questions),
            narrative=handoff.reason,
            questions=handoff.questions,
        ),
    )


def _answered(task: Contract, questions: Sequence[Question], decided: Decided) -> Contract:
    """The task with a person's answers in it. Every task of an agent that may ask has the field `answers`."""
    given = tuple(
        Clarified(question=question.text, answer=decided.answers.get(question.id, ""), by=decided.by) for question in questions
    )
    return task.model_copy(update={"answers": (*getattr(task, "answers", ()), *given)})


def _own(talk: Conversation, outcome: Outcome, reason: str, inputs: tuple[str, ...] = ()) -> Handoff[Any]:
    """A handoff that the coordinator makes because the agent made none."""
    return made_by_us(talk.run, "step", outcome, reason).model_copy(update={"inputs": inputs})


def made_by_us(run: RunRef, name: str, outcome: Outcome, reason: str, body: Contract | None = None) -> Handoff[Any]:
    """A handoff of the coordinator's own, with a body that code computed or none."""
    raw, reason = None if body is None else body.model_dump(mode="json"), reason[:4000]
    return Handoff[Any](
        id=handoff_id(run.trace, run.path, sha256(canonical([raw, reason]))),
        contract_name=body.contract if body is not None else "",
        outcome=outcome,
        body=raw,
        reason=reason,
        producer=Producer(agent=name),
        trace=run.trace,
        path=run.path,
    )


def _typed(handoff: Handoff[Any], returns: type[B]) -> Handoff[B]:
    return Handoff[returns].model_validate(dict(handoff) | {"body": handoff.read_as(returns)})  # type: ignore[valid-type]


def cause_of(error: BaseException) -> str:
    """The innermost reason in a failure, as people read it."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    said = str(error)
    if isinstance(error, ApplicationError):
        said = f"{error.message} ({error.type})" if error.type else error.message
    return cut(said, 4000)
