"""Context growth: what a long prompt leaves out follows from its stored turns, only grows, and can be read again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import Row

from activities.agents.agent import load_agent
from activities.tools.base import ToolContext
from activities.tools.memory import READ_ARTIFACT
from activities.tools.registry import TOOLS
from activities.turns.compaction import LEAST, WHOLE, Shortened, keep, reference, shortened
from activities.turns.prompt import messages
from contracts.base import canonical, sha256
from contracts.conversation import Message, ToolMessage, Usage
from contracts.errors import Misconfigured
from contracts.runs import RunRef
from ledger import turns
from ledger.db import Ledger
from tests.activities import agentfiles
from tests.depth import count
from tests.ledger.samples import result, turn

TARGET = 1000
LONG = "x" * 4000
"""About as many tokens as the target, so that one such result is worth a batch."""

Rows = tuple[list[Row[Any]], dict[str, list[Row[Any]]]]


@pytest.fixture
def ledger(sqlite_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Turns come from a real ledger."""
    opened = Ledger(sqlite_url, tmp_path / "artifacts")
    yield opened
    opened.close()


def conversation(ledger: Ledger, contexts: Sequence[int], bodies: Sequence[str], trace: str = "trace-1") -> Rows:
    """A stored conversation: what each call's context was, and what its one tool call gave."""
    head = ""
    for number, (context, body) in enumerate(zip(contexts, bodies, strict=True)):
        one = replace(turn(number, head, trace=trace), usage=Usage(input=context, output=1))
        ledger.tx_now(turns.insert, one)
        ledger.tx_now(turns.insert_result, replace(result(one.id, 0, body), artifacts=[]))
        head = one.id
    chain = ledger.read_now(turns.chain, head)
    return chain, ledger.read_now(turns.results, [row.id for row in chain])


def at(rows: Rows, length: int) -> Shortened:
    """What the prompt after so many turns leaves out."""
    return shortened(rows[0][:length], rows[1], TARGET)


def prompt(rows: Rows, length: int) -> tuple[Message, ...]:
    """That prompt."""
    return messages("the task", rows[0][:length], rows[1], None, at(rows, length).hidden)


def test_below_the_target_and_without_one_everything_stays(ledger: Ledger) -> None:
    """A conversation that is not too long, or whose agent has no target, is sent whole."""
    rows = conversation(ledger, [10, 500, 999], [LONG] * 3)
    assert at(rows, 3) == Shortened()
    assert shortened(rows[0], rows[1], None) == Shortened()


def test_above_the_target_older_results_give_way_and_the_newest_stay(ledger: Ledger) -> None:
    """What the agent has not seen yet, and what it saw last, is always whole; the rest is a reference with its digest."""
    rows = conversation(ledger, [10, 500, 900, 1000], [LONG] * 4)
    made = at(rows, 4)
    assert [row.turn for row in made.fresh] == [row.id for row in rows[0][:-WHOLE]]
    shown = [one.answers[0].text for one in prompt(rows, 4) if isinstance(one, ToolMessage)]
    assert shown == [reference(made.fresh[0]), reference(made.fresh[1]), LONG, LONG]
    assert json.loads(shown[0])["artifact"] == sha256(LONG.encode())


def test_short_results_stay(ledger: Ledger) -> None:
    """A result that is no longer than its reference is not replaced."""
    rows = conversation(ledger, [10, 10, 10, 2000], [LONG, "x" * (LEAST - 1), LONG, LONG])
    assert [row.turn for row in at(rows, 4).fresh] == [rows[0][0].id]


def test_between_two_batches_a_prompt_only_grows_at_its_end(ledger: Ledger) -> None:
    """A conversation that stays above its target is shortened in batches: most prompts begin with the whole one before them."""
    rows = conversation(ledger, [2000] * 24, ["y" * LEAST] * 24)
    grown = [prompt(rows, number + 1)[: len(prompt(rows, number))] == prompt(rows, number) for number in range(1, 24)]
    assert 2 <= grown.count(False) <= 24 * LEAST // TARGET


@pytest.mark.parametrize("length", range(3, 7))
def test_a_provider_that_counts_nothing_is_estimated(ledger: Ledger, length: int) -> None:
    """Where no context was counted it is taken from the lengths, so that such a conversation is shortened as well."""
    rows = conversation(ledger, [0] * length, [LONG] * length)
    assert at(rows, length).hidden


@settings(max_examples=count(20, soak=600))
@given(
    contexts=some.lists(some.integers(0, 3 * TARGET), min_size=1, max_size=14),
    sizes=some.lists(some.sampled_from((10, LEAST, 2000, 9000)), min_size=14, max_size=14),
)
def test_what_was_replaced_stays_replaced_and_is_kept_once(
    ledger_of_all: Ledger, contexts: list[int], sizes: list[int]
) -> None:
    """Whatever the sizes: each prompt leaves out what the one before it did, and exactly what is new is kept for reading."""
    trace = sha256(canonical([contexts, sizes]))
    rows = conversation(ledger_of_all, contexts, ["z" * size for size in sizes[: len(contexts)]], trace)
    before: frozenset[tuple[str, int]] = frozenset()
    for length in range(1, len(contexts) + 1):
        made = at(rows, length)
        assert before <= made.hidden
        assert made.hidden - before == {(row.turn, row.position) for row in made.fresh}
        assert not made.hidden & {(row.id, 0) for row in rows[0][max(0, length - WHOLE) : length]}
        before = made.hidden


@pytest.fixture(scope="module")
def ledger_of_all(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for all examples; each has a conversation of its own."""
    folder = tmp_path_factory.mktemp("shortening")
    (folder / "ledger.db").write_bytes(sqlite_template.read_bytes())
    opened = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "artifacts")
    yield opened
    opened.close()


async def test_what_was_replaced_is_read_again_by_its_reference(ledger: Ledger) -> None:
    """The tool `read_artifact` gives a replaced result back, whole, to every step of the run, and to no other run."""
    rows = conversation(ledger, [10, 500, 900, 1000], [LONG] * 4)
    made = at(rows, 4)
    ledger.tx_now(keep, ledger.files, RunRef(trace="trace-1", path="plan"), made)
    ledger.tx_now(keep, ledger.files, RunRef(trace="trace-1", path="plan"), made)
    asked = json.dumps({"id": json.loads(reference(made.fresh[0]))["artifact"]}).encode()
    outcome = await READ_ARTIFACT.call(ToolContext("trace-1", "plan", "helper", ledger=ledger), asked)
    assert outcome.result.model_dump()["text"] == LONG
    with pytest.raises(Exception, match="this run has nothing under"):
        await READ_ARTIFACT.call(ToolContext("trace-2", "plan", "helper", ledger=ledger), asked)


@pytest.mark.parametrize(
    ("tools", "target"), [(["read_file"], 1000), (["read_artifact"], 200_000)], ids=["no tool", "above the limit"]
)
def test_a_target_that_cannot_work_is_refused(tmp_path: Path, tools: list[str], target: int) -> None:
    """An agent with a target can read what was replaced, and its target is below what ends its step."""
    with pytest.raises(Misconfigured, match=r"give the agent the tool read_artifact, .* below limits.context \(150000\)"):
        load_agent(agentfiles.write(tmp_path, tools=tools, limits={"context_target": target}), TOOLS)
