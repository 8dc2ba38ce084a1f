"""`baton models`: which models answer, how they are, and closing a breaker by hand."""

from datetime import UTC, timedelta

from sqlalchemy import Connection

from commands.look import models
from ledger import breakers, feed
from ledger.breakers import Failure, Thresholds
from ledger.db import Ledger, now_us, to_us
from ledger.money import rates
from ledger.money.rates import Rate
from ledger.tables import turn
from tests.activities import agentfiles
from tests.commands.conftest import Baton
from tests.dates import on_the_fifth

LIMITS = Thresholds(5, timedelta(minutes=15), timedelta(minutes=5), timedelta(minutes=15))
SONNET = "model:anthropic:claude-sonnet-5-5"


def opened(ledger: Ledger, name: str = SONNET) -> None:
    """Something failed for good."""
    ledger.tx_now(breakers.failed, name, Failure("not_found: no such model", at_once=True), LIMITS, now_us())


def test_every_route_is_shown(baton: Baton, ledger: Ledger) -> None:
    """Each choice with its class, key and price; nothing is open, so the exit code is 0."""
    baton.set(ANTHROPIC_API_KEY="sk-test")
    ran = baton("models")
    assert ran.code == 0
    line = next(one for one in ran.out.splitlines() if "thinker" in one and "claude-sonnet-5-5" in one)
    assert line.split()[-5:] == ["yes", "2", "10", "ok", "-"]
    assert any("gpt-6.1-sol" in one and " no " in one for one in ran.out.splitlines())


def test_an_open_breaker_is_shown_with_what_failed_last(baton: Baton, ledger: Ledger) -> None:
    """State, until and reason; the exit code says that something is open."""
    opened(ledger)
    ran = baton("models", "--json")
    assert ran.code == 1
    route = next(one for one in ran.json["routes"] if one["class"] == "thinker" and one["model"].endswith("sonnet-5-5"))
    assert (route["state"], route["why"]) == ("unavailable", "not_found: no such model")
    assert [one["breaker"] for one in ran.json["breakers"]] == [SONNET]
    assert "is unavailable until" in baton("models").out


def test_a_provider_stops_all_its_models(baton: Baton, ledger: Ledger) -> None:
    """A refused key shows at every model of that provider."""
    opened(ledger, "provider:openai")
    states = {one["model"]: one["state"] for one in baton("models", "--json").json["routes"]}
    assert {state for model, state in states.items() if model.startswith("openai:")} == {"unavailable"}
    assert {state for model, state in states.items() if model.startswith("anthropic:")} == {"ok"}


def test_a_breaker_is_closed_by_hand(baton: Baton, ledger: Ledger) -> None:
    """It is closed at once, who and why are in the feed; closing it again, or one that never was, says so."""
    opened(ledger)
    assert baton("models", "close", SONNET, "-m", "the provider says it is back", "--by", "maria").code == 0
    assert baton("models").code == 0
    line = ledger.read_now(feed.after, 0)[-1]
    assert (line.actor, line.did, line.why) == (
        "maria",
        f"closed the circuit breaker of {SONNET}",
        "the provider says it is back",
    )
    assert baton("models", "close", SONNET, "-m", "again").code == 5
    opened(ledger)
    ran = baton("models", "close", SONNET, "model:a:b", "-m", "why")
    assert "unavailable" in baton("models").out, "of several names all are closed, or none"
    assert (ran.code, "nothing of that name has failed" in ran.err) == (3, True)


def test_rates_and_step_ups_are_counted(baton: Baton, ledger: Ledger) -> None:
    """What of a limit is used this minute, and how often each agent's answer came from a choice that was stepped up to."""
    folder = baton.folder / "agents"
    agentfiles.write(folder, tools=[])
    limited = (
        '[classes]\nworker = [{ model = "openai:small", free = true, requests_per_minute = 3, tokens_per_minute = 900 }]\n'
    )
    (folder / "routes.toml").write_text(limited)
    baton.set(BATON_AGENTS=folder)
    with on_the_fifth(models) as clock:  # so that one minute has all of it
        at = to_us(clock.now(UTC))
        ledger.tx_now(rates.take, "model:openai:small", Rate(3, 900), 120, at)
        for number, chosen in enumerate(("first", "first", "invalid", "outage", "outage")):
            ledger.tx_now(_answered, f"{number}", chosen, at)
        ran, shown = baton("models", "--json"), baton("models").out
    assert (ran.json["routes"][0]["requests"], ran.json["routes"][0]["tokens"]) == (1, 120)
    assert ran.json["answers"] == [{"agent": "helper@v1", "answers": 5, "stepped_up": {"invalid": 1}, "outage": 2}]
    said = "helper@v1: 5 replies in 7 days, 1 stepped up for invalid, 2 as fallback while another model was unavailable"
    assert said in shown


def _answered(connection: Connection, identity: str, chosen: str, at: int) -> None:
    texts = ("parent", "trace", "path", "agent_digest", "task", "provider", "model_asked", "model_answered", "reply", "problem")
    more = ("handoff", "price_version", "trace_id", "span_id")
    numbers = (
        "tokens_in",
        "tokens_out",
        "tokens_cache_read",
        "tokens_cache_write",
        "tokens_reasoning",
        "usd_micros",
        "latency_ms",
    )
    row = dict.fromkeys((*texts, *more), "") | dict.fromkeys(numbers, 0)
    values = {"id": identity, "agent": "helper@v1", "flagged": False, "attempt": 1, "at": at, "chosen": chosen}
    connection.execute(turn.insert().values(**(row | values)))
