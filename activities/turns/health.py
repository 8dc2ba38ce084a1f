"""What calls learn about models, providers and agents, kept for all workers in the ledger's circuit breakers.

They go by the database's clock, which is one for all workers: by its own, a worker that is two days ahead would find every
breaker's time over, and what it opened would stay open for the others for two days.

An ordinary successful call costs the ledger nothing: a worker reads breakers at most once a second, and writes them only on
failures and recoveries.
"""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from activities.providers.base import ErrorKind, ProviderError
from activities.providers.error_words import OUTAGE
from activities.turns import lines
from activities.turns.choices import PERSON_NEEDED, REFUSALS, Candidate, ProbeTaken, breakers_of
from contracts.agents import AgentRef
from contracts.breakers import Breakers
from contracts.runs import Importance, Note
from contracts.turns import CallModel
from ledger import breakers
from ledger.breakers import Failure, Opening, Thresholds
from ledger.db import Ledger, now_us, plain, server_us
from ledger.money import spend

FRESH = 1.0
"""Seconds for which a read of the breakers is used."""

SHORT = timedelta(seconds=5)
"""A provider that asks for no longer wait than this is left to the activity's own retry."""

OVER_CALL = timedelta(seconds=30)
"""How long a probe may exceed its call's own timeout before another caller may probe."""

_PROVIDER_WIDE: frozenset[ErrorKind] = frozenset({"authentication", "credit"})
_AT_ONCE: frozenset[ErrorKind] = frozenset({"authentication", "credit", "permission", "not_found"})
_OF_THE_CALL: frozenset[ErrorKind] = frozenset({*REFUSALS, "too_large", "no_script"})
_IN_ORDER: frozenset[ErrorKind] = frozenset({"rate_limited", "overloaded"})
_LONG = 3
"""After so many openings in a row, a wait that the provider asked for becomes an alert."""

LASTING = timedelta(seconds=30)
"""For how long a model has to fail a call with the same words before that counts as a refusal."""

_PASSING = re.compile(r"request \S+|\b[\w-]*\d[\w-]*\b")
"""What differs between two failures that say the same: ids, times and other numbers."""

_WEIGHTS: Mapping[ErrorKind, int] = {"timeout": 3}
"""A timeout costs its caller minutes and perhaps money: with the default threshold two in a row open the breaker."""


def caller(request: CallModel) -> str:
    """The name under which a probe is held: the step's, so that its next attempt gets the probe back."""
    return f"{request.run.trace}/{request.run.path}"


def agent_breaker(ref: AgentRef) -> str:
    """The name of an agent version's breaker."""
    return f"agent:{ref.name}@{ref.version}"


def waits_for(error: ProviderError) -> timedelta:
    """How long the breaker opens because the provider asked for a wait; zero if it did not, or only briefly."""
    return error.retry_after if error.retry_after is not None and error.retry_after > SHORT else timedelta()


class Health:
    """The breakers as one worker knows them. Methods that take a connection run inside their caller's transaction."""

    def __init__(self, ledger: Ledger, settings: Breakers) -> None:
        self._ledger = ledger
        self.settings = settings
        self._rows: Mapping[str, Any] = {}
        self._read_at = -FRESH
        self._ahead = 0
        self._reading = asyncio.Lock()
        self._wrote = False

    async def known(self) -> Mapping[str, Any]:
        """Every breaker that is open, half open or has failures, by name; at most a second old."""
        if time.monotonic() - self._read_at >= FRESH:
            # One read for all that find it stale at the same moment: whoever waited for the lock checks again.
            async with self._reading:
                if time.monotonic() - self._read_at >= FRESH:
                    began = time.monotonic()
                    rows, self._ahead = await self._ledger.read(_noteworthy)
                    self._rows = {row.name: row for row in rows}
                    self._read_at = began
        return self._rows

    def now(self) -> int:
        """This instant by the clock of the breakers, in UTC microseconds, as far as it was heard when they were read last."""
        return now_us() - self._ahead

    def outdated(self) -> None:
        """Forget what was read: this worker has just written a breaker."""
        self._read_at = -FRESH

    def answered_by(self, candidate: Candidate) -> None:
        """Forget what was read if a call that succeeded may have changed its model's breakers."""
        if self._wrote or any(name in self._rows for name in breakers_of(candidate.choice)):
            self._wrote = False
            self.outdated()

    def take_probes(self, connection: Connection, request: CallModel, names: Iterable[str], takes: timedelta) -> None:
        """Take the probes of these breakers. Raises `ProbeTaken` if another call has one; the transaction must then end."""
        now = server_us(connection)
        for name in names:
            until = now + (takes + OVER_CALL) // timedelta(microseconds=1)
            if not breakers.take_probe(connection, name, caller(request), now, until):
                raise ProbeTaken(f"another call is probing {name} now")

    def give_back(self, connection: Connection, request: CallModel, candidate: Candidate) -> None:
        """Give back the probes of a call that showed nothing about its model: the next caller may probe."""
        for name in candidate.probes:
            breakers.give_back(connection, name, caller(request), server_us(connection))

    def failed(self, connection: Connection, request: CallModel, candidate: Candidate, error: ProviderError) -> list[Note]:
        """Count a call's failure against its model or its whole provider. Returns the feed lines about it."""
        names = breakers_of(candidate.choice)
        # A fault of the call says nothing about its model, so it neither counts nor keeps the probe.
        if error.kind in _OF_THE_CALL or not error.asked or not names:
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
        # Only the breaker that is to blame. If the call had both probes, the other one is given back.
        opening = breakers.failed(connection, name, failure, self._limits(self.settings.failures), server_us(connection))
        self.give_back(connection, request, replace(candidate, probes=tuple(one for one in candidate.probes if one != name)))
        # A provider that names a waiting time is working normally; anything else needs attention.
        return _opened(request, opening, failure.reason, "detail" if wait and error.kind in _IN_ORDER else "alert")

    def repeated(self, connection: Connection, request: CallModel, candidate: Candidate, error: ProviderError) -> int:
        """How often the model has failed this call with these words, this time included; 0 while that may be an outage.

        An outage says what outages say, or is over within `LASTING`, or says different things. A server that cannot read the
        call says the same for ever, and keeps every other call from its model by opening the breaker.
        """
        names = breakers_of(candidate.choice)
        if error.kind != "server" or not names or OUTAGE.search(error.words):
            return 0
        before = breakers.get(connection, names[1])
        if before is None or _wording(before.reason) != _wording(f"{error.kind}: {error}"):
            return 0
        times, since = spend.errors_of(connection, request.key, candidate.choice.model, error.kind)
        return times if now_us() - since >= LASTING // timedelta(microseconds=1) else 0

    def answered(self, connection: Connection, request: CallModel, candidate: Candidate, problem: str | None) -> list[Note]:
        """Record that the model answered, and what is wrong with the agent's part (`problem`). Returns feed lines.

        "" means that nothing is wrong, None that the step goes on and nothing can be said yet. Writes only if something had
        failed before, or fails now.
        """
        assert request.agent is not None
        agent = agent_breaker(request.agent)
        if request.agent.scripted:
            return []
        # The agent's own breaker only if its step ended well: turns in between say nothing about it.
        names = [*breakers_of(candidate.choice), *([agent] if problem == "" else [])]
        rows = self._rows  # read once: this runs in the writer thread, while the event loop may replace them
        told = [line for name in names if name in rows for line in _succeeded(connection, request, name, rows[name])]
        if not problem:
            return told
        # What was read is stale from here on, but nothing is committed yet: `answered_by` acts on this after the commit.
        self._wrote = True
        failure = Failure(reason=problem, probe=caller(request))
        opening = breakers.failed(connection, agent, failure, self._limits(self.settings.agent_failures), server_us(connection))
        return told + _opened(request, opening, problem, "alert")

    def _limits(self, failures: int) -> Thresholds:
        own = self.settings
        return Thresholds(failures, own.window, own.cooldown, own.longest)


def _noteworthy(connection: Connection) -> tuple[list[Any], int]:
    """The breakers, and by how many microseconds this machine's clock is ahead of theirs."""
    return list(breakers.noteworthy(connection)), now_us() - server_us(connection)


def _wording(reason: str) -> str:
    return _PASSING.sub("#", plain(reason)[: breakers.REASON_LIMIT - 100])


def _succeeded(connection: Connection, request: CallModel, name: str, row: Any) -> list[Note]:
    """The feed line that a breaker closed; none if its failures had not opened it, or another call has its probe."""
    if name.startswith("agent:"):  # decided by a step's last reply, which may come long after the probe has timed out
        closed = breakers.proven(connection, name, server_us(connection))
    else:
        closed = breakers.succeeded(connection, name, caller(request), server_us(connection))
    if not closed or row.state == "closed":
        return []
    return [lines.breaker_closed(request.run, name, row.opened_at, row.reason)]


def _opened(request: CallModel, opening: Opening | None, reason: str, importance: Importance) -> list[Note]:
    """One alert per outage, however many calls fail; none for a probe that only confirmed it.

    A detail becomes an alert if the outage lasts.
    """
    if opening is None or opening.times not in (1, _LONG):
        return []
    again, person = opening.times == _LONG, reason.partition(":")[0] in PERSON_NEEDED
    importance = "alert" if again else importance
    return [lines.breaker_opened(request.run, opening, reason, importance, again=again, person=person)]
