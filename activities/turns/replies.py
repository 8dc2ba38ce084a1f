"""What a model's reply means: tool calls, a final output, or a problem for a repair turn. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activities.agents.agent import Agent
from contracts.base import BODY_LIMIT, canonical
from contracts.conversation import ModelReply
from contracts.errors import ContractViolation
from contracts.evidence import bears
from contracts.handoff import Answer, Claim, EvidenceRef
from contracts.text import for_model
from contracts.turns import TurnCall

KEPT = 256 * 1024
"""Largest reply, in bytes, that stays in its conversation; a larger one is an artifact. No output limit comes near it."""

_BLANK = "\ufeff \t\r\n"
_NAME_LIMIT, _TEXT_SHOWN = 200, 2000

CALLS_LIMIT = 8
"""Most tool calls in one reply; a reply with more is a problem."""


@dataclass(frozen=True)
class Judgement:
    """Exactly one of the three is set."""

    calls: tuple[TurnCall, ...] = ()
    answer: Answer[Any] | None = None
    problem: str | None = None


def bounded(reply: ModelReply) -> tuple[ModelReply, bytes]:
    """The reply as it is stored, and all of it if that is less: what is not stored is not run, sent or paid for again."""
    if len(reply.model) > _NAME_LIMIT:
        reply = reply.model_copy(update={"model": for_model(reply.model, _NAME_LIMIT)})
    whole = reply.model_dump_json().encode()
    if len(whole) <= KEPT:
        return reply, b""
    shown = for_model(reply.text, _TEXT_SHOWN) or f"[cut here: {len(reply.calls)} tool calls]"
    return reply.model_copy(update={"text": shown, "calls": (), "native": None}), whole


def judge(reply: ModelReply, agent: Agent, *, finish: bool) -> Judgement:
    """Read a reply strictly. Anything wrong with it becomes a problem with a text for the model, never an exception."""
    # A refusal has no outcome yet: asked once more, the model can say could_not with its reason.
    if reply.stop == "refusal":
        return Judgement(
            problem="you declined to answer; if the task cannot be done, answer with outcome could_not and the reason"
        )
    # Before its calls are read: a reply that was cut off may end in the middle of an argument.
    if reply.stop == "length":
        return Judgement(
            problem=f"it was cut off at {agent.file.limits.output_tokens} tokens; answer shorter, or in smaller steps"
        )
    if reply.calls:
        return _judge_calls(reply, agent, finish=finish)
    if not reply.text.strip():
        return Judgement(problem="it was empty; call a tool, or give the final output")
    return _judge_answer(reply.text, agent)


def _judge_calls(reply: ModelReply, agent: Agent, *, finish: bool) -> Judgement:
    names = {tool.name for tool in agent.tools}
    if finish:
        return Judgement(problem="no tools can be called any more; give the final output")
    if len(reply.calls) > CALLS_LIMIT:
        return Judgement(problem=f"it had {len(reply.calls)} tool calls; at most {CALLS_LIMIT} are run in one reply")
    for call in reply.calls:
        if call.name not in names:
            return Judgement(
                problem=f"there is no tool {call.name[:100]!r} for you; you have {', '.join(sorted(names)) or 'none'}"
            )
        if call.problem is not None:
            return Judgement(problem=f"the arguments of {call.name} could not be read: {call.problem}")
    return Judgement(calls=tuple(TurnCall(index=index, name=call.name) for index, call in enumerate(reply.calls)))


def _judge_answer(text: str, agent: Agent) -> Judgement:
    try:
        answer = agent.answer_type.read_strict(unfenced(thoughtless(text)))
    except ContractViolation as error:
        return Judgement(problem=f"the final output does not fit {agent.file.returns}: {'; '.join(error.problems)}")
    size = len(canonical(answer.model_dump(mode="json")))
    if size > BODY_LIMIT:
        return Judgement(problem=f"the final output has {size} bytes and may have {BODY_LIMIT}; make it shorter")
    return Judgement(answer=answer)


_THOUGHTS = re.compile(
    r"</(?:think|thinking|thought|thoughts|reasoning|reflection|seed:think)>|\[/THINK\]|◁/think▷|<\|message\|>|<\|end_think\|>"
)
"""How thoughts end that come with the answer: where a server does not know its model's signs, they stand in the text."""


def thoughtless(text: str) -> str:
    """The text without the thoughts before it. Their beginning may stand in the prompt, so only their end counts.

    A text that begins with an object is the answer, whatever it holds.
    """
    text = text.strip(_BLANK)
    ends = [] if text.startswith(("{", "```")) else [found.end() for found in _THOUGHTS.finditer(text)]
    after = [text[end:].strip(_BLANK) for end in ends]
    # The thoughts may speak of their own signs, and so may the answer: it is what begins like one.
    answer = next((one for one in after if one.startswith(("{", "```"))), after[-1] if after else text)
    return answer.removesuffix("<|return|>").removesuffix("<|end|>").strip(_BLANK)


def unfenced(text: str) -> str:
    """The text without a Markdown fence around it, which small models tend to add."""
    text = text.strip(_BLANK)
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") + 1 : -3].strip()
    return text


def unsupported(claims: tuple[Claim, ...], read: Mapping[str, bytes]) -> tuple[int, ...]:
    """Positions of claims without a verbatim quote, from something that was really read, that bears on them.

    Only line ends are normalised. See `contracts/evidence.py` for which quotes bear on a claim.
    """
    texts = {digest: normalised(data) for digest, data in read.items()}

    def supports(claim: Claim, one: EvidenceRef) -> bool:
        text = texts.get(one.artifact, b"")
        return normalised(one.quote.encode()) in text and bears(one.quote, claim, text.decode(errors="replace"))

    return tuple(index for index, claim in enumerate(claims) if not any(supports(claim, one) for one in claim.evidence))


def normalised(data: bytes) -> bytes:
    """Bytes with every line end as a line feed."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def decode_arguments(reply: ModelReply, index: int) -> bytes:
    """The arguments of one stored call, as JSON bytes."""
    return json.dumps(reply.calls[index].arguments).encode()
