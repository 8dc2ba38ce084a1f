"""Unusual steps: medians of an agent's own last calls, an alert once, and a hold where the rule says so."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from activities.turns import growth as growing
from activities.turns.growth import Bounds, StepSize, Watch
from contracts.base import digest_of
from contracts.conversation import Usage
from contracts.growth import Growth
from contracts.runs import RunRef
from ledger import growth, turns
from ledger.db import Ledger
from ledger.growth import CALLS, LAST, STEPS, Usual
from tests.ledger.samples import turn

AGENT = digest_of("agent")
RUN = RunRef(trace="t", path="write")
USUAL = Usual(context=100, tokens=1000)


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Both databases."""
    opened = Ledger(request.getfixturevalue(request.param), tmp_path / "artifacts")
    yield opened
    opened.close()


def did(ledger: Ledger, contexts: list[int], steps: int, agent: str = AGENT) -> None:
    """Calls of an agent with these contexts, in so many steps."""
    for number, context in enumerate(contexts):
        one = turn(number, trace=f"{agent[:4]}-{number % steps}")
        one = replace(one, agent_digest=agent, usage=Usage(input=context, output=1))
        ledger.tx_now(turns.insert, one)


def test_what_is_usual_is_the_median_of_the_agents_own_last_calls(ledger: Ledger) -> None:
    """Only the newest calls of that very version count, and calls that were answered from the cache do not."""
    did(ledger, [9000] * 30, 6, agent=digest_of("another"))
    did(ledger, [5000] * 10 + [0] * 10 + [100] * 20 + [300] * (LAST - 20), 5)
    assert ledger.read_now(growth.usual, AGENT).context == 300
    assert ledger.read_now(growth.usual, digest_of("another")) == Usual(9000, 5 * 9001)


@pytest.mark.parametrize(("calls", "steps"), [(CALLS - 1, STEPS), (CALLS, STEPS - 1), (0, 1)])
def test_before_there_is_enough_nothing_is_usual(ledger: Ledger, calls: int, steps: int) -> None:
    """An agent that has done little has no median to be measured against."""
    did(ledger, [100] * calls, steps)
    found = ledger.read_now(growth.usual, AGENT)
    assert (found.context is None, found.tokens is None) == (calls < CALLS, steps < STEPS or calls < STEPS)


def test_the_call_that_makes_a_step_unusual_is_told_once() -> None:
    """An alert comes with the call that passes the multiple, with both figures, and not again with those after it."""
    bounds = Bounds(Growth(multiple=Decimal(2)), USUAL)
    assert bounds.alerts(RUN, "w@v1", StepSize(200, 1000), Usage(input=200, output=800)) == []
    [line] = bounds.alerts(RUN, "w@v1", StepSize(200, 1000), Usage(input=201, output=1))
    assert (line.importance, line.next) == ("alert", "the step goes on")
    assert line.why == "a call had 201 input tokens: more than 2 times the median 100 of this agent version's last calls"
    [line] = bounds.alerts(RUN, "w@v1", StepSize(201, 1800), Usage(input=150, output=51))
    assert line.why == "the step has used 2001 tokens: more than 2 times the median 1000 of this agent version's last steps"
    assert bounds.alerts(RUN, "w@v1", StepSize(201, 2001), Usage(input=900, output=1)) == []


def test_only_a_rule_that_says_so_holds() -> None:
    """`alert` never holds, `off` says nothing, and `hold` gives the reason."""
    large = StepSize(301, 3001)
    assert Bounds(Growth(), USUAL).held(large) == ""
    assert Bounds(Growth(context="off", tokens="off"), USUAL).over(large) == {}
    assert Bounds(Growth(context="hold"), USUAL).held(large).startswith("a call had 301 input tokens: more than 3 times")
    assert Bounds(Growth(context="hold"), USUAL).held(StepSize(300, 3001)) == ""
    assert Bounds(Growth(context="hold", tokens="hold"), Usual()).held(large) == ""


async def test_medians_are_read_once_a_minute(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary call reads nothing: what is usual stays at hand, and is read anew when it is old; switched off, never."""
    reads: list[str] = []
    real = growth.usual
    monkeypatch.setattr(growing.growth, "usual", lambda connection, agent: reads.append(agent) or real(connection, agent))
    watch = Watch(ledger, Growth())
    for _ in range(3):
        await watch.bounds(AGENT)
    assert reads == [AGENT]
    monkeypatch.setattr(growing, "FRESH", -1.0)
    await watch.bounds("b" * 64)
    await watch.bounds("b" * 64)
    assert reads == [AGENT, "b" * 64, "b" * 64]
    await Watch(ledger, Growth(context="off", tokens="off")).bounds(AGENT)
    assert len(reads) == 3
