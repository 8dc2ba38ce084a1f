"""What a model's reply amounts to: tool calls, a final output, or a problem that a repair turn names. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activities.agents.agent import Agent
from contracts.base import BODY_LIMIT, canonical
from contracts.conversation import ModelReply
from contracts.errors import ContractViolation
from contracts.handoff import Answer, Claim
from contracts.text import for_model
from contracts.turns import TurnCall

KEPT = 256 * 1024
"""Bytes of a reply that stay in its conversation; the whole of a larger one is an artifact. No output limit comes near it."""

_NAME_LIMIT, _TEXT_SHOWN = 200, 2000

CALLS_LIMIT = 8
"""Tool calls of one reply that are run; a reply with more is a problem."""


@dataclass(frozen=True)
class Judged:
    """Exactly one of the three is set."""

    calls: tuple[TurnCall, ...] = ()
    answer: Answer[Any] | None = None
    problem: str | None = None


def bounded(reply: ModelReply) -> tuple[ModelReply, bytes]:
    """The reply as it is kept, and the whole of it where that is less: what is not kept is not run, sent or paid for again."""
    if len(reply.model) > _NAME_LIMIT:
        reply = reply.model_copy(update={"model": for_model(reply.model, _NAME_LIMIT)})
    whole = reply.model_dump_json().encode()
    if len(whole) <= KEPT:
        return reply, b""
    shown = for_model(reply.text, _TEXT_SHOWN) or f"[cut here: {len(reply.calls)} tool calls]"
    return reply.model_copy(update={"text": shown, "calls": (), "native": None}), whole


def judge(reply: ModelReply, agent: Agent, *, finish: bool) -> Judged:
    """Read a reply strictly. Whatever is wrong with it is a problem with a text for the model, never an exception."""
    if reply.stop == "refusal":
        return Judged(
            problem="you declined to answer; if the task cannot be done, answer with outcome could_not and the reason"
        )
    if reply.stop == "length":
        return Judged(
            problem=f"it was cut off at {agent.file.limits.output_tokens} tokens; answer shorter, or in smaller steps"
        )
    if reply.calls:
        return _judge_calls(reply, agent, finish=finish)
    if not reply.text.strip():
        return Judged(problem="it was empty; call a tool, or give the final output")
    return _judge_answer(reply.text, agent)


def _judge_calls(reply: ModelReply, agent: Agent, *, finish: bool) -> Judged:
    names = {tool.name for tool in agent.tools}
    if finish:
        return Judged(problem="no tools can be called any more; give the final output")
    if len(reply.calls) > CALLS_LIMIT:
        return Judged(problem=f"it had {len(reply.calls)} tool calls; at most {CALLS_LIMIT} are run in one reply")
    for call in reply.calls:
        if call.name not in names:
            return Judged(
                problem=f"there is no tool {call.name[:100]!r} for you; you have {', '.join(sorted(names)) or 'none'}"
            )
        if call.problem is not None:
            return Judged(problem=f"the arguments of {call.name} could not be read: {call.problem}")
    return Judged(calls=tuple(TurnCall(index=index, name=call.name) for index, call in enumerate(reply.calls)))


def _judge_answer(text: str, agent: Agent) -> Judged:
    try:
        answer = agent.answer_type.read_strict(unfenced(text))
    except ContractViolation as error:
        return Judged(problem=f"the final output does not fit {agent.file.returns}: {'; '.join(error.problems)}")
    size = len(canonical(answer.model_dump(mode="json")))
    if size > BODY_LIMIT:
        return Judged(problem=f"the final output has {size} bytes and may have {BODY_LIMIT}; make it shorter")
    return Judged(answer=answer)


def unfenced(text: str) -> str:
    """The text without one Markdown fence around it, which small models like to add."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") + 1 : -3].strip()
    return text


def unsupported(claims: tuple[Claim, ...], read: Mapping[str, bytes]) -> tuple[int, ...]:
    """Positions of the claims without a verbatim quote from something that was really read. Only line ends are normalised."""
    texts = {digest: normalised(data) for digest, data in read.items()}
    return tuple(
        index
        for index, claim in enumerate(claims)
        if not any(normalised(one.quote.encode()) in texts.get(one.artifact, b"") for one in claim.evidence)
    )


def normalised(data: bytes) -> bytes:
    """Bytes with every line end as a line feed."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def decode_arguments(reply: ModelReply, index: int) -> bytes:
    """The arguments of one stored call, as JSON bytes."""
    return json.dumps(reply.calls[index].arguments).encode()
