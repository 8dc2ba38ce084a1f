"""A provider fails, through the real clients: work goes on by the next choice, and by the first one when it is back."""

import asyncio
import time
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from contracts.errors import NotFound
from ledger import breakers, handoffs, runs
from tests.depth import of_each_kind
from tests.outage.conftest import ALONE, DONE, ONE, SLOW, TWO, Drill, Drilled
from tests.scripts import answer, says, summary, unsure
from tests.stack import until
from tests.wire.faults import Kind
from tests.wire.server import Play
from tests.workflows.asked import Ended
from tests.workflows.test_gates import environment

__all__ = ["environment"]

OPENS = "circuit breaker open for model:openai:one"


async def once(drill: Drill) -> Ended:
    """One step, to its end."""
    return await drill.asking.ended(await drill.asking.start())


async def back_to_the_first(drill: Drill) -> None:
    """Ask until the first choice answers again."""

    async def look() -> bool | None:
        return True if (await once(drill)).turns[0].model_asked == ONE else None

    await until(look, "the first choice answered again")


KINDS: list[tuple[Kind, str, int, str]] = [
    ("server", "server", 2, OPENS),
    ("overloaded", "overloaded", 2, OPENS),
    ("closed", "cut", 2, OPENS),
    ("half", "cut", 2, OPENS),
    ("not_json", "not_json", 2, OPENS),
    ("authentication", "authentication", 1, "circuit breaker open for provider:openai"),
    ("credit", "credit", 1, "circuit breaker open for provider:openai"),
    ("not_found", "not_found", 1, OPENS),
]


EACH = of_each_kind(KINDS, lambda row: row[2:])


@pytest.mark.parametrize(("fault", "kind", "attempts", "alert"), EACH, ids=[row[0] for row in EACH])
async def test_work_goes_on_by_the_next_choice(drill: Drilled, fault: Kind, kind: str, attempts: int, alert: str) -> None:
    """The run is done by route 2; the wire saw one request for each attempt; one alarm; and route 1 is used again after."""
    async with drill(breakers=SLOW) as made:
        made.one.faults.set("one", fault)
        ended = await once(made)
        assert (ended.handoff.outcome, ended.turns[0].model_asked, ended.turns[0].chosen) == ("done", TWO, "outage")
        assert await made.attempts() == [kind] * attempts
        assert len(made.one.requests) == attempts
        assert len(made.two.requests) == 1
        again = await once(made)
        assert again.turns[0].model_asked == TWO
        assert await made.alerts() == [alert]
        made.one.faults.clear()
        made.later(timedelta(minutes=31))
        await back_to_the_first(made)
        assert await made.asking.stack.ledger.read(breakers.noteworthy) == []
        assert len(made.one.requests) == len(await made.attempts())
        assert await made.said("circuit breaker closed%") == [alert.replace("open", "closed", 1)]


EMPTY = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
)
TWO_FIRST = f'[classes]\nworker = [{{ model = "{TWO}", free = true }}, {{ model = "{ONE}", free = true }}]\n'


async def test_an_empty_account_that_looks_like_a_wrong_request(drill: Drilled) -> None:
    """Anthropic's 400 for an exhausted account: the next choice answers, its provider's breaker opens, with one alert."""
    async with drill(routes=TWO_FIRST, breakers=SLOW) as made:
        made.two.play(Play(status=400, error=EMPTY))
        ended = [await once(made) for _ in range(2)]
        assert [(one.handoff.outcome, one.turns[0].model_asked) for one in ended] == [("done", ONE)] * 2
        assert (await made.attempts(TWO), len(made.two.requests)) == (["credit"], 1)
        assert await made.alerts() == ["circuit breaker open for provider:anthropic"]


async def test_without_a_breaker_the_same_call_would_spin(drill: Drilled) -> None:
    """The drills above can fail: where no number of failures opens a breaker, route 1 is asked on and on, and nobody else."""
    async with drill(breakers={"failures": 1000}) as made:
        made.one.faults.set("one", "server")
        run = await made.asking.start()
        await made.one.request(2)
        assert (made.two.requests, await made.alerts()) == ([], [])
        await run.terminate("seen enough")


async def test_a_refused_connection(drill: Drilled) -> None:
    """Nobody listens: route 2 answers, and route 1 again when somebody does."""
    async with drill() as made:
        await made.one.refuse()
        ended = await once(made)
        assert (ended.turns[0].model_asked, await made.attempts()) == (TWO, ["connection"] * 2)
        await made.one.accept()
        await back_to_the_first(made)


async def test_an_answer_slower_than_its_time_out(drill: Drilled) -> None:
    """A choice may be given less time than the agent allows; one that takes longer is passed over at once."""
    routes = f'[classes]\nworker = [{{ model = "{ONE}", free = true, latency = "PT3S" }}, {{ model = "{TWO}", free = true }}]\n'
    async with drill(routes=routes) as made:
        made.one.faults.set("one", "silent")
        ended = await once(made)
        assert (ended.turns[0].model_asked, await made.attempts()) == (TWO, ["timeout"])
        assert len(made.one.requests) == 1


async def test_a_named_time_is_kept_by_everybody(drill: Drilled) -> None:
    """429 with retry-after 10 min: this call and the next ones go by route 2 at once, and nobody asks route 1 before."""
    async with drill() as made:
        made.one.faults.set("one", "rate_limited", retry_after_s=600)
        models = [(await once(made)).turns[0].model_asked for _ in range(3)]
        assert (models, await made.attempts(), len(made.one.requests)) == ([TWO] * 3, ["rate_limited"], 1)
        assert await made.alerts() == []


async def test_without_another_choice_the_run_waits_on_a_timer(drill: Drilled, environment: WorkflowEnvironment) -> None:
    """429 with retry-after 10 min and no other route: no activity runs meanwhile, Next says so, and one call is made after."""
    async with drill(routes=ALONE, at=environment.client) as made:
        made.one.faults.set("one", "rate_limited", times=1, retry_after_s=600)
        ledger = made.asking.stack.ledger
        with environment.with_time_skipping_disabled():
            run = await made.asking.start()

            async def waits() -> str | None:
                try:
                    row = await ledger.read(runs.find, run.id)
                except NotFound:
                    return None
                return str(row.next) if row.waiting_for == "a model" else None

            assert "retries at" in await until(waits, "the row said what it waits for")

            async def nothing_runs() -> bool | None:
                return None if (await run.describe()).raw_description.pending_activities else True

            await until(nothing_runs, "no activity runs while the run waits")
            assert len(made.one.requests) == 1
        made.later(timedelta(minutes=11))
        await environment.fast_forward(run, timedelta(minutes=11))
        ended = await made.asking.ended(run)
        assert (ended.handoff.outcome, await made.attempts()) == ("done", ["rate_limited", ""])
        assert len(made.one.requests) == 2
        assert any(event.HasField("timer_fired_event_attributes") for event in ended.history.events)


async def test_all_away_and_back_again(drill: Drilled) -> None:
    """Both providers fail: the run waits, spins on neither, and is done when one of them is back."""
    started = time.monotonic()
    async with drill() as made:
        made.one.faults.set("one", "server")
        made.two.faults.set("two", "overloaded")
        run = await made.asking.start()
        for asked in (made.one, made.two):
            await asked.request(2)
        made.one.faults.clear()
        ended = await made.asking.ended(run)
        assert (ended.handoff.outcome, ended.turns[0].model_asked) == ("done", ONE)
        in_turn = 6 + (time.monotonic() - started)  # some to open the breakers, then one each second
        assert len(made.one.requests) == len(await made.attempts(ONE)) < in_turn
        assert len(made.two.requests) == len(await made.attempts(TWO)) < in_turn


async def test_patience_ends_with_a_person(drill: Drilled) -> None:
    """When patience is over a gate asks whether to try again; approve does, and the step is done by the same call."""
    async with drill(routes=ALONE, breakers={"patience": timedelta(seconds=2)}) as made:
        made.one.faults.set("one", "server")
        run = await made.asking.start()
        view = await made.asking.stack.gate(run, "stuck-1")
        assert "no model is available" in view.title
        assert "Internal server error" in " ".join(view.facts)
        made.one.faults.clear()
        await made.asking.stack.decide(view)
        ended = await made.asking.ended(run)
        assert (ended.handoff.outcome, len(ended.turns)) == ("done", 1)


SPARE = {"tools": ["run_state"], "fallback": "agent:spare"}
TWO_CLASSES = f'{ALONE}other = [{{ model = "{TWO}", free = true }}]\n'


async def test_another_agent_stands_in_and_is_stamped(drill: Drilled) -> None:
    """With a declared fallback the step is done by the other agent: handoff, ledger and feed say that it is degraded."""
    spare = says("spare", answer(summary("did it as the spare")))
    async with drill(routes=TWO_CLASSES, agent=SPARE, conversations=(spare,), also={"name": "spare", "class": "other"}) as made:
        made.one.faults.set("one", "authentication")
        ended = await once(made)
        assert await made.alerts() == ["circuit breaker open for provider:openai", "spare stood in for helper@v1"]
        stored = await made.asking.stack.ledger.read(handoffs.get, ended.handoff.id)
    assert stored.degraded == ended.handoff.degraded
    assert (ended.handoff.outcome, ended.summary) == ("done", "did it as the spare")
    assert ended.handoff.producer.agent == "spare"
    assert "spare@v1 stands in for helper@v1" in ended.handoff.degraded


STRONG = '{ model = "openai:strong", free = true, when = ["invalid", "unsure"] }'
STEPS = f'[classes]\nworker = [{{ model = "{ONE}", free = true }}, {STRONG}]\n'


async def test_an_unusable_reply_is_repaired_by_the_choice_for_it(drill: Drilled) -> None:
    """The repair turn asks the stronger model, the next ordinary one would not; the ledger counts the step up."""
    async with drill({"raw": "not JSON"}, DONE, routes=STEPS) as made:
        ended = await once(made)
    assert [(row.model_asked, row.chosen) for row in ended.turns] == [(ONE, "first"), ("openai:strong", "invalid")]


async def test_an_unsure_step_is_asked_once_more(drill: Drilled) -> None:
    """Unsure without a question: the whole step is done once more by the stronger model, whose answer counts."""
    async with drill(unsure("it could be both", body=summary("perhaps")), routes=STEPS) as made:
        ended = await once(made)
    assert [(row.model_asked, row.chosen, row.path) for row in ended.turns] == [
        (ONE, "first", "ask"),
        ("openai:strong", "unsure", "ask/again"),
    ]


async def test_many_runs_meet_one_outage(drill: Drilled) -> None:
    """Ten runs at once while route 1 fails: all done by route 2, one alarm, and no more requests than attempts."""
    async with drill(breakers=SLOW) as made:
        made.one.faults.set("one", "server")
        ended = await asyncio.gather(*(once(made) for _ in range(10)))
        assert {one.turns[0].model_asked for one in ended} == {TWO}
        assert await made.alerts() == [OPENS]
        assert len(made.one.requests) == len(await made.attempts())
