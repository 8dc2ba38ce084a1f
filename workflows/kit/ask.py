"""One agent step: a task in, a handoff out. A loop of model turns and tool calls until a valid output or a limit."""

import asyncio
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.tools.check import RUN_CHECKS
from activities.turns.tool_calls import Tools
from contracts.agents import AgentPin
from contracts.base import Contract, canonical, digest_of, sha256
from contracts.carried import Round
from contracts.errors import Refused
from contracts.gates import Decided
from contracts.handoff import Handoff, Outcome, Question
from contracts.ids import turn_key
from contracts.people import Clarified, stored_answers
from contracts.programs import RUN_PROGRAM
from contracts.rechecks import ClaimsTask, Rechecked
from contracts.repositories import Workspace
from contracts.turns import CallModel, RunTool, ToolDone, Turn
from workflows.kit.changes import STEPS_AT_HAND
from workflows.kit.conversation import Conversation, handoff_of, limit_of, steps_up
from workflows.kit.ends import cause_of
from workflows.kit.gate import Ask, gate
from workflows.kit.growth import StepStopped
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.model_call import call_model
from workflows.kit.model_outage import NOBODY, answered, away_of, note_degraded, why_nobody
from workflows.kit.options import CHECK, OUTSIDE, WORK
from workflows.kit.resources import StepResource, find, given
from workflows.kit.reviewed import reviewed
from workflows.kit.step import B, Step
from workflows.kit.suspects import rechecked
from workflows.kit.work import NobodyDid, by_person

TASK_LIMIT = 120 * 1024
"""Largest task in bytes. A task goes into the prompt as a whole."""

AT_HAND = frozenset(
    {
        *("list_files", "read_file", "list_folder", "read_folder", "list_logs", "read_log", "read_copy", "tail_copy"),
        *("run_state", "list_handoffs", "list_decisions", "read_artifact"),
    }
)
"""Tools that read one thing, in milliseconds as a rule: they are tried inside the workflow task. Searches read all there is."""

REPAIRS = 2
"""Consecutive repair turns for an invalid output; after that the step is `could_not`."""


async def ask(
    kit: Kit,
    path: str,
    agent: str,
    task: Contract,
    returns: type[B],
    *,
    inputs: Sequence[str] = (),
    resources: Sequence[StepResource] = (),
) -> Step[B]:
    """Have an agent do one step and return how it ended.

    The outcome is `done`, `unsure` or `could_not`; failures of the model or provider are never raised. `done` below the
    agent's minimum confidence becomes `unsure`. `unsure` with questions opens a `clarify` gate, at most as often as the
    agent's limits allow, and the answers continue the same conversation. `inputs` are ids of handoffs to include in the prompt
    as labelled data. `resources` are what the agent's tools work on: at most one workspace, plus folders, logs and databases
    that the worker's settings declare. All are read-only except a workspace with `access="write"`. Raises `Stopped` if the run
    stops at a ceiling.
    """
    pin = kit.pins.agents[agent]
    kit.asked[agent] = kit.asked.get(agent, 0) + 1
    on, run = given(pin, resources), kit.at(path)
    await find(kit, run, on.declared)
    talk = Conversation(run, pin, task, tuple(inputs), on.workspace, kit.asked[agent], on.declared)
    # One round more than there are clarifications: the reply after the last answer counts as it is.
    for round_number in range(pin.limits.clarify + 1):
        talk, handoff = await _sure(kit, talk)
        if handoff.outcome != "unsure" or not handoff.questions or round_number == pin.limits.clarify:
            break
        decided = await _clarify(kit, talk, handoff)
        if decided.verb != "answer":
            break
        talk.answers = (*talk.answers, *_answers(handoff.questions, decided))
    # Of whoever answered: a stand-in has claims, and somebody who suspects them, of its own.
    there = [talk.workspace if isinstance(one, Workspace) and talk.workspace is not None else one for one in resources]
    handoff, doubts = await rechecked(kit, path, talk.pin, handoff, there, functools.partial(_again, kit, handoff.id))
    handoff = await reviewed(kit, talk.pin, handoff)
    note_degraded(kit, handoff)
    kit.grounds.add(agent, handoff, doubts)
    if not (handoff.producer.version or handoff.degraded):
        kit.keep(handoff)  # an agent's own, and a fallback's, are stored where they are made
    return Step(_typed(handoff, returns), talk.workspace, canonical(handoff.body).decode(), talk.answers)


async def _again(
    kit: Kit, of: str, path: str, agent: str, task: ClaimsTask, resources: Sequence[StepResource]
) -> Step[Rechecked]:
    return await ask(kit, path, agent, task, Rechecked, inputs=(of,), resources=resources)


async def _sure(kit: Kit, talk: Conversation) -> tuple[Conversation, Handoff[Any]]:
    """The agent's handoff. If it is unsure and its class has a choice for that, the step is repeated once with that choice."""
    handoff = _confident(talk.pin, await answered(kit, talk, _round))
    if not steps_up(talk, handoff):
        return talk, handoff
    kit.note(f"{talk.pin.label} is unsure", handoff.reason[:1000], "another model repeats the step", importance="detail")
    again = talk.once_more()
    other = _confident(again.pin, await answered(kit, again, _round))
    # An unsure result is worth more than none at all.
    return (talk, handoff) if other.outcome == "could_not" else (again, other)


async def _round(kit: Kit, talk: Conversation) -> Handoff[Any]:
    """One conversation up to a handoff. In a continued run it starts from what the previous run had."""
    step = kit.chain.begin(lambda: f"ask:{talk.run.path}")
    if step.known is not None:
        known = await kit.chain.recall(step, Round)
        talk.go_on(known.talk)
        return known.handoff
    if step.stood is not None:
        talk.go_on(step.stood)
    # Read if the run continues as new in the middle of this step.
    step.stands = talk.stands
    handoff = await _converse(kit, talk)
    step.result = Round(handoff=handoff, talk=talk.stands())
    return handoff


async def _converse(kit: Kit, talk: Conversation) -> Handoff[Any]:
    """Run turns until there is a valid output, or until a limit and then one last turn for the final output."""
    while True:
        await kit.chain.safe_point()
        finish = limit_of(talk)
        try:
            turn = await _turn(kit, talk, finish)
        except Refused as error:
            return _own(talk, "could_not", str(error))
        except NobodyDid as nobody:
            return _own(talk, "could_not", nobody.reason)
        except StepStopped as stopped:
            if talk.ending:
                continue  # a person wants the final output now, and `limit_of` says so from here on
            return _own(talk, "unsure", stopped.reason)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return _not_asked(talk, finish, error)
        if turn.answered is not None:
            talk.repairs = 0
            return handoff_of(talk, turn.answered)
        if turn.problem is not None:
            talk.repairs += 1
            # At a limit there is no turn left for a repair.
            if talk.repairs > REPAIRS or finish:
                return _no_output(talk, finish, turn)
            continue
        talk.repairs = 0
        await _run_tools(kit, talk, turn)


def _not_asked(talk: Conversation, finish: str | None, error: ActivityError) -> Handoff[Any]:
    """The handoff after a failed model call. At a limit the step is `unsure`, because its changes are kept."""
    gone, reason = away_of(error), cause_of(error)
    talk.breakers = gone.breakers if gone is not None else ()
    if gone is not None and not finish:
        return made_by_us(talk.run, NOBODY, "could_not", why_nobody(gone))
    if finish:
        return _own(talk, "unsure", f"{finish}; the model call for its final output failed: {reason}")
    return _own(talk, "could_not", f"the model call failed: {reason}")


def _no_output(talk: Conversation, finish: str | None, turn: Turn) -> Handoff[Any]:
    """The handoff of a step without a valid output. At a limit the agent's last reply is kept as an artifact."""
    outcome: Outcome = "unsure" if finish else "could_not"
    reason = f"{finish or 'no valid output'}; the last reply was unusable: {turn.problem}"
    if turn.partial is None:
        return _own(talk, outcome, reason)
    reason = f"{reason[:3000]}; its last reply is artifact {turn.partial.artifact}: {turn.partial.shown}"
    return _own(talk, outcome, reason, (turn.partial.artifact,))


async def _turn(kit: Kit, talk: Conversation, finish: str | None) -> Turn:
    body = talk.task.stored()
    if len(body) > TASK_LIMIT:
        raise Refused(f"its task has {len(body)} bytes, the limit is {TASK_LIMIT}; ask for less at a time")
    digest = sha256(body)
    request = CallModel(
        run=talk.run,
        name=talk.pin.name,
        head=talk.head,
        # A task that was sent before is in the ledger; repeating it would grow history with every turn.
        task_digest=digest if digest in talk.sent else "",
        task=None if digest in talk.sent else body.decode(),
        answers=talk.answers,
        inputs=talk.inputs,
        occurrence=talk.occurrence,
        finish=finish,
        parts=kit.parts,
        tried="invalid" if talk.repairs else talk.tried,
        degraded=talk.degraded,
    )
    starts = _starts_with(talk)
    key = _key(talk, digest, starts)
    # Otherwise the activity derives the key from the request, and history need not hold it.
    if (starts and not talk.head) or talk.answers:
        request = request.model_copy(update={"key": key})
    turn = await call_model(kit, talk, request, f"{talk.pin.label}: turn {talk.turns + 1}")
    if turn.work is not None:
        turn, key = await by_person(kit, talk, request, turn.work)
    talk.sent.add(digest)
    talk.head = key
    talk.turns += 1
    talk.context = turn.usage.input
    talk.tokens += turn.usage.input + turn.usage.output
    kit.tokens += turn.usage.input + turn.usage.output
    kit.usd_micros += turn.usd_micros
    return turn


def _starts_with(talk: Conversation) -> tuple[str, ...]:
    """What a conversation starts from besides its task: handoffs, files and other resources. Others mean another key."""
    use = talk.workspace
    files = () if use is None else (sha256(canonical([use.ref.model_dump(mode="json"), use.state])),)
    others = (sha256(talk.resources.stored()),) if talk.resources.each else ()
    return (*talk.inputs, *files, *others)


def _key(talk: Conversation, task: str, starts: tuple[str, ...]) -> str:
    # Other answers are another turn: after a reset a person may answer differently.
    said = digest_of(task, stored_answers(talk.answers)) if talk.answers else task
    return turn_key(talk.run.trace, talk.run.path, talk.head, talk.pin.digest, said, starts)


async def _run_tools(kit: Kit, talk: Conversation, turn: Turn) -> None:
    """Run a turn's tool calls: concurrently if none changes the workspace, otherwise in order."""
    effects = {tool.name: tool.effect for tool in talk.pin.tools}
    ordered = not talk.pin.parallel or any(effects.get(call.name) != "none" for call in turn.calls)
    if not ordered:
        await asyncio.gather(*(_run_tool(kit, talk, call.index, call.name) for call in turn.calls))
        return
    # In order: the workspace state after one edit is part of the next call's request.
    for call in turn.calls:
        done = await _run_tool(kit, talk, call.index, call.name)
        if talk.workspace is not None and done.state != talk.workspace.state and effects.get(call.name) != "none":
            talk.workspace = talk.workspace.model_copy(update={"state": done.state})


async def _run_tool(kit: Kit, talk: Conversation, index: int, name: str) -> ToolDone:
    request = RunTool(run=talk.run, turn=talk.head, index=index, workspace=talk.workspace, resources=talk.resources)
    summary = f"{talk.pin.label}: {name}"

    async def begin() -> ToolDone:
        # `do_now`, not `do`: the result need not be carried into a continued run, because the ledger has it under its key.
        with talk.clock.ticking():
            options = CHECK if name == RUN_CHECKS.name else OUTSIDE if name == RUN_PROGRAM else WORK
            here = name in AT_HAND and kit.knows(STEPS_AT_HAND)
            return await kit.do_now(Tools.run_tool, request, summary, here=here, **options)

    return await kit.once_resumed(begin, summary)


def _confident(pin: AgentPin, handoff: Handoff[Any]) -> Handoff[Any]:
    if handoff.outcome != "done" or handoff.confidence >= pin.minimum_confidence:
        return handoff
    reason = f"{pin.label} is {handoff.confidence} of 1000 sure, below its minimum of {pin.minimum_confidence}"
    return handoff.model_copy(update={"outcome": "unsure", "reason": reason})


async def _clarify(kit: Kit, talk: Conversation, handoff: Handoff[Any]) -> Decided:
    return await gate(
        kit,
        Ask(
            kind="clarify",
            title=f"{talk.pin.label} has questions",
            subject=handoff.model_dump_json(),
            facts=tuple(f"{question.id}: {question.text}" for question in handoff.questions),
            narrative=handoff.reason,
            questions=handoff.questions,
        ),
    )


def _answers(questions: Sequence[Question], decided: Decided) -> Iterator[Clarified]:
    """A person's answers. They travel beside the task, so no task contract needs a field for them."""
    for question in questions:
        yield Clarified(question=question.text, answer=decided.answers.get(question.id, ""), by=decided.by)


def _own(talk: Conversation, outcome: Outcome, reason: str, inputs: tuple[str, ...] = ()) -> Handoff[Any]:
    """A handoff that the coordinator makes because the agent returned none."""
    return made_by_us(talk.run, "step", outcome, reason).model_copy(update={"inputs": inputs})


def _typed(handoff: Handoff[Any], returns: type[B]) -> Handoff[B]:
    return Handoff[returns].model_validate(dict(handoff) | {"body": handoff.read_as(returns)})  # type: ignore[valid-type]
