"""The record of a run: its start with what it pins, and lines that no other activity carries."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, update
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.agents import Agent, Catalogue
from activities.commit import commit_riders
from activities.policy import Policy
from contracts.agents import AgentPin, Choice
from contracts.errors import BatonError
from contracts.gates import Refusal
from contracts.runs import Note
from contracts.steps import Began, BeginRun, Finish, Record, Totals
from ledger import actions, gates, runs, spend
from ledger.db import Ledger, insert_once, now_us
from ledger.spend import Scope
from ledger.tables import agent_version
from ledger.tables import run as run_table


class Journal:
    """The activities `begin_run`, `record` and `finish_run`."""

    def __init__(
        self, ledger: Ledger, catalogue: Catalogue, policy: Policy, choices: Callable[[Agent], tuple[Choice, ...]]
    ) -> None:
        """`choices` says which models this worker can use for an agent; it raises `Misconfigured` where there is none."""
        self._ledger = ledger
        self._catalogue = catalogue
        self._policy = policy
        self._choices = choices

    @activity.defn
    async def begin_run(self, request: BeginRun) -> Began:
        """Insert the run's row and pin its agents and its policy. Called again it pins the same.

        A run whose request key is taken is told which run has it. Raises a permanent `ApplicationError` when nobody owns
        the run, no model is configured, or policy lacks a gate: the run then fails at once with that text.
        """
        try:
            began = self._pins(request)
        except BatonError as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
        return await self._ledger.tx(self._begin, request, began)

    def _pins(self, request: BeginRun) -> Began:
        owner = request.owner or self._policy.defaults.owner
        if not owner:
            raise ApplicationError(
                "no owner, no start: name the accountable person as `owner` in the input, "
                "or set [defaults] owner in policy.toml",
                type="NoOwner",
                non_retryable=True,
            )
        pins: dict[str, AgentPin] = {}
        for name in request.agents:
            agent = self._catalogue.newest(name)
            pins[name] = agent.pin(self._choices(agent))
        for kind in request.actions:
            self._policy.allows(kind)
        default = int(self._policy.ceilings.run_usd * 1_000_000)
        return Began(
            owner=owner,
            ceiling_micros=default if request.ceiling_micros is None else request.ceiling_micros,
            policy_digest=self._policy.digest,
            agents=pins,
            gates={kind: self._policy.gate(kind) for kind in request.gates},
        )

    def _begin(self, connection: Connection, request: BeginRun, began: Began) -> Began:
        holder = runs.begin(connection, request, began)
        if holder is not None:
            return began.model_copy(update={"duplicate_of": holder})
        spend.set_ceiling(connection, Scope(f"run:{request.run.trace}", began.ceiling_micros))
        for name, pin in began.agents.items():
            text = self._catalogue.pinned(pin).text
            insert_once(
                connection, agent_version, name=name, version=pin.version, digest=pin.digest, definition=text, at=now_us()
            )
        commit_riders(connection, request, [self._line(request, began)])
        return began

    def _line(self, request: BeginRun, began: Began) -> Note:
        who = ", ".join(pin.label for pin in began.agents.values())
        return Note(
            key=f"{request.run.trace}/begin",
            at=datetime.now(UTC),
            stage="intake",
            did=f"admitted the run for {began.owner}",
            why=f"agents {who}; ceiling {spend.usd(began.ceiling_micros)}",
            next="the repository is fetched",
        )

    @activity.defn
    async def record(self, request: Record) -> None:
        """Commit waiting feed lines, refusals and the run row's change. Safe to call twice: lines and refusals have keys."""
        await self._ledger.tx(_record, request)

    @activity.defn
    async def finish_run(self, request: Finish) -> Totals:
        """Keep the final report, move the run to its final state, and give back what it cost. Safe to call twice."""
        return await self._ledger.tx(_finish, request)


def _record(connection: Connection, request: Record) -> None:
    for refusal in request.refusals:
        gates.refuse(connection, request.run.trace, refusal)
    commit_riders(connection, request, [_refused_line(refusal) for refusal in request.refusals])


def _finish(connection: Connection, request: Finish) -> Totals:
    spend.close_left_over(connection, request.run.trace)
    totals = Totals(**runs.totals(connection, request.run.trace))
    # The workflow knows only its own calls; what its children paid stands in the ledger.
    report = json.loads(request.report) | {"usd_micros": totals.usd_micros, "tokens": totals.tokens}
    values = {"result": json.dumps(report, ensure_ascii=False), "updated_at": now_us()}
    connection.execute(update(run_table).where(run_table.c.trace == request.run.trace).values(**values))
    if request.change is not None and request.change.state == "cancelled":
        actions.withdraw(connection, request.run.trace, "the run was cancelled before it began")
    _record(connection, request)
    return totals


def _refused_line(refusal: Refusal) -> Note:
    return Note(
        key=f"refusal/{refusal.key}",
        at=refusal.at,
        stage=refusal.gate,
        actor=refusal.by or "somebody",
        channel=refusal.via,
        did=f"sent {refusal.verb} and was refused",
        why=refusal.reason,
        next="nothing changed",
        importance="detail",
    )
