"""Ceilings on the command line: parse names, check policy, raise, and wake or stop the runs that wait."""

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
from contracts.gates import GateView, Verb
from contracts.money import level_of, micros, resets_at, usd
from contracts.runs import WHEN_WRITTEN, Note, RunRef
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
    from commands.decide.signing import PrivateKey
    from config import Settings

AT_ONCE = 50
"""Runs that are contacted concurrently."""

_SHARED = re.compile(r"(?:project:[^:]+:)?(?:month(?::\d{4}-\d{2})?|agent:[^:]+(?::\d{4}-\d{2}-\d{2})?)")


@dataclass(frozen=True)
class Said:
    """What was typed: the new ceiling in US dollars (None: stop), who, and why. `key` None: it is not signed.

    `seen` is the ceiling in micro-dollars that somebody was shown, None where nothing is compared with it.
    """

    by: str
    why: str
    to: Decimal | None = None
    key: "PrivateKey | None" = None
    channel: str = "cli"
    seen: int | None = None


def shared_scope(what: str, now: datetime) -> str | None:
    """The scope of a shared ceiling: `month`, `agent:NAME` or `project:NAME:month`, optionally with a period (default: now).

    None if the name is none of these; then it names a run. Raises `Usage` if the period is not a day or month.
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
        raise Usage(f"{what}: {period} is not a {day_or_month}, or leave it out for the current one") from None


def check_allowed(policy: "Policy", said: Said, owner: str, *, run: bool) -> None:
    """Check that policy lets this person set a ceiling, for a run also this high. Raises `Refused`."""
    rule = policy.gate("ceiling")
    refused = policy.refuses(rule, "raise_ceiling", said.by, owner)
    if refused is None and run and rule.most_usd is not None and said.to is not None and said.to > rule.most_usd:
        refused = f"policy allows at most ${rule.most_usd} for a run, not ${said.to}"
    if refused is not None:
        raise Refused(f"{refused}. [gates.ceiling] in policy.toml says who may, and how much")


def set_shared(connection: Connection, settings: "Settings", scope: str, said: Said, *, lower: bool) -> int:
    """Set a shared ceiling and write a feed line. Returns the old ceiling in micro-dollars."""
    assert said.to is not None
    now = datetime.now(UTC)
    change = Change(digest_of("cli-ceiling", scope, str(now)), scope, micros(said.to), said.by, said.why, said.channel)
    configured = _configured(settings, scope)
    if configured is None:
        name = {"agent": "agent_day_usd", "month": "month_usd"}[level_of(scope)]
        raise NotFound(f"{scope} has no ceiling: set {name} in [ceilings] of baton.toml (a project's own goes there as well)")
    # A misspelt name would set a ceiling that no call is ever counted against.
    if level_of(scope) == "agent":
        _check_agent(connection, settings, scope.split(":")[-2])
    before = kept.ensure(connection, scope, configured)
    _check_seen(connection, scope, said, before)
    if micros(said.to) < before and not lower:
        raise Refused(
            f"{scope}: {usd(micros(said.to))} is lower than the ceiling of {usd(before)}; add --lower if you mean that"
        )
    kept.change(connection, change)
    _note(connection, RunRef(trace="budget", workflow_id="budget"), change, before)
    return before


def _check_agent(connection: Connection, settings: "Settings", name: str) -> None:
    """Check that the agent exists, in a file or in an earlier run. Raises `NotFound`, naming those that do."""
    if not was_there(connection, name):
        from activities.agents.catalogue import load_catalogue
        from activities.tools.registry import TOOLS

        load_catalogue(settings.agents, TOOLS).newest(name)


def set_run(connection: Connection, run: RunView, said: Said) -> int:
    """Raise a run's own ceiling, whether or not it waits. Returns the old ceiling in micro-dollars."""
    assert said.to is not None
    # With the time: setting the same ceiling again later is another change.
    name = digest_of("cli-ceiling", run.trace, str(datetime.now(UTC)))
    change = Change(name, f"run:{run.trace}", micros(said.to), said.by, said.why, said.channel)
    _check_seen(connection, change.scope, said, kept.ceiling_of(connection, change.scope))
    before = kept.raise_to(connection, change)
    _note(connection, RunRef(trace=run.trace, workflow_id=run.workflow_id, project=run.project), change, before)
    return before


def _check_seen(connection: Connection, scope: str, said: Said, now: int | None) -> None:
    """Raise `Refused` if the ceiling is another one than the person was shown, with who set it."""
    if said.seen is None or said.seen == now:
        return
    last = next(reversed(kept.changes(connection, scope)), None)
    who = f"; {last.by} has set it: {last.why}" if last is not None else ""
    is_now = "not set" if now is None else usd(now)
    shown = f"and not {usd(said.seen)} as was shown{who}"
    raise Refused(f"{scope}: the ceiling is {is_now} now, {shown}. Look again; nothing was done")


def _note(connection: Connection, ref: RunRef, change: Change, before: int) -> None:
    line = Note(
        key=f"budget/{change.id}",
        at=WHEN_WRITTEN,
        stage="money",
        actor=change.by,
        channel=change.channel,
        did=f"set the ceiling of {change.scope} from {usd(before)} to {usd(change.to)}",
        why=change.why,
        next="runs that wait at it resume",
    )
    feed.append(connection, ref, [line])


def _configured(settings: "Settings", scope: str) -> int | None:
    """The configured value of a shared ceiling."""
    own = settings.ceilings
    level = own.projects.get(scope.split(":")[1]) if scope.startswith("project:") else own
    if level is None:
        return None
    amount = level.month_usd if level_of(scope) == "month" else level.agent_day_usd
    return None if amount is None else micros(amount)


@dataclass(frozen=True)
class Nudged:
    """How many runs were woken, and which are recorded as waiting although they have ended in Temporal."""

    told: int = 0
    over: tuple[str, ...] = ()


async def nudge(client: "Client", runs: Sequence[str]) -> Nudged:
    """Wake runs so that they ask again. Open runs that cannot be reached retry by themselves within an hour."""
    from temporalio.service import RPCError

    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: str) -> str:
        async with room:
            try:
                # A signal and not an update: it is kept for a run whose worker is away, and nobody waits for an answer.
                await client.get_workflow_handle(run).signal("nudge", {})
            except RPCError:
                return "over" if await _is_over(client, run) else "away"
            return "told"

    # Every run is tried: one that cannot be reached must not keep the others from being woken.
    outcomes = await asyncio.gather(*(one(run) for run in runs))
    over = tuple(run for run, outcome in zip(runs, outcomes, strict=True) if outcome == "over")
    return Nudged(outcomes.count("told"), over)


async def _is_over(client: "Client", run: str) -> bool:
    """True only if Temporal knows the run and has closed it: an unknown run may wait in another namespace."""
    from commands.look.watch import closed_as

    return bool(await closed_as(client.get_workflow_handle(run)))


async def stop_all(client: "Client", views: Sequence[GateView], said: Said, limit: float) -> dict[str, str]:
    """Send `stop` to these gates. Returns per run "confirmed", "unconfirmed", "over" (ended in Temporal), or the refusal."""
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
                # Also refused if the run is in another namespace; only a run that Temporal has closed may be cleared.
                over = isinstance(refused, decision.RunEnded) and await _is_over(client, view.workflow_id)
                return "over" if over else first_line(refused)
            return "confirmed"

    return dict(zip([view.workflow_id for view in views], await asyncio.gather(*map(one, views)), strict=True))


def sent_as(view: GateView, verb: Verb, said: Said) -> tuple[str, dict[str, Any]]:
    """The update's id and JSON object. The id is derived from the decision, so sending it again counts once."""
    name = digest_of("cli", view.trace, view.gate, verb, said.by, view.subject, said.why, str(said.to))
    values = {"gate": view.gate, "by": said.by, "note": said.why, "subject": view.subject, "channel": "cli", "nonce": name}
    # The amount as text: a JSON number may be read as a float and lose digits.
    values |= {} if said.to is None else {"to_usd": str(said.to)}
    # No action rides on a gate at which a run waits for money.
    return f"cli-{name[:40]}", values if said.key is None else said.key.signed(view, (), verb, values)


def amount(text: str, name: str = "--to") -> Decimal:
    """Parse US dollars: 40, 40.5, $40. Raises `Usage`, which says what is not an amount."""
    # A strict pattern: Decimal would accept "1e9", "NaN" and "Infinity".
    plain = text.strip().removeprefix("$").replace("_", "")
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", plain) or Decimal(plain) <= 0:
        raise Usage(f"{name} {text[:40]!r} is not an amount in US dollars; write a number above 0, such as 40 or 2.50")
    return Decimal(plain)


def find_run(connection: Connection, what: str) -> RunView:
    """Find the run. Raises `NotFound`, which lists the names a ceiling can have."""
    try:
        return runs.find_run(connection, what, whole=True)
    except NotFound as error:
        raise NotFound(f"{error}. A ceiling is named by a run id, month, agent:NAME, or project:NAME:month") from None
