"""What calls find out about models, providers and agents, kept in the ledger's breakers for all workers.

An ordinary call that succeeds costs the ledger nothing: breakers are read at most once a second by a worker, and written on
failures and recoveries only.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from activities.providers.base import ErrorKind, ProviderError
from activities.turns import lines
from activities.turns.choices import PERSON_NEEDED, Candidate, ProbeTaken, breakers_of
from contracts.agents import AgentRef
from contracts.breakers import Breakers
from contracts.runs import Importance, Note
from contracts.turns import CallModel
from ledger import breakers
from ledger.breakers import Failure, Opening, Thresholds
from ledger.db import Ledger, now_us

FRESH = 1.0
"""Seconds that what was read of the breakers is believed."""

SHORT = timedelta(seconds=5)
"""A provider that asks for no more than this is asked again by the activity's own retry."""

OVER_CALL = timedelta(seconds=30)
"""What a probe has beyond its call's own time before another caller may try."""

_PROVIDER_WIDE: frozenset[ErrorKind] = frozenset({"authentication", "credit"})
_AT_ONCE: frozenset[ErrorKind] = frozenset({"authentication", "credit", "permission", "not_found"})
_OF_THE_CALL: frozenset[ErrorKind] = frozenset({"bad_request", "too_large", "no_script"})
_IN_ORDER: frozenset[ErrorKind] = frozenset({"rate_limited", "overloaded"})
_LONG = 3
"""How often it must have been opened in a row until somebody has to look at what began as a provider's named time."""

_WEIGHTS: Mapping[ErrorKind, int] = {"timeout": 3}
"""A time-out costs its caller minutes and perhaps money: two in a row are enough with the usual threshold."""


def caller(request: CallModel) -> str:
    """Who holds a probe: the step, so that its next attempt finds it again."""
    return f"{request.run.trace}/{request.run.path}"


def agent_breaker(ref: AgentRef) -> str:
    """The name of an agent version's breaker."""
    return f"agent:{ref.name}@{ref.version}"


def waits_for(error: ProviderError) -> timedelta:
    """How long everybody leaves the model alone because its provider asked for it."""
    return error.retry_after if error.retry_after is not None and error.retry_after > SHORT else timedelta()


class Health:
    """The breakers as one worker knows them. The functions that take a connection belong into their caller's transaction."""

    def __init__(self, ledger: Ledger, settings: Breakers) -> None:
        self._ledger = ledger
        self.settings = settings
        self._rows: Mapping[str, Any] = {}
        self._read_at = -FRESH
        self._reading = asyncio.Lock()
        self._wrote = False

    async def known(self) -> Mapping[str, Any]:
        """Every breaker that is not simply closed, by name; at most a second old."""
        if time.monotonic() - self._read_at >= FRESH:
            # One read for all who find it old at the same moment: whoever waited for the lock looks again.
            async with self._reading:
                if time.monotonic() - self._read_at >= FRESH:
                    began = time.monotonic()
                    self._rows = {row.name: row for row in await self._ledger.read(breakers.noteworthy)}
                    self._read_at = began
        return self._rows

    def outdated(self) -> None:
        """This worker has just written a breaker: what it knows is not what is so."""
        self._read_at = -FRESH

    def answered_by(self, candidate: Candidate) -> None:
        """A call has answered and said so to the ledger: what was noted against its model may be gone."""
        if self._wrote or any(name in self._rows for name in breakers_of(candidate.choice)):
            self._wrote = False
            self.outdated()

    def take_probes(self, connection: Connection, request: CallModel, names: Iterable[str], takes: timedelta) -> None:
        """Become the one that tries these breakers. Raises `ProbeTaken` where somebody else is; the transaction must end."""
        now = now_us()
        for name in names:
            until = now + (takes + OVER_CALL) // timedelta(microseconds=1)
            if not breakers.take_probe(connection, name, caller(request), now, until):
                raise ProbeTaken(f"{name} is tried by another call just now")

    def give_back(self, connection: Connection, request: CallModel, candidate: Candidate) -> None:
        """The call told nothing about its model: somebody else may try."""
        for name in candidate.probes:
            breakers.give_back(connection, name, caller(request), now_us())

    def failed(self, connection: Connection, request: CallModel, candidate: Candidate, error: ProviderError) -> list[Note]:
        """Count a call's failure against its model or its whole provider. The lines that it is worth."""
        names = breakers_of(candidate.choice)
        # The call's own fault says nothing about its model, so it neither counts nor keeps the probe from others.
        if error.kind in _OF_THE_CALL or not names:
            self.give_back(connection, request, candidate)
            return []
        provider, model = names
        name = provider if error.kind in _PROVIDER_WIDE else model
        wait = waits_for(error)
        failure = Failure(
            reason=f"{error.kind}: {error}",
            weight=_WEIGHTS.get(error.kind, 1),
            at_once=error.kind in _AT_ONCE or bool(wait),
            wait=wait,
            probe=caller(request) if name in candidate.probes else "",
        )
        # Only the one that is to blame. Where the call was to try both breakers, the other goes back untried.
        opening = breakers.failed(connection, name, failure, self._limits(self.settings.failures), now_us())
        self.give_back(connection, request, replace(candidate, probes=tuple(one for one in candidate.probes if one != name)))
        # That a provider names a time is its ordinary way of keeping order; everything else wants somebody to look.
        return _opened(request, opening, failure.reason, "detail" if wait and error.kind in _IN_ORDER else "alert")

    def answered(self, connection: Connection, request: CallModel, candidate: Candidate, problem: str | None) -> list[Note]:
        """The model has answered; `problem` says what is wrong with the agent's part in it.

        "" for nothing, None where the step goes on and nothing can be said yet.

        Writes only where something had failed before, or fails now.
        """
        assert request.agent is not None
        agent = agent_breaker(request.agent)
        if request.agent.scripted:
            return []
        # The agent's own only where its step has ended well: turns in between say nothing about it.
        names = [*breakers_of(candidate.choice), *([agent] if problem == "" else [])]
        rows = self._rows  # once: this is the writer's thread, and the event loop puts others in their place
        told = [line for name in names if name in rows for line in _succeeded(connection, request, name, rows[name])]
        if not problem:
            return told
        # What was read is old from here on, but the transaction has not been committed yet: `answered_by` comes after it.
        self._wrote = True
        failure = Failure(reason=problem, probe=caller(request))
        opening = breakers.failed(connection, agent, failure, self._limits(self.settings.agent_failures), now_us())
        return told + _opened(request, opening, problem, "alert")

    def _limits(self, failures: int) -> Thresholds:
        own = self.settings
        return Thresholds(failures, own.window, own.cooldown, own.longest)


def _succeeded(connection: Connection, request: CallModel, name: str, row: Any) -> list[Note]:
    """The line that a breaker is closed; none where its failures had not opened it, or somebody else tries it."""
    if name.startswith("agent:"):  # its verdict is a step's last reply, which may come long after the probe ran out
        closed = breakers.proven(connection, name, now_us())
    else:
        closed = breakers.succeeded(connection, name, caller(request), now_us())
    if not closed or row.state == "closed":
        return []
    return [lines.breaker_closed(request.run, name, row.opened_at, row.reason)]


def _opened(request: CallModel, opening: Opening | None, reason: str, importance: Importance) -> list[Note]:
    """One alert for an outage, however many calls fail; none where a probe found what was known.

    What began as a detail becomes one when it lasts.
    """
    if opening is None or opening.times not in (1, _LONG):
        return []
    again, person = opening.times == _LONG, reason.partition(":")[0] in PERSON_NEEDED
    importance = "alert" if again else importance
    return [lines.breaker_opened(request.run, opening, reason, importance, again=again, person=person)]
