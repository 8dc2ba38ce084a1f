"""Texts of the feed lines of this room, in one place."""

from datetime import UTC, datetime
from typing import Any

from activities.turns.replies import Judgement
from contracts.handoff import Handoff
from contracts.money import usd
from contracts.notices import Occasion
from contracts.programs import ProgramRan
from contracts.runs import WHEN_WRITTEN, Importance, Note, RunRef
from contracts.text import amount
from contracts.turns import CallModel, RunTool
from ledger.breakers import Opening
from ledger.db import from_us

WHY_LIMIT = 1000
"""Most characters of a reason, which may come from a model or a provider."""


def turn(request: CallModel, judged: Judgement, handoff: Handoff[Any] | None, number: int, origin: str) -> Note:
    """A reply was stored as turn `number`, from 1; `origin` is the turn that paid for it, if it came from the cache."""
    if judged.problem is not None:
        did, following = "gave an unusable reply", "it is asked for a repair"
        if request.finish is not None:
            following = "the step ends as unsure; what it said and changed is kept"
        why = judged.problem
    elif handoff is not None:
        did, following = f"answered: {handoff.outcome}, confidence {handoff.confidence} of 1000", "the coordinator routes it"
        why = handoff.reason or f"{amount(len(handoff.claims), 'claim')}, {len(handoff.unsupported)} without checked evidence"
    else:
        did, following = f"asked for {', '.join(call.name for call in judged.calls)}", "the tools run"
        why = f"turn {number}"
    person = handoff.producer.person if handoff is not None else None
    if person is not None:
        did = f"did the step of {request.agent.label if request.agent is not None else request.name} by hand: {did}"
    if origin:
        why = f"{why}; from the cache at no cost: turn {origin[:12]} paid for an identical call"
    return Note(
        key=f"turn:{request.key}",
        at=WHEN_WRITTEN,
        stage=request.run.path,
        actor=person.name if person is not None else request.agent.label if request.agent is not None else request.name,
        channel=person.channel if person is not None else "",
        authenticated=person is not None and person.authenticated,
        did=did,
        why=why[:WHY_LIMIT],
        next=following,
        importance="detail",
        inputs=(request.task_digest,),
        outputs=(handoff.id,) if handoff else (),
    )


def shortened(request: CallModel, actor: str, replaced: int, why: str) -> Note:
    """From now on the prompt shows so many older tool results as references."""
    return Note(
        key=f"shortened:{request.key}",
        at=WHEN_WRITTEN,
        stage=request.run.path,
        actor=actor,
        did=f"replaced {replaced} older tool results by references",
        why=why,
        next="read_artifact shows the agent each of them again",
        importance="detail",
    )


def unusually_large(run: RunRef, actor: str, rule: str, why: str, *, held: bool) -> Note:
    """A step has become unusually large by this rule, `context` or `tokens`. One line per step and rule."""
    return Note(
        key=f"growth:{run.trace}/{run.path}/{rule}",
        at=WHEN_WRITTEN,
        stage=run.path,
        actor=actor,
        did="is unusually large" if rule == "context" else "uses unusually many tokens",
        why=why,
        next="a person decides before its next call" if held else "the step goes on",
        importance="alert",
    )


def answered_as(asked: str, answered: str, priced: str) -> Note:
    """A model answers under another name than it is asked by. One line per pair of names and day."""
    now = datetime.now(UTC)
    return Note(
        key=f"answered/{asked}/{answered}/{now:%Y-%m-%d}",
        at=WHEN_WRITTEN,
        stage="money",
        actor="ledger",
        did=f"{asked} answers as {answered}",
        why="the provider names another model than was asked for: an alias, a deployment's name, or a substitute",
        next=priced,
        importance="overview",
    )


def cost_differs(model: str, stated: int, counted: int, following: str) -> Note:
    """The provider says that a call costs something else than its price list. One line per model and day."""
    now = datetime.now(UTC)
    return Note(
        key=f"stated/{model}/{now:%Y-%m-%d}",
        at=WHEN_WRITTEN,
        stage="money",
        actor="ledger",
        did=f"{model} costs something else than was counted",
        why=f"the provider states {usd(stated)} for a call, and by its tokens and price it is {usd(counted)}",
        next=following,
        importance="alert",
    )


def breaker_opened(run: RunRef, opening: Opening, reason: str, importance: Importance, *, again: bool, person: bool) -> Note:
    """A breaker opened. `again`: it has been open for long. `person`: waiting alone does not fix what opened it.

    An alert has the same key whenever it is written, so that no outage has two.
    """
    following = f"no calls until {from_us(opening.until):%H:%M:%S} UTC, then one probe call (`baton models`)"
    if person:
        following += "; a person has to act, waiting does not help"
    return _breaker(
        run,
        f"breaker/{opening.name}/{opening.opened_at}" + ("" if importance == "alert" else "/named"),
        f"circuit breaker {'still ' if again else ''}open for {opening.name}",
        reason,
        following,
        importance,
        Occasion(kind="breaker_open", about=opening.name) if importance == "alert" else None,
    )


def breaker_closed(run: RunRef, name: str, opened_at: int, reason: str) -> Note:
    """A breaker closed: calls are made again."""
    since = f"it was open since {from_us(opened_at):%Y-%m-%d %H:%M:%S} UTC: {reason}"
    key = f"breaker/{name}/{opened_at}/closed"
    return _breaker(run, key, f"circuit breaker closed for {name}", since, "calls are made again", "overview")


def _breaker(
    run: RunRef, key: str, did: str, why: str, following: str, importance: Importance, tells: Occasion | None = None
) -> Note:
    return Note(
        key=key,
        at=WHEN_WRITTEN,
        stage=run.path,
        actor="breaker",
        did=did,
        why=why[:WHY_LIMIT],
        next=following,
        importance=importance,
        tells=tells,
    )


def program_ran(request: RunTool, actor: str, ran: ProgramRan, state: str | None) -> Note:
    """An outside program has ended; `state` is the workspace's after it. What it cost is not known, and the line says so."""
    code = "it was stopped" if ran.exit_code is None else f"exit code {ran.exit_code}"
    again = ""
    if ran.starts > 1:
        again = f"; it was started {ran.starts} times, because its worker was lost: each start may have cost"
    return Note(
        key=f"tool:{request.turn}/{request.index}",
        at=WHEN_WRITTEN,
        stage=request.run.path,
        actor=actor,
        did=f"the program {ran.program} ended: {ran.outcome}, {code}, {ran.seconds} s",
        why=f"{ran.reason or ran.summary or 'it says nothing'}; unmetered: what it cost is not known{again}"[:WHY_LIMIT],
        next="what it changed counts" if state else "nothing of it stays",
        inputs=(request.turn,),
        outputs=(state,) if state else (),
    )


def tool_ran(request: RunTool, actor: str, name: str, state: str | None, error: str, *, failed: bool, repeated: bool) -> Note:
    """A tool call has its result; `state` is the workspace's after it, `error` the text of a failure."""
    done = "was refused" if failed else "was done already" if repeated else "ran"
    return Note(
        key=f"tool:{request.turn}/{request.index}",
        at=WHEN_WRITTEN,
        stage=request.run.path,
        actor=actor,
        did=f"{name} {done}",
        why=error[:WHY_LIMIT],
        next="the result goes back to the agent",
        importance="detail",
        inputs=(request.turn,),
        outputs=(state,) if state else (),
    )
