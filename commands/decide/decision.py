"""One decision: find the gate, compose the update, send it, and tell confirmed, refused and unconfirmed apart."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from commands.errors import Usage, first_line
from commands.output import clock, safe
from commands.text import how_to_answer
from contracts.base import digest_of
from contracts.errors import ContractViolation, NotFound, Refused
from contracts.gates import MESSAGE_LIMIT, Decision, GateView, Refusal, Verb, needs_note
from contracts.intents import Intent
from contracts.printed import command
from ledger import gate_actions, gates
from ledger.db import Connection, instant
from ledger.views.gates import gates_of, refused_before, winner
from ledger.views.runs import RunView, find_run

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Ledger

FLAGS = {
    "by": "--by",
    "note": "-m",
    "answers": "--answer",
    "subject": "--subject",
    "gate": "GATE",
    "reference": "--reference",
    "made": "--file",
    "patch": "--patch",
}
SHORTEST_SUBJECT = 8
"""Shortest prefix of a subject's digest that is accepted."""


class RunEnded(Refused):
    """Temporal itself refused the decision because the workflow is no longer running."""


class RunGone(RunEnded):
    """Temporal has ended the run, and `view` is the gate that was meant."""

    def __init__(self, run: RunView, view: GateView) -> None:
        how = safe(run.how_it_ended, 1200)
        super().__init__(f"the run has ended: {run.workflow_id} is {run.state}{how}; its gates can no longer be decided")
        self.view = view


class Unconfirmed(Exception):
    """The decision was sent but not answered in time. It may still be applied."""


@dataclass(frozen=True)
class Target:
    """A gate, the run it belongs to and what rides on it. `refused_before` counts this person's attempts that were refused."""

    run: str
    view: GateView
    intents: tuple[Intent, ...]
    refused_before: int


def find_target(connection: Connection, run: str, gate: str | None, verb: Verb, by: str) -> Target:
    """Find the open gate by name, or the only open one if no name is given. Raises `NotFound`, `Refused` or `Usage`."""
    # What is approved may be pushed: no beginning of an id decides about it.
    found = find_run(connection, run, whole=True)
    view = _only_open(connection, found) if gate is None else _named(connection, found, gate)
    if verb not in view.verbs:
        commands = "; ".join(how_to_answer(view, found.workflow_id))
        raise Refused(f"gate {view.gate} takes {', '.join(view.verbs)}, not {verb}. Try: {commands}")
    riding = tuple(gate_actions.intents(connection, found.trace, view.gate))
    return Target(found.workflow_id, view, riding, refused_before(connection, found.trace, view.gate, by, verb))


def _only_open(connection: Connection, run: RunView) -> GateView:
    there, name = gates.open_gates(connection, trace=run.trace), run.workflow_id
    if len(there) == 1:
        return there[0]
    if there:
        names = ", ".join(view.gate for view in there)
        raise Usage(f"{name} has {len(there)} open gates: {names}. Name one; `{command('show', name)}` shows them")
    if run.gone and (last := gates_of(connection, run.trace)):
        raise RunGone(run, last[-1].view)
    ended = " and has ended" if run.has_ended else ""
    raise NotFound(
        f"no gate of {name} is open: the run is {run.state}{ended}. "
        f"`{command('show', name)}` shows what was decided; `baton gates` lists what waits for a person"
    )


def _named(connection: Connection, run: RunView, name: str) -> GateView:
    view, state = gates.find(connection, run.trace, name)
    if state == "open":
        return view
    if run.gone:
        raise RunGone(run, view)
    won = winner(connection, run.trace, view.gate)
    who = f" by {safe(won.by)} at {clock(won.at)}" if won is not None else ""
    raise Refused(f"gate {view.gate} is closed: {state}{who}. `{command('show', run.workflow_id)}` shows what waits now")


def check_subject(view: GateView, typed: str) -> None:
    """Check that `typed` is the gate's current digest or a prefix of it. Raises `Refused`, or `Usage` if it is no digest."""
    given = typed.lower()
    if len(given) < SHORTEST_SUBJECT or not set(given) <= set("0123456789abcdef"):
        raise Usage(
            f"--subject {safe(typed, 80)!r}: give at least {SHORTEST_SUBJECT} digits of the digest that `baton gates` shows"
        )
    if not view.subject.startswith(given):
        raise Refused(
            f"gate {view.gate} is about subject {view.subject[:12]}…, but you looked at {given[:12]}…: it is not what you saw. "
            "Look again, then decide"
        )


def compose(
    view: GateView,
    verb: Verb,
    by: str,
    note: str,
    answers: Mapping[str, str],
    attempt: int,
    reference: str = "",
    more: Mapping[str, Any] | None = None,
    channel: str = "cli",
) -> tuple[str, dict[str, Any]]:
    """Build the update's id and its JSON object. Raises `Usage` naming the flag that is wrong or missing.

    The id is derived from who decides what about which bytes, so sending it again repeats the same decision. `attempt` counts
    earlier refusals: after one, the same decision gets a new id and can be made again once the reason is gone. `more` are other
    fields of the decision; empty ones are left out.
    """
    _check_complete(view, verb, note, answers)
    # Answers are sorted: in another order on the command line they are the same decision.
    parts = [view.trace, view.gate, verb, by, view.subject, note, json.dumps(answers, sort_keys=True), str(attempt)]
    handed_in = {name: value for name, value in (more or {}).items() if value}
    parts += [reference] if reference else []
    parts += [json.dumps(handed_in, sort_keys=True)] if handed_in else []
    said = digest_of(channel, *parts)
    values: dict[str, Any] = {"gate": view.gate, "by": by, "note": note, "subject": view.subject}
    values |= {"channel": channel, "nonce": said} | ({"answers": dict(answers)} if answers else {})
    values |= handed_in | ({"reference": reference} if reference else {})
    # The workflow checks the same contract, but only here can the error name the flag.
    try:
        Decision.read_typed_by_people(values)
    except ContractViolation as error:
        problems = "; ".join(f"{FLAGS.get(one.split(':', 1)[0].split('.')[0], '')} {one}".strip() for one in error.problems)
        raise Usage(f"the decision was not sent: {problems}") from None
    size = len(json.dumps(values).encode())
    if size > MESSAGE_LIMIT:
        raise Usage(f"the decision has {size} bytes, the limit is {MESSAGE_LIMIT}; shorten what you send. Nothing was sent")
    return id_of_update(channel, said), values


def id_of_update(channel: str, nonce: str) -> str:
    """The id under which a decision is sent, again and again if need be."""
    return f"{channel}-{nonce[:40]}"


def _check_complete(view: GateView, verb: Verb, note: str, answers: Mapping[str, str]) -> None:
    if needs_note(view.kind, verb) and not note.strip():
        raise Usage(f'{verb.replace("_", "-")} needs a reason: add -m "why"')
    asked = [question.id for question in view.questions]
    asked += [question.id for question in view.changes if verb == "request_changes"]
    unknown = sorted(set(answers) - set(asked))
    if unknown:
        there = ", ".join(asked) or "nothing"
        raise Usage(f"--answer: gate {view.gate} has no question {', '.join(unknown)}; it asks {there}")
    missing = [name for name in asked if not answers.get(name, "").strip()]
    if verb in {"approve", "answer"} and missing:
        flags = " ".join(f'--answer {name}="…"' for name in missing)
        raise Usage(f"gate {view.gate} needs an answer to {', '.join(missing)}; add {flags}")


async def send(
    client: "Client", view: GateView, verb: Verb, update_id: str, values: Mapping[str, Any], limit: float
) -> dict[str, Any]:
    """Send one decision and return the workflow's confirmation. Safe to repeat with the same `update_id`.

    Raises `Refused` with the workflow's reason, or `Unconfirmed` if no answer came within `limit` seconds.
    """
    from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
    from temporalio.service import RPCError, RPCStatusCode

    # The trace is the root's first run id, so only a root's gate can be pinned to it, not a child's.
    handle = client.get_workflow_handle(view.workflow_id, first_execution_run_id=None if view.path else view.trace)
    try:
        # Both limits: `rpc_timeout` is for one request, and the client asks for an update's outcome again and again.
        async with asyncio.timeout(limit):
            answer = await handle.execute_update(verb, dict(values), id=update_id, rpc_timeout=timedelta(seconds=limit))
    except WorkflowUpdateFailedError as error:
        raise Refused(str(getattr(error.cause, "message", None) or error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise Unconfirmed from None
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise RunEnded(f"the run has ended ({first_line(error)}); its gates can no longer be decided") from None
        # The server may have accepted it before the connection broke.
        if error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.UNAVAILABLE}:
            raise Unconfirmed from None
        raise
    return answer if isinstance(answer, dict) else {}


def record_refusal(ledger: "Ledger", view: GateView, verb: Verb, by: str, reason: str, update_id: str) -> None:
    """Record a decision that Temporal itself refused because the run had ended: no workflow is left to do it."""

    def refuse(connection: Connection) -> None:
        key, at = digest_of("closed", update_id), instant(connection)
        refusal = Refusal(key=key, at=at, verb=verb, gate=view.gate, by=by, reason=reason, via="update")
        gates.refuse(connection, view.trace, refusal)

    ledger.tx_now(refuse)
