"""Ceilings from the command line: which one is meant, who may raise it, and telling the runs that wait at it."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from commands.errors import Usage, first_line
from contracts.base import digest_of
from contracts.errors import NotFound, Refused
from contracts.gates import GateView
from contracts.money import level_of, micros, resets_at, usd
from contracts.runs import Note, RunRef
from ledger import feed
from ledger.db import Connection
from ledger.money import ceilings as kept
from ledger.money.ceilings import Change
from ledger.views import runs
from ledger.views.agents import was_there
from ledger.views.runs import RunView

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.gates.policy import Policy
    from config import Settings

AT_ONCE = 50
"""Runs that are told at the same time."""

_SHARED = re.compile(r"(?:project:[^:]+:)?(?:month(?::\d{4}-\d{2})?|agent:[^:]+(?::\d{4}-\d{2}-\d{2})?)")


@dataclass(frozen=True)
class Said:
    """What was typed: the new ceiling (None: stop), who, and why."""

    by: str
    why: str
    to: Decimal | None = None


def shared_scope(what: str, now: datetime) -> str | None:
    """The id of the shared ceiling that is meant: `month`, `agent:NAME`, `project:NAME:month`, with a period or this one.

    None where it is no such name; then it is a run's. Raises `Usage` where the period is no day or month.
    """
    if not _SHARED.fullmatch(what):
        return None
    kind = what.split(":")[2] if what.startswith("project:") else what.split(":")[0]
    parts = what.removeprefix("project:").split(":") if what.startswith("project:") else ["", *what.split(":")]
    period = f"{now:%Y-%m}" if kind == "month" else f"{now:%Y-%m-%d}"
    given = len(parts) - 1 == (2 if kind == "month" else 3)
    if given:
        _check_period(what, kind, parts[-1])
    return what if given else f"{what}:{period}"


def _check_period(what: str, kind: str, period: str) -> None:
    try:
        datetime.strptime(period, "%Y-%m" if kind == "month" else "%Y-%m-%d").replace(tzinfo=UTC)
        resets_at(what)
    except (ValueError, OverflowError):
        day_or_month = "month; write one such as 2026-11" if kind == "month" else "day; write one such as 2026-11-21"
        raise Usage(f"{what}: there is no {period}, it has to be a {day_or_month}, or leave it out for this one") from None


def check_allowed(policy: "Policy", said: Said, owner: str, *, run: bool) -> None:
    """Raise `Refused` unless policy lets this person set a ceiling, this high where it is one run's."""
    rule = policy.gate("ceiling")
    refused = policy.refuses(rule, "raise_ceiling", said.by, owner)
    if refused is None and run and rule.most_usd is not None and said.to is not None and said.to > rule.most_usd:
        refused = f"policy lets a run be given ${rule.most_usd} at most, not ${said.to}"
    if refused is not None:
        raise Refused(f"{refused}. [gates.ceiling] in policy.toml says who may, and how much")


def set_shared(connection: Connection, settings: "Settings", scope: str, said: Said, *, lower: bool) -> int:
    """Set a shared ceiling for everybody who needs it, with a feed line; gives back what it was."""
    assert said.to is not None
    now = datetime.now(UTC)
    change = Change(digest_of("cli-ceiling", scope, str(now)), scope, micros(said.to), said.by, said.why, "cli")
    configured = _configured(settings, scope)
    if configured is None:
        name = {"agent": "agent_day_usd", "month": "month_usd"}[level_of(scope)]
        raise NotFound(f"{scope} has no ceiling: set {name} in [ceilings] of baton.toml, where a project's own belongs, too")
    if level_of(scope) == "agent":
        _check_agent(connection, settings, scope.split(":")[-2])
    before = kept.ensure(connection, scope, configured)
    if micros(said.to) < before and not lower:
        raise Refused(f"{scope}: the ceiling is {usd(before)}, {usd(micros(said.to))} is lower; add --lower if you mean that")
    kept.change(connection, change)
    _note(connection, RunRef(trace="budget", workflow_id="budget"), change, before)
    return before


def _check_agent(connection: Connection, settings: "Settings", name: str) -> None:
    """Raise `NotFound`, naming those there are, where no run has had such an agent and there is no file of one."""
    if not was_there(connection, name):
        from activities.agents.catalogue import load_catalogue
        from activities.tools.registry import TOOLS

        load_catalogue(settings.agents, TOOLS).newest(name)


def set_run(connection: Connection, run: RunView, said: Said) -> int:
    """Raise one run's own ceiling, whether or not it waits; gives back what it was."""
    assert said.to is not None
    name = digest_of("cli-ceiling", run.trace, str(datetime.now(UTC)))
    change = Change(name, f"run:{run.trace}", micros(said.to), said.by, said.why, "cli")
    before = kept.raise_to(connection, change)
    _note(connection, RunRef(trace=run.trace, workflow_id=run.workflow_id, project=run.project), change, before)
    return before


def _note(connection: Connection, ref: RunRef, change: Change, before: int) -> None:
    line = Note(
        key=f"budget/{change.id}",
        at=datetime.now(UTC),
        stage="money",
        actor=change.by,
        channel="cli",
        did=f"set the ceiling of {change.scope} from {usd(before)} to {usd(change.to)}",
        why=change.why,
        next="what waits for it goes on",
    )
    feed.append(connection, ref, [line])


def _configured(settings: "Settings", scope: str) -> int | None:
    """What a shared ceiling begins with."""
    own = settings.ceilings
    level = own.projects.get(scope.split(":")[1]) if scope.startswith("project:") else own
    if level is None:
        return None
    amount = level.month_usd if level_of(scope) == "month" else level.agent_day_usd
    return None if amount is None else micros(amount)


@dataclass(frozen=True)
class Nudged:
    """How many runs took it, and which of them are over in Temporal although they are recorded as waiting."""

    told: int = 0
    over: tuple[str, ...] = ()


async def nudge(client: "Client", runs: Sequence[str]) -> Nudged:
    """Tell runs to look again. Those that did not take it look by themselves, within an hour at most, unless they are over."""
    from temporalio.service import RPCError

    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: str) -> str:
        async with room:
            try:
                await client.get_workflow_handle(run).signal("nudge", {})
            except RPCError:
                return "over" if await _is_over(client, run) else "away"
            return "told"

    outcomes = await asyncio.gather(*(one(run) for run in runs))
    over = tuple(run for run, outcome in zip(runs, outcomes, strict=True) if outcome == "over")
    return Nudged(outcomes.count("told"), over)


async def _is_over(client: "Client", run: str) -> bool:
    """Only where Temporal knows the run and has closed it: one that it does not know may wait in another namespace."""
    from commands.look.watch import closed_as

    return bool(await closed_as(client.get_workflow_handle(run)))


async def stop_all(client: "Client", views: Sequence[GateView], said: Said, limit: float) -> dict[str, str]:
    """Send `stop` to these gates; per run "confirmed", "unconfirmed", "over" in Temporal already, or why it was refused."""
    from commands.decide import decision

    room = asyncio.Semaphore(AT_ONCE)

    async def one(view: GateView) -> str:
        update_id, values = sent_as(view, "stop", said)
        async with room:
            try:
                await decision.send(client, view, "stop", update_id, values, limit)
            except decision.Unconfirmed:
                return "unconfirmed"
            except Refused as refused:
                over = isinstance(refused, decision.RunEnded) and await _is_over(client, view.workflow_id)
                return "over" if over else first_line(refused)
            return "confirmed"

    return dict(zip([view.workflow_id for view in views], await asyncio.gather(*map(one, views)), strict=True))


def sent_as(view: GateView, verb: str, said: Said) -> tuple[str, dict[str, Any]]:
    """The update's id and its one JSON object: the same decision sent again is one."""
    name = digest_of("cli", view.trace, view.gate, verb, said.by, view.subject, said.why, str(said.to))
    values = {"gate": view.gate, "by": said.by, "note": said.why, "subject": view.subject, "channel": "cli", "nonce": name}
    return f"cli-{name[:40]}", values | ({} if said.to is None else {"to_usd": str(said.to)})


def amount(text: str) -> Decimal:
    """US dollars as typed: 40, 40.5, $40. Raises `Usage`."""
    plain = text.strip().removeprefix("$").replace("_", "")
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", plain) or Decimal(plain) <= 0:
        raise Usage(f"--to {text[:40]!r} is not an amount in US dollars; write a number above 0, such as 40 or 2.50")
    return Decimal(plain)


def find_run(connection: Connection, what: str) -> RunView:
    """The run that is meant. Raises `NotFound`, naming what a ceiling can be called."""
    try:
        return runs.find_run(connection, what)
    except NotFound as error:
        raise NotFound(f"{error}. A ceiling is a run's id, month, agent:NAME, or project:NAME:month") from None
