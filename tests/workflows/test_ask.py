"""One agent step over the real stack: what a model says wrong is repaired or ends the step, and so does every limit."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from temporalio.client import WorkflowFailureError

from contracts.base import canonical, sha256
from contracts.gates import GateView
from contracts.ids import turn_key
from contracts.repositories import WorkspaceRef
from ledger.tables import edge, scope, seen, turn
from tests import scripts
from tests.depth import soak
from tests.scripts import Turn, answer, call, calls, could_not, says, summary, unsure
from tests.stack import git, sample
from tests.wire.server import WireServer
from tests.workflows.asked import Asking, Ended, Run
from tests.workflows.conftest import Ask
from workflows.kit import ask

DONE = answer(summary("did it"))
LOOK = calls(call("run_state"))
NOT_JSON: Turn = {"raw": "Sure! Here is the result: {"}
WHICH = {"id": "which", "text": "Which one?"}


async def once(asking: Ask, *turns: Turn, **options: Any) -> Ended:
    """One step with these turns, to its end."""
    async with asking(*turns, **options) as made:
        return await made.ended(await made.start())


MORE_WRONG: list[tuple[str, Turn, str]] = [
    ("another shape", answer({"summary": "x"}), "body.how_it_meets: Field required"),
    ("a field too many", answer(summary() | {"extra": 1}), "body.extra: Extra inputs are not permitted"),
    ("done without a body", answer(None), "outcome 'done' needs a body"),
    ("arguments that are not JSON", {"calls": [{"tool": "run_state", "raw": "{"}]}, "the arguments of run_state could not be"),
    ("too many calls", calls(*[call("run_state")] * 9), "it had 9 tool calls; at most 8 are run in one reply"),
    ("nothing", {"raw": " "}, "it was empty"),
    ("a refusal", {"stop": "refusal"}, "you declined to answer"),
    ("a reply that was cut", {"stop": "length", "text": '{"outcome": "do'}, "it was cut off at 8000 tokens"),
]
"""What is wrong with each of these, and of more, `tests/activities/turns/test_replies.py` has."""

WRONG = [
    ("not JSON", NOT_JSON, "the final output does not fit write_summary/1: (whole): Invalid JSON"),
    ("an unknown tool", calls(call("rm_rf")), "there is no tool 'rm_rf' for you"),
    *soak(*MORE_WRONG),
]


@pytest.mark.parametrize(("wrong", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_a_wrong_reply_is_repaired(asking: Ask, wrong: Turn, said: str) -> None:
    """Two wrong replies in a row are told what is wrong with them, and the third counts; nothing of them is run."""
    ended = await once(asking, wrong, wrong, DONE)
    assert (ended.handoff.outcome, ended.summary) == ("done", "did it")
    assert [said in problem for problem in ended.problems] == [True, True, False]
    assert (ended.activities("run_tool"), ended.local("run_tool")) == ([], 0)


async def test_a_third_wrong_reply_ends_the_step_with_its_reason(asking: Ask) -> None:
    """After two repairs the step could not, and says what was wrong last; no fourth reply is paid for."""
    ended = await once(asking, NOT_JSON, {"stop": "refusal"}, calls(call("rm_rf")), DONE)
    assert (ended.handoff.outcome, ended.handoff.body, len(ended.turns)) == ("could_not", None, 3)
    assert ended.handoff.reason.startswith("no valid output; the last reply was unusable: there is no tool 'rm_rf'")


async def test_repairs_count_in_a_row(asking: Ask) -> None:
    """A reply that is fine in between begins the count anew."""
    ended = await once(asking, NOT_JSON, NOT_JSON, LOOK, NOT_JSON, NOT_JSON, DONE)
    assert (ended.handoff.outcome, len(ended.turns)) == ("done", 6)


async def test_could_not_is_an_outcome_and_no_failure(asking: Ask) -> None:
    """What an agent says about itself is handed on with its reason, and nothing is asked again."""
    ended = await once(asking, could_not("the file is not there"))
    assert (ended.handoff.outcome, ended.handoff.reason, len(ended.turns)) == ("could_not", "the file is not there", 1)


SLOW_LOOK = LOOK | {"delay_ms": 400}
LIMITS: list[tuple[str, dict[str, Any], list[Turn], str]] = [
    ("turns", {"turns": 3}, [LOOK, LOOK], "its limit of 3 turns is reached"),
    ("one turn", {"turns": 1}, [], "its limit of 1 turn is reached"),
    ("tokens", {"tokens": 10}, [LOOK], "its token budget of 10 is used up ("),
    ("context", {"context": 10}, [LOOK], "its context limit of 10 tokens is reached ("),
    ("wall", {"wall": "PT0.3S"}, [SLOW_LOOK], "its time limit of 0:00:00.300000 is reached ("),
]
BY_LIMIT = pytest.mark.parametrize(("limits", "before", "why"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS])


@BY_LIMIT
async def test_a_limit_asks_once_for_what_there_is(asking: Ask, limits: dict[str, Any], before: list[Turn], why: str) -> None:
    """At a limit the agent is told why it is asked for its final output now; a good one counts like any other."""
    ended = await once(asking, *before, DONE, agent={"limits": limits})
    assert (ended.handoff.outcome, ended.summary) == ("done", "did it")
    assert ended.finishes[:-1] == [None] * len(before)
    assert (ended.finishes[-1] or "").startswith(why)


@BY_LIMIT
async def test_a_limit_without_an_output_is_unsure(asking: Ask, limits: dict[str, Any], before: list[Turn], why: str) -> None:
    """Where that last reply is no final output the step is unsure, with the limit and the problem as its reason."""
    ended = await once(asking, *before, LOOK, DONE, agent={"limits": limits})
    assert (ended.handoff.outcome, ended.handoff.body, len(ended.turns)) == ("unsure", None, len(before) + 1)
    assert ended.handoff.reason.startswith(why)
    assert "no tools can be called any more" in ended.handoff.reason


async def test_confidence_below_the_minimum_is_unsure(asking: Ask) -> None:
    """An agent that says done and is not sure enough is routed as unsure; what it made is kept."""
    ended = await once(asking, answer(summary(), confidence=599), agent={"minimum_confidence": 600})
    assert (ended.handoff.outcome, ended.summary) == ("unsure", "did it")
    assert "is 599 of 1000 sure, below its minimum of 600" in ended.handoff.reason
    assert (await once(asking, answer(summary(), confidence=600), agent={"minimum_confidence": 600})).handoff.outcome == "done"


async def answered(made: Asking, run: Run, name: str, text: str) -> GateView:
    """Answer the clarify gate of this name."""
    view = await made.stack.gate(run, name)
    await made.stack.decide(view, "answer", answers={"which": text})
    return view


async def test_rounds_of_questions_are_bounded(asking: Ask) -> None:
    """As often as its limits say an agent is answered; then its last word stands, questions and all, and nobody is asked."""
    turns = [unsure("still open", WHICH, body=summary(f"round {number}")) for number in range(4)]
    async with asking(*turns, agent={"limits": {"clarify": 2}}) as made:
        run = await made.start()
        for number in (1, 2):
            await answered(made, run, f"clarify-{number}", f"answer {number}")
        ended = await made.ended(run)
        digests = await made.stack.ledger.read(_answers_given)
        said = [json.loads(await made.stack.artifact(digest)) for digest in digests]
    assert (ended.handoff.outcome, ended.summary, len(ended.turns)) == ("unsure", "round 2", 3)
    assert [[one["answer"] for one in answers] for answers in said] == [["answer 1"], ["answer 1", "answer 2"]]


def _answers_given(connection: Connection) -> list[str]:
    """What the turns were made from that people had answered, in the order of the turns."""
    used = select(edge.c.parent).join(turn, turn.c.id == edge.c.child).join(seen, seen.c.artifact == edge.c.parent)
    return list(connection.execute(used.where(seen.c.name == "answers").order_by(turn.c.at)).scalars())


async def test_an_agent_that_may_not_ask_is_unsure_at_once(asking: Ask) -> None:
    """With no round of questions allowed, no gate opens."""
    ended = await once(asking, unsure("which?", WHICH), agent={"limits": {"clarify": 0}})
    assert (ended.handoff.outcome, ended.activities("open_gate")) == ("unsure", [])


async def test_an_answer_gives_new_turns_for_repair(asking: Ask) -> None:
    """Replies that were wrong before a question was asked do not count after it was answered."""
    async with asking(NOT_JSON, NOT_JSON, unsure("which?", WHICH), NOT_JSON, DONE) as made:
        run = await made.start()
        await answered(made, run, "clarify-1", "the first")
        assert (await made.ended(run)).handoff.outcome == "done"


@pytest.fixture
def as_activities(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tool is tried inside the workflow task, so that history shows when each began and ended."""
    monkeypatch.setattr(ask, "AT_HAND", frozenset())


@pytest.mark.usefixtures("as_activities")
async def test_looks_of_one_turn_run_side_by_side(asking: Ask) -> None:
    """Where no call of a turn changes anything, all are started before any has ended."""
    ended = await once(asking, calls(call("run_state"), call("list_handoffs"), call("run_state")), DONE)
    assert ended.activities("run_tool") == ["+", "+", "+", "-", "-", "-"]


@pytest.mark.usefixtures("as_activities")
async def test_calls_of_one_turn_run_in_order_when_one_changes_something(asking: Ask, tmp_path: Path) -> None:
    """With an edit among them each call waits for the one before it, and sees what that left."""
    edit = call("write_file", path="new.txt", content="new\n")
    turns = (calls(call("run_state"), edit, call("read_file", path="new.txt")), DONE)
    async with asking(*turns, agent={"tools": ["run_state", "write_file", "read_file"]}) as made:
        run = await made.start(repository=str(sample(tmp_path / "sample")))
        ended = await made.ended(run)
        said = await made.stack.said(run)
    assert ended.handoff.outcome == "done"
    assert ended.activities("run_tool") == ["+", "-"] * 3
    assert "read_file ran" in said


@pytest.mark.usefixtures("as_activities")
async def test_an_agent_that_is_not_parallel_looks_in_order(asking: Ask) -> None:
    """An agent file can ask for one call after the other."""
    ended = await once(asking, calls(call("run_state"), call("run_state")), DONE, agent={"parallel": False})
    assert ended.activities("run_tool") == ["+", "-", "+", "-"]


async def test_a_rate_limit_waits_as_long_as_the_provider_asks(asking: Ask) -> None:
    """The next attempt begins when the provider wants to be asked again, not after the usual second."""
    ended = await once(asking, {"error": "rate_limited", "retry_after_s": 2.5}, DONE)
    attempts, waited = ended.attempts()
    assert (ended.handoff.outcome, attempts) == ("done", 2)
    assert waited >= timedelta(seconds=2.5)


async def test_an_overloaded_provider_is_asked_again(asking: Ask) -> None:
    """A call that failed on the provider's side is repeated, and the reply counts as if nothing had been."""
    ended = await once(asking, {"error": "overloaded"}, DONE)
    assert (ended.handoff.outcome, ended.attempts()[0], len(ended.turns)) == ("done", 2, 1)


@pytest.mark.parametrize("kind", ["authentication", *soak("bad_request", "too_large", "credit")])
async def test_an_error_that_stays_ends_the_step_at_once(asking: Ask, kind: str) -> None:
    """What asking again cannot mend is asked again if a person says so; else the step could not, in the provider's words."""
    async with asking({"error": kind}, DONE) as made:
        run = await made.start()
        # Nothing can stand in for this agent.
        view = await made.stack.gate(run, "stuck")
        assert f"the script plays the error {kind} here" in " ".join(view.facts)
        await made.stack.decide(view, "reject", note="no")
        ended = await made.ended(run)
    assert (ended.handoff.outcome, ended.turns) == ("could_not", [])
    assert f"the script plays the error {kind} here" in ended.handoff.reason


async def test_a_script_that_ends_says_what_to_add(asking: Ask) -> None:
    """A script without this reply ends the step with the lines to add."""
    ended = await once(asking, LOOK)
    assert ended.handoff.outcome == "could_not"
    assert "the conversation that fits ends before this turn (agent helper, occurrence 1, turn 1" in ended.handoff.reason


TWO = '[classes]\nworker = [{ model = "scripted:first" }, { model = "scripted:second" }]\n'


async def test_the_next_choice_answers_when_the_first_cannot(asking: Ask, tmp_path: Path) -> None:
    """A key that is refused is no reason to stop where the route names another model; the record says which one answered."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    scripts.save(folder / "first.yaml", says("helper", {"error": "authentication", "times": 9}, DONE))
    scripts.save(folder / "second.yaml", says("helper", DONE))
    ended = await once(asking, routes=TWO, model="", script=folder)
    assert (ended.handoff.outcome, ended.handoff.producer.model) == ("done", "scripted:second")
    assert [row.model_asked for row in ended.turns] == ["scripted:second"]


PRICED = '[classes]\nworker = [{ model = "openai:test", price = { input = 1_000_000, output = 2_000_000 } }]\n'


async def test_a_call_that_could_pass_the_ceiling_is_not_made(asking: Ask) -> None:
    """The provider is not asked at all, nothing is held or spent, and the gate says which ceiling and by how much."""
    async with WireServer() as server, asking(DONE, routes=PRICED, model="", openai_base_url=server.openai_url) as made:
        run = await made.start(ceiling_usd="0.000001")
        view = await made.stack.gate(run, "ceiling")
        money = await made.stack.ledger.read(_money)
        await run.cancel()
        with pytest.raises(WorkflowFailureError):
            await run.result()
        assert server.requests == []
    assert f"run:{view.trace}: the ceiling is $0.000001, $0.00 is spent" in view.facts[0]
    assert set(money.values()) == {(0, 0)}


def _money(connection: Connection) -> dict[str, tuple[int, int]]:
    return {row.id: (row.spent, row.held) for row in connection.execute(select(scope))}


async def test_the_files_belong_to_a_conversation(asking: Ask, tmp_path: Path) -> None:
    """Its first key holds what the workspace begins with, so no answer about other files is ever taken for one about these."""
    async with asking(DONE) as made:
        without = await made.ended(await made.start())
        origin = sample(tmp_path / "sample")
        on_files = await made.ended(await made.start(repository=str(origin)))
    first, second = without.turns[0], on_files.turns[0]
    assert first.id == turn_key(first.trace, "ask", "", first.agent_digest, first.task)
    files = WorkspaceRef(repository=str(origin), base=git(origin, "rev-parse", "main"))
    digest = sha256(canonical([files.model_dump(mode="json"), None]))
    assert second.id == turn_key(second.trace, "ask", "", second.agent_digest, second.task, (digest,))
