"""Figures of agents and pipelines: shares, errors, percentiles and tokens are of what was really there."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from contracts.conversation import Usage
from contracts.gates import GateKind
from contracts.handoff import Outcome
from ledger import turns
from ledger.db import Ledger, to_us
from ledger.figures import quality
from ledger.figures.period import Period
from ledger.figures.quality import Quality
from ledger.figures.samples import Sample
from ledger.tables import reservation, turn
from tests.ledger import samples
from tests.ledger.books import Book, key

THEN = datetime(2026, 2, 1, tzinfo=UTC)
ESCALATING: list[tuple[str, Outcome]] = [("a", "done"), ("b", "could_not"), ("c", "unsure")]
EVER = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def agents(ledger: Ledger, **options: Any) -> dict[str, Quality]:
    """Figures of all agents."""
    return ledger.read_now(quality.agents, EVER, **options)


def pipelines(ledger: Ledger, **options: Any) -> dict[str, Quality]:
    """Figures of all pipelines."""
    return ledger.read_now(quality.pipelines, EVER, **options)


@given(numbers=st.lists(st.integers(0, 9999), min_size=1), percent=st.integers(1, 100))
def test_a_percentile_is_the_smallest_number_that_so_many_do_not_pass(numbers: list[int], percent: int) -> None:
    """By nearest rank, of small numbers exactly: at least so many of a hundred are not above it, and fewer below it."""
    found = Sample(numbers).percentile(percent)
    assert found in numbers
    assert sum(one <= found for one in numbers) * 100 >= percent * len(numbers)
    assert sum(one < found for one in numbers) * 100 < percent * len(numbers)


@given(number=st.integers(0, 2**62))
def test_a_large_number_is_kept_to_one_part_in_two_thousand(number: int) -> None:
    """What memory is saved by is never more than a rounding, up to the largest numbers of the ledger."""
    found = Sample([number]).percentile(50)
    assert found is not None
    assert abs(found - number) * 2000 <= number


def test_no_number_has_no_percentile() -> None:
    """Of nothing there is no median, and it is not zero."""
    assert Sample().percentile(50) is None


def test_memory_does_not_grow_with_the_number_of_turns() -> None:
    """A hundred thousand different latencies take as much memory as some thousand of them."""
    assert len(Sample(range(1_000_000, 1_100_000))._counts) <= 1001


def test_agents_are_counted_by_version_and_step(ledger: Ledger) -> None:
    """Steps count for the version that did them, by how they ended; of an open run's unfinished step nothing is said yet."""
    book = Book(ledger)
    for number, (path, agent) in enumerate((("a", "x@v1"), ("b", "x@v1"), ("c", "x@v1"), ("d", "x@v2 (scripted)"))):
        book.call(key(book.trace, number), 50, 40, path=path, agent=agent)
    book.answer("a")
    book.answer("b", "could_not")
    found = agents(ledger)
    assert {name: dict(one.outcomes) for name, one in found.items()} == {
        "x@v1": {"done": 1, "could_not": 1, "open": 1},
        "x@v2": {"open": 1},
    }
    assert (found["x@v1"].success, found["x@v2"].success) == (500, None)
    book.end()
    assert agents(ledger)["x@v1"].outcomes["nothing"] == 1
    assert agents(ledger)["x@v1"].success == 333


def test_errors_are_counted_by_their_kind(ledger: Ledger) -> None:
    """Unusable replies, failed tools, and what became of attempts: by the provider's error where one was written."""
    book = Book(ledger)
    lost, failed = book.reserve(key("call"), 50), book.reserve(key("call"), 50)
    named = update(reservation).where(reservation.c.id == failed).values(error="rate_limited")
    ledger.tx_now(lambda connection: connection.execute(named))
    book.close(failed, "released")
    assert lost != failed
    new = book.call(key("call"), 50, 40, problem="no JSON")
    wrong = samples.result(new.id, 0)
    ledger.tx_now(turns.insert_result, wrong)
    ledger.tx_now(turns.insert_result, type(wrong)(**vars(wrong) | {"index": 1, "failed": True}))
    found = agents(ledger)["planner@v1"]
    assert found.errors == {"lost": 1, "rate_limited": 1, "unusable reply": 1, "tool read_file": 1}
    assert (found.tools, found.retries, found.turns) == (2, 2, 1)


def test_tokens_that_nobody_counted_are_not_zero(ledger: Ledger) -> None:
    """A turn without usage is counted as unknown beside the sum; cached, written and reasoning tokens are kept apart."""
    book = Book(ledger)
    book.call(key("1"), 50, 40, usage=Usage(input=2**40, output=20, cache_read=60, cache_write=10, reasoning=5))
    book.call(key("2"), 50, 40, usage=Usage(input=1, output=1), after=key("1"))
    book.call(key("3"), 50, None, after=key("2"))
    found = agents(ledger)["planner@v1"]
    assert tuple(found.tokens.values()) == (2**40 + 1, 21, 60, 10, 5)
    assert found.tokens_unknown == 1


def test_latency_is_that_of_calls_that_were_made(ledger: Ledger) -> None:
    """p50, p95 and p99 over 100 turns; a reply out of the cache took no provider's time and is only counted."""
    book = Book(ledger)
    for number in range(1, 101):
        book.call(key(book.trace, number), 50, 40, latency_ms=number * 10)
    cached = update(turn).where(turn.c.latency_ms == 10).values(cached=True, chosen="unsure")
    ledger.tx_now(lambda connection: connection.execute(cached))
    found = pipelines(ledger)["Delivery"]
    assert [found.latency.percentile(percent) for percent in (50, 95, 99)] == [510, 960, 1000]
    assert (found.turns, found.cached, found.stepped_up) == (100, 1, 1)


def test_cost_of_a_run_has_its_lost_attempts(ledger: Ledger) -> None:
    """p50 and p90 per ended run of all that it was charged; an open run is none yet."""
    for number in range(10):
        book = Book(ledger)
        book.close(book.reserve(key(book.trace), 1000), "lost")
        book.call(key(book.trace), 100, number)
        if number < 9:
            book.end("done" if number else "failed")
    found = pipelines(ledger)["Delivery"]
    assert (found.cost.size, found.cost.percentile(50), found.cost.percentile(90)) == (9, 1004, 1008)
    assert found.outcomes == {"done": 8, "failed": 1, "open": 1}
    assert found.success == 888
    assert agents(ledger)["planner@v1"].cost.percentile(90) == 1008


def test_cost_of_a_run_is_of_all_its_time(ledger: Ledger) -> None:
    """A run that began before: its cost is whole, for its pipeline and for its agents; what was spent is of the time."""
    book = Book(ledger)
    book.call(key("old"), 50, 40)
    book.call(key("new"), 50, 3, after=key("old"))
    _put_back(ledger, key("old"))
    book.end()
    since = Period(THEN, EVER.until)
    one = ledger.read_now(quality.agents, since)["planner@v1"]
    all_agents = ledger.read_now(quality.pipelines, since)["Delivery"]
    assert (one.money.spent, all_agents.money.spent) == (3, 3)
    assert (one.cost.percentile(50), all_agents.cost.percentile(50)) == (43, 43)


def test_an_answer_during_an_outage_is_no_step_up(ledger: Ledger) -> None:
    """Only what a first choice could not do steps up; that others were away says nothing of the work."""
    book = Book(ledger)
    for number, chosen in enumerate(("first", "outage", "outage", "invalid", "unsure")):
        book.call(key(number), 50, 40, chosen=chosen, path=str(number))
    assert (pipelines(ledger)["Delivery"].stepped_up, agents(ledger)["planner@v1"].stepped_up) == (2, 2)


STEPS: list[tuple[dict[str, list[str]], tuple[int, int]]] = [
    ({}, (0, 0)),
    ({"a": ["first", "first"]}, (0, 1)),
    ({"a": ["first", "invalid", "first", "invalid"]}, (1, 1)),
    ({"a": ["first"], "a/again": ["unsure", "unsure"]}, (1, 1)),
    ({"a": ["first"], "a/again": ["first"]}, (0, 1)),
    ({"a/again": ["first"]}, (0, 1)),
    (
        {"plan": ["first"], "write/1": ["invalid"], "write/2": ["outage"], "write/3": ["first"], "write/3/again": ["unsure"]},
        (2, 4),
    ),
]


@pytest.mark.parametrize(("paths", "counted"), STEPS, ids=str)
def test_steps_that_stepped_up_are_counted_once(ledger: Ledger, paths: dict[str, list[str]], counted: tuple[int, int]) -> None:
    """A step counts once however many of its turns a better choice answered, and together with its own repetition."""
    book = Book(ledger)
    book.close(book.reserve(key(book.trace), 50), "released")
    for path, turns_of_it in paths.items():
        for number, chosen in enumerate(turns_of_it):
            book.call(key(path, number), 50, 40, chosen=chosen, path=path)
    for found in (pipelines(ledger).get("Delivery", Quality()), agents(ledger).get("planner@v1", Quality())):
        assert (found.stepped_up, found.steps) == counted


def test_steps_up_of_a_family_count_for_whoever_did_the_step(ledger: Ledger) -> None:
    """Of a run with several agents each has its own share; the pipeline has that of all, over all its runs."""
    for run_number in range(2):
        book = Book(ledger)
        book.call(key(book.trace, "p"), 50, 40, path="plan")
        for step, chosen in enumerate(("first", "invalid")):
            book.call(key(book.trace, step), 50, 40, path=f"write/{step}", agent="writer@v1", chosen=chosen)
        if run_number:
            book.call(key(book.trace, "t"), 50, 40, path="test", agent="tester@v1")
            book.call(key(book.trace, "tt"), 50, 40, path="test/again", agent="tester@v1", chosen="unsure")
    found = agents(ledger)
    assert {name: (one.stepped_up, one.steps) for name, one in found.items()} == {
        "planner@v1": (0, 2),
        "tester@v1": (1, 1),
        "writer@v1": (2, 4),
    }
    assert (pipelines(ledger)["Delivery"].stepped_up, pipelines(ledger)["Delivery"].steps) == (3, 7)


def test_a_step_up_counts_at_the_time_of_its_step(ledger: Ledger) -> None:
    """A step whose last turn is in the period counts as a whole; one that ended before it does not count at all."""
    book = Book(ledger)
    book.call(key("a"), 50, 40, path="a", chosen="invalid")
    book.call(key("b"), 50, 40, path="b", chosen="invalid")
    book.call(key("b", 2), 50, 40, path="b", after=key("b"))
    for call in (key("a"), key("b")):
        _put_back(ledger, call)
    found = ledger.read_now(quality.agents, Period(THEN, EVER.until))["planner@v1"]
    assert (found.stepped_up, found.steps) == (1, 1)


def test_a_step_that_gives_up_is_escalated(ledger: Ledger) -> None:
    """Of an agent's steps those that ended unsure or could_not; what is done, open or cut off is none."""
    book = Book(ledger)
    for path in ("a", "b", "c", "d"):
        book.call(key(path), 50, 40, path=path)
    for path, outcome in ESCALATING:
        book.answer(path, outcome)
    found = agents(ledger)["planner@v1"]
    assert (found.escalated, sum(found.outcomes.values())) == (2, 4)
    book.end("cancelled")
    assert agents(ledger)["planner@v1"].escalated == 2


GATES: list[tuple[tuple[GateKind, ...], int]] = [
    (("plan", "change", "action"), 0),
    (("plan", "clarify"), 1),
    (("stuck",), 1),
    (("ceiling", "ceiling", "stuck"), 1),
]


@pytest.mark.parametrize(("kinds", "escalated"), GATES, ids=str)
def test_a_run_that_cannot_go_on_by_itself_is_escalated(ledger: Ledger, kinds: tuple[GateKind, ...], escalated: int) -> None:
    """A run counts once where it asked a person beyond what policy wants looked at, and not for its ordinary gates."""
    book = Book(ledger)
    book.call(key("1"), 50, 40)
    made = book.answer("plan")
    for number, kind in enumerate(kinds, 1):
        book.ask(number, made, kind)
    assert pipelines(ledger)["Delivery"].escalated == escalated


def test_a_degraded_handoff_is_counted_and_a_text_about_one_is_not(ledger: Ledger) -> None:
    """A step that a fallback did counts, in its agent and in its run; what an agent writes about one does not."""
    book = Book(ledger)
    for path in ("a", "b"):
        book.call(key(book.trace, path), 50, 40, path=path)
    book.answer("a", said='"degraded":"')
    assert agents(ledger)["planner@v1"].degraded == 0
    book.answer("b", degraded="a function stands in for planner")
    assert agents(ledger)["planner@v1"].degraded == 1
    assert pipelines(ledger)["Delivery"].degraded == 1


def test_a_step_that_no_model_answered_is_its_agents(ledger: Ledger) -> None:
    """Where all calls of a step failed and a function made its handoff, the step counts for the agent, as degraded."""
    book = Book(ledger)
    book.close(book.reserve(key(book.trace), 50, agent="tester@v1", path="test/1"), "released")
    book.answer("test/1", degraded="a function stands in for tester")
    found = agents(ledger)["tester"]
    assert (found.outcomes, found.degraded, found.turns) == ({"done": 1}, 1, 0)


@pytest.mark.parametrize("project", [None, "one"])
def test_figures_are_of_one_project_or_of_all(ledger: Ledger, project: str | None) -> None:
    """Asked for one project, turns, tools and runs of another do not count."""
    for name in ("one", "two"):
        book = Book(ledger, project=name)
        ledger.tx_now(turns.insert_result, samples.result(book.call(key(name), 50, 40).id, 0))
    found = agents(ledger, project=project)["planner@v1"]
    wanted = 1 if project else 2
    assert (found.turns, found.tools, found.runs) == (wanted, wanted, wanted)
    assert pipelines(ledger, project=project)["Delivery"].runs == wanted


def test_figures_are_of_their_time(ledger: Ledger) -> None:
    """What was before is not in a figure of now."""
    book = Book(ledger)
    book.call(key("old"), 50, 40)
    book.call(key("new"), 50, 40, after=key("old"))
    _put_back(ledger, key("old"))
    found = ledger.read_now(quality.agents, Period(THEN, EVER.until))
    assert (found["planner@v1"].turns, found["planner@v1"].money.spent) == (1, 40)


def _put_back(ledger: Ledger, call: str) -> None:
    """This call was made a month before `THEN`."""
    for table, column in ((turn, turn.c.id), (reservation, reservation.c.call_key)):
        back = update(table).where(column == call).values(at=to_us(datetime(2026, 1, 1, tzinfo=UTC)))
        ledger.tx_now(lambda connection, back=back: connection.execute(back))
