"""What calls find out about models and agents, on a real ledger: who is told, and what closes a breaker."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from activities.providers.base import ErrorKind, ProviderError
from activities.turns.choices import Candidate
from activities.turns.health import Health, agent_breaker, caller
from contracts.agents import AgentRef, Choice
from contracts.breakers import Breakers
from contracts.runs import RunRef
from contracts.turns import CallModel
from ledger import breakers, feed
from ledger.db import Ledger, now_us
from ledger.tables import feed as lines

MODEL, PROVIDER = "model:openai:one", "provider:openai"
CANDIDATE = Candidate(Choice(model="openai:one"), "first")
HELPER = AgentRef(name="helper", version="v1", digest="0" * 64)
MINUTE = timedelta(minutes=1)
AN_HOUR = 3_600_000_000


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


@pytest.fixture
def health(ledger: Ledger) -> Health:
    return Health(ledger, Breakers(agent_failures=1))


def step(number: int) -> CallModel:
    """The call of one step, each with a run of its own."""
    return CallModel(run=RunRef(trace=f"trace-{number}", workflow_id=f"ask-{number}", path="ask"), agent=HELPER)


def fail(ledger: Ledger, health: Health, number: int, error: ProviderError, *probes: str) -> None:
    """A call of this step fails, and what it is worth is in the feed."""

    def failed(connection: Any) -> None:
        candidate = CANDIDATE.after((), probes)
        feed.append(connection, step(number).run, health.failed(connection, step(number), candidate, error))

    ledger.tx_now(failed)


def probe(ledger: Ledger, name: str, number: int, hours: int = 1) -> bool:
    """This step takes the probe, so many hours from now, for a minute."""
    now = now_us() + hours * AN_HOUR
    return ledger.tx_now(breakers.take_probe, name, caller(step(number)), now, now + 60_000_000)


def told(ledger: Ledger) -> list[tuple[str, str]]:
    """What the feed says, and how loud."""
    query = select(lines.c.did, lines.c.importance).order_by(lines.c.seq)
    return [(row.did, row.importance) for row in ledger.read_now(lambda connection: connection.execute(query).all())]


def test_a_call_that_was_not_asked_says_nothing_about_its_model(ledger: Ledger, health: Health) -> None:
    """It waited for its turn in vain, however often: the model's breaker counts none of it."""
    for number in range(20):
        waited = ProviderError("rate_limited", "none of them ended in time")
        waited.asked = False
        fail(ledger, health, number, waited)
    assert ledger.read_now(breakers.get, MODEL) is None
    assert told(ledger) == []
    fail(ledger, health, 21, ProviderError("rate_limited", "slow down"))
    assert ledger.read_now(breakers.get, MODEL) is not None


LOUD: list[tuple[ErrorKind, str, str]] = [
    ("rate_limited", MODEL, "detail"),
    ("overloaded", MODEL, "detail"),
    ("server", MODEL, "alert"),
    ("authentication", PROVIDER, "alert"),
    ("credit", PROVIDER, "alert"),
    ("permission", MODEL, "alert"),
]


@pytest.mark.parametrize(("kind", "name", "importance"), LOUD)
def test_a_named_time_is_quiet_only_where_it_keeps_order(
    ledger: Ledger, health: Health, kind: ErrorKind, name: str, importance: str
) -> None:
    """With `retry-after` a busy provider is a detail; a refused key and an empty account need a person all the same."""
    fail(ledger, health, 1, ProviderError(kind, "no", retry_after=MINUTE))
    assert told(ledger) == [(f"circuit breaker open for {name}", importance)]


@pytest.mark.parametrize(("named", "first"), [(MINUTE, "detail"), (None, "alert")])
def test_an_outage_that_lasts_is_one_alert(ledger: Ledger, named: timedelta | None, first: str) -> None:
    """However it began, and however many probes fail: by the third opening in a row there is one alert, and no second."""
    health = Health(ledger, Breakers(failures=1))
    fail(ledger, health, 1, ProviderError("overloaded", "busy", retry_after=named))
    for number in range(2, 7):
        assert probe(ledger, MODEL, number, hours=number)
        fail(ledger, health, number, ProviderError("overloaded", "busy", retry_after=named), MODEL)
    later = [(f"circuit breaker still open for {MODEL}", "alert")] if named else []
    assert told(ledger) == [(f"circuit breaker open for {MODEL}", first), *later]


def test_an_outage_after_a_recovery_is_told_anew(ledger: Ledger, health: Health) -> None:
    """Openings are counted since the model last worked: two short ones are two details and nobody is called."""
    for number in (1, 2):
        fail(ledger, health, number, ProviderError("rate_limited", "busy", retry_after=MINUTE))
        assert probe(ledger, MODEL, number)
        assert ledger.tx_now(breakers.succeeded, MODEL, caller(step(number)), now_us())
    assert [importance for _, importance in told(ledger)] == ["detail"] * 2


async def answered(ledger: Ledger, health: Health, number: int, problem: str | None) -> list[str]:
    """A step's reply has come. What is said about it."""
    health.outdated()
    await health.known()
    return [note.did for note in ledger.tx_now(health.answered, step(number), CANDIDATE, problem)]


@pytest.mark.parametrize("taken_over", [False, True])
async def test_a_step_that_succeeds_closes_its_agents_breaker(ledger: Ledger, health: Health, taken_over: bool) -> None:
    """The verdict comes with the step's last reply: long after its probe has run out, or went to another step."""
    name = agent_breaker(HELPER)
    assert await answered(ledger, health, 1, "it gave up") == [f"circuit breaker open for {name}"]
    assert probe(ledger, name, 2)
    assert await answered(ledger, health, 2, None) == []
    assert not taken_over or probe(ledger, name, 3, hours=2)
    assert await answered(ledger, health, 2, "") == [f"circuit breaker closed for {name}"]
    assert ledger.read_now(breakers.noteworthy) == []


async def test_a_success_from_before_closes_no_models_breaker(ledger: Ledger, health: Health) -> None:
    """A model answers in one call: only the one that tries it says that it is back."""
    fail(ledger, health, 1, ProviderError("not_found", "no"))
    assert probe(ledger, MODEL, 2)
    assert await answered(ledger, health, 3, "") == []
    assert await answered(ledger, health, 2, "") == [f"circuit breaker closed for {MODEL}"]


class Replaced(dict[str, Any]):
    """Rows that are replaced by none as soon as they are looked into, as the event loop may do to the writer's thread."""

    def __init__(self, health: Health, rows: dict[str, Any]) -> None:
        super().__init__(rows)
        self._health = health

    def __contains__(self, name: object) -> bool:
        self._health._rows = {}
        return super().__contains__(name)


async def test_a_paid_reply_outlives_that_breakers_are_read_anew(ledger: Ledger, health: Health) -> None:
    """The worker reads the breakers again while a reply is settled: the reply stays, and what it proves is written."""
    fail(ledger, health, 1, ProviderError("not_found", "no"))
    assert probe(ledger, MODEL, 2)
    health.outdated()
    health._rows = Replaced(health, dict(await health.known()))
    notes = ledger.tx_now(health.answered, step(2), CANDIDATE, "")
    assert [note.did for note in notes] == [f"circuit breaker closed for {MODEL}"]
