"""A model's reply is read strictly: calls, an answer, or a problem that the model can repair. Never an exception."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents.agent import Agent, load_agent
from activities.turns.replies import (
    CALLS_LIMIT,
    KEPT,
    Judgement,
    bounded,
    decode_arguments,
    judge,
    normalised,
    unfenced,
    unsupported,
)
from contracts.base import BODY_LIMIT
from contracts.conversation import ModelReply, StopReason, ToolCall
from contracts.delivery.writing import WriteSummary
from contracts.handoff import Claim, EvidenceRef
from contracts.turns import TurnCall
from tests.activities.agentfiles import TOOLS, agent, write

ANSWER: dict[str, Any] = {
    "outcome": "done",
    "reason": "",
    "confidence": 900,
    "questions": [],
    "claims": [],
    "body": {"summary": "did it", "how_it_meets": []},
}


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """An agent with one tool that returns a summary."""
    return agent(tmp_path_factory.mktemp("agents"), limits={"output_tokens": 77})


def call(name: str = "read_file", problem: str | None = None) -> ToolCall:
    """One tool call of a reply."""
    return ToolCall(call_id="c", name=name, arguments={"path": "a"}, problem=problem)


def reply(text: str = "", *calls: ToolCall, stop: StopReason = "end") -> ModelReply:
    """What a model said."""
    return ModelReply(text=text, calls=calls, stop=stop, model="m", usage=None)


def said(**changes: Any) -> ModelReply:
    """A final output."""
    return reply(json.dumps(ANSWER | changes))


def problem(judged: Judgement) -> str:
    """The problem, which is then all there is."""
    assert judged.problem is not None
    assert judged.calls == ()
    assert judged.answer is None
    return judged.problem


def test_tool_calls_are_passed_on_in_their_order(helper: Agent) -> None:
    """Name and position of each, without arguments; text beside them is no final output."""
    judged = judge(reply("let me look", call(), call(), stop="tools"), helper, finish=False)
    assert judged == Judgement(calls=(TurnCall(index=0, name="read_file"), TurnCall(index=1, name="read_file")))


def test_a_final_output_is_an_answer(helper: Agent) -> None:
    """Read into the contract that the agent returns."""
    judged = judge(said(), helper, finish=False)
    assert (judged.problem, judged.calls) == (None, ())
    assert judged.answer is not None
    assert judged.answer.body == WriteSummary(summary="did it", how_it_meets=())
    assert judge(said(), helper, finish=True) == judged


PROBLEMS: list[tuple[str, ModelReply, bool, str]] = [
    ("refusal", reply("no", stop="refusal"), False, "you declined to answer; .*could_not and the reason"),
    ("cut off", reply('{"outc', stop="length"), False, "cut off at 77 tokens; answer shorter"),
    ("cut off within calls", reply("", call(), stop="length"), False, "cut off at 77 tokens"),
    ("empty", reply(" \n"), False, "it was empty; call a tool, or give the final output"),
    (
        "too many calls",
        reply("", *[call()] * (CALLS_LIMIT + 1)),
        False,
        f"had {CALLS_LIMIT + 1} tool calls; at most {CALLS_LIMIT}",
    ),
    ("unknown tool", reply("", call(), call("shell")), False, "no tool 'shell' for you; you have read_file"),
    ("another agent's tool", reply("", call("write_file")), False, "no tool 'write_file' for you"),
    ("unreadable arguments", reply("", call(problem="not JSON")), False, "arguments of read_file could not be read: not JSON"),
    ("calls at the end", reply("", call()), True, "no tools can be called any more; give the final output"),
    ("no JSON", reply("I am done."), False, r"does not fit write_summary/1: \(whole\): Invalid JSON"),
    ("half a JSON", reply('{"outcome": "done"'), False, "Invalid JSON"),
    ("prose around it", reply(f"Here it is: {json.dumps(ANSWER)}"), False, "Invalid JSON"),
    ("a field missing", reply('{"outcome": "done"}'), False, "reason: Field required.*confidence: Field required"),
    ("a field more", said(verdict="passed"), False, "verdict: Extra inputs are not permitted"),
    ("a body's field more", said(body=ANSWER["body"] | {"x": 1}), False, "body.x: Extra inputs are not permitted"),
    ("another type", said(confidence="900"), False, "confidence: Input should be a valid integer"),
    ("done without a body", said(body=None), False, "outcome 'done' needs a body"),
    ("unsure without a reason", said(outcome="unsure"), False, "outcome 'unsure' needs a reason"),
]


@pytest.mark.parametrize(("given_", "finish", "text"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS])
def test_what_is_wrong_is_a_problem_with_a_text(helper: Agent, given_: ModelReply, finish: bool, text: str) -> None:
    """The model is told what was wrong and what would be right, so that one more turn can repair it."""
    assert re.search(text, problem(judge(given_, helper, finish=finish)))


def test_an_agent_without_tools_is_told_so(tmp_path: Path) -> None:
    """The list of its tools is not just empty."""
    bare = load_agent(write(tmp_path, tools=[]), TOOLS)
    assert problem(judge(reply("", call()), bare, finish=False)).endswith("you have none")


def test_an_output_that_is_too_large_is_a_problem(helper: Agent) -> None:
    """Above the limit of a body the model is told its size and the limit; just below is accepted."""
    claim = {"subject": "s" * 200, "attribute": "a" * 200, "value": "v" * 1000, "evidence": []}
    large = claim | {"evidence": [{"artifact": "a" * 64, "quote": "q" * 1500}]}
    assert judge(said(claims=[claim] * 40), helper, finish=False).problem is None
    text = problem(judge(said(claims=[large] * 40), helper, finish=False))
    assert f"and may have {BODY_LIMIT}; make it shorter" in text


@pytest.mark.parametrize("fence", ["```json\n{}\n```", "```\n{}\n```", "  ```json\n{}\n```  \n", "```JSON\r\n{}\r\n```", "{}"])
def test_one_fence_around_the_output_is_taken_off(helper: Agent, fence: str) -> None:
    """Small models like to add it; what stands inside is read as strictly as ever."""
    assert judge(reply(fence.replace("{}", json.dumps(ANSWER))), helper, finish=False).answer is not None
    assert problem(judge(reply(fence.replace("{}", '{"outcome": 1}')), helper, finish=False))


@pytest.mark.parametrize("text", ["```", "``````", "```json", "```\n", "no fence", "a ```\n{}\n``` b", ""])
def test_what_is_no_fence_stays(text: str) -> None:
    """Nothing is cut from other texts but blanks around them."""
    assert unfenced(text) in {text.strip(), ""}


THOUGHT = [
    "<think>I should say {}</think>\n{}",
    "<think>\n\n</think>\n\n```json\n{}\n```",
    "the prompt has begun the thoughts, and </think> ends them\n</think>{}",
    "<thinking>hm</thinking> {}",
    "[THINK]hm[/THINK]{}",
    "◁think▷hm◁/think▷{}",
    "<seed:think>hm</seed:think>{}",
    "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "\ufeff{}\n",
]


@pytest.mark.parametrize("text", THOUGHT)
def test_thoughts_before_the_output_are_passed_over(helper: Agent, text: str) -> None:
    """A server that does not know its model's signs leaves them in the text; what follows is read as strictly as ever."""
    answer = json.dumps(ANSWER)
    head, _, tail = text.rpartition("{}")
    assert judge(reply(head + answer + tail), helper, finish=False).answer is not None
    assert problem(judge(reply(head + '{"outcome": 1}' + tail), helper, finish=False))


def test_an_output_may_speak_of_thoughts(helper: Agent) -> None:
    """The signs within an output are its text, also where the thoughts before it hold some of their own."""
    spoken = ANSWER | {"body": {"summary": "</think>{ removed", "how_it_meets": []}}
    for text in (json.dumps(spoken), f"<think>about </think>, which {{}} I</think>{json.dumps(spoken)}"):
        answer = judge(reply(text), helper, finish=False).answer
        assert answer is not None
        assert answer.body.summary == "</think>{ removed"


def test_thoughts_without_an_output_are_a_problem(helper: Agent) -> None:
    """Nothing is made up of them."""
    for text in ("<think>hm", "<think>hm</think>", f"<think>{json.dumps(ANSWER)}"):
        assert problem(judge(reply(text), helper, finish=False))


@given(text=st.text(), stop=st.sampled_from(["end", "tools", "length", "refusal"]), finish=st.booleans())
def test_no_reply_raises(helper: Agent, text: str, stop: StopReason, finish: bool) -> None:
    """Whatever a model says is one of the three."""
    judged = judge(reply(text, stop=stop), helper, finish=finish)
    assert sum([bool(judged.calls), judged.answer is not None, judged.problem is not None]) == 1


def claim(*evidence: tuple[str, str]) -> Claim:
    """A claim with quotes from artifacts."""
    refs = tuple(EvidenceRef(artifact=artifact, quote=quote) for artifact, quote in evidence)
    return Claim(subject="def f() of binary", attribute="says", value="return old mac ends, nothing", evidence=refs)


READ = {"one": b"def f():\r\n    return 'h\xc3\xb6her'\r\n", "two": b"old\rmac\rends", "bytes": b"\xff\xfe\x00binary of old"}

SUPPORT: list[tuple[str, Claim, bool]] = [
    ("verbatim", claim(("one", "return 'höher'")), True),
    ("over a line end that was written otherwise", claim(("one", "def f():\n    return")), True),
    ("quoted with the file's own line ends", claim(("one", "def f():\r\n    return")), True),
    ("over another kind of line end", claim(("two", "old\nmac\nends")), True),
    ("in bytes that are no text", claim(("bytes", "binary of old")), True),
    ("one good quote is enough", claim(("one", "nothing at all"), ("one", "def f():\n    return")), True),
    ("without evidence", claim(), False),
    ("another word", claim(("one", "return 'hoher'")), False),
    ("other blanks", claim(("one", "def f():\n  return")), False),
    ("other case", claim(("one", "DEF f():\n    return")), False),
    ("from an artifact that was not read", claim(("three", "return 'höher'")), False),
    ("from another artifact than said", claim(("two", "return 'höher'")), False),
    ("put together from two places", claim(("one", "def return 'höher'")), False),
    ("too short", claim(("one", "return")), False),
]


@pytest.mark.parametrize(("made", "supported"), [row[1:] for row in SUPPORT], ids=[row[0] for row in SUPPORT])
def test_a_claim_needs_a_verbatim_quote_from_what_was_read(made: Claim, supported: bool) -> None:
    """Only line ends are made equal; anything else has to stand there letter by letter, in that artifact."""
    assert unsupported((made,), READ) == (() if supported else (0,))


def test_positions_of_unsupported_claims_are_given() -> None:
    """Each claim is judged for itself."""
    made = tuple(row[1] for row in SUPPORT)
    assert unsupported(made, READ) == tuple(index for index, row in enumerate(SUPPORT) if not row[2])
    assert unsupported(made, {}) == tuple(range(len(made)))
    assert unsupported((), READ) == ()


@given(st.text(min_size=1, max_size=50), st.text(), st.text())
def test_every_piece_of_an_artifact_supports_and_nothing_else(quote: str, before: str, after: str) -> None:
    """A quote that bears on the claim supports it exactly where it is a piece of the artifact, line ends aside."""
    quote = f"return old {quote}"
    data = (before + quote + after).encode()
    supported = normalised(quote.encode()) in normalised(data)
    assert supported
    assert unsupported((claim(("a", quote)),), {"a": data}) == (
        (0,) if len(quote.strip()) < 12 and quote.strip() != data.decode().strip() else ()
    )
    assert unsupported((claim(("a", quote)),), {"a": b""}) == (0,)


@given(st.binary())
def test_line_ends_are_normalised_once(data: bytes) -> None:
    """No carriage return is left, and doing it again changes nothing."""
    assert b"\r" not in normalised(data)
    assert normalised(normalised(data)) == normalised(data)


def test_arguments_come_back_as_json() -> None:
    """The arguments of one call, as a tool reads them."""
    first = ToolCall(call_id="1", name="x", arguments={"path": "höher"})
    second = ToolCall(call_id="2", name="x", arguments=["a"])
    assert json.loads(decode_arguments(reply("", first, second), 0)) == {"path": "höher"}
    assert json.loads(decode_arguments(reply("", first, second), 1)) == ["a"]


@pytest.mark.parametrize("size", [500_000, 1_900_000, 2_100_000, 5_000_000, 50_000_000])
@pytest.mark.parametrize("part", ["text", "arguments", "native", "model"])
def test_a_reply_of_any_size_is_kept_in_short(size: int, part: str) -> None:
    """However large a provider's reply is, what stays in the conversation is small, and the whole of it is given back."""
    long = "x" * size
    whole = ModelReply(
        text=long if part == "text" else "short",
        calls=(ToolCall(call_id="c", name="read_file", arguments={"path": long}),) if part == "arguments" else (),
        native={"content": long} if part == "native" else None,
        model=long if part == "model" else "m",
        stop="end",
        usage=None,
    )
    kept, apart = bounded(whole)
    assert len(kept.model_dump_json()) < 10_000
    assert (len(apart) > size) == (part != "model")
    assert not kept.calls


def test_a_reply_of_usual_size_is_kept_as_it_is() -> None:
    """Nothing is cut below the limit."""
    reply = ModelReply(text="x" * (KEPT - 1000), model="m", stop="end", usage=None)
    assert bounded(reply) == (reply, b"")
