"""The provider of `command:NAME`: an outside program in a model's place.

As a model it has two things to say: run the program, and then: this is how it ended. So its step is a conversation like any
other, with its record, its retries and its workspace.
"""

import json
from typing import Any

from contracts.conversation import AssistantMessage, ModelReply, ModelRequest, ToolCall, ToolMessage, Usage, UserMessage
from contracts.errors import ContractViolation
from contracts.programs import PROGRAM, RUN_PROGRAM, ProgramRan
from contracts.text import one_line

REASON = 3900
"""Characters of a reason: fewer than an answer may have."""

WRITTEN = "write_summary_v1"
"""The one result that code can make for a program that names none: what was written says more than its words."""


class Program:
    """Asks for the program, then answers with how it ended. What it says depends on the request alone."""

    name = PROGRAM

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The call, or the answer after it. Never raises: what is wrong with a program is its step's result, no outage."""
        own = [at for at, one in enumerate(request.messages) if isinstance(one, AssistantMessage) and one.provider == PROGRAM]
        if not own:
            arguments = {"program": request.model, "told": _told(request)}
            asked = ToolCall(call_id=f"call_{request.turn}", name=RUN_PROGRAM, arguments=arguments)
            return _reply(request, "", (asked,))
        last, after = request.messages[own[-1]], request.messages[own[-1] + 1]
        if isinstance(last, AssistantMessage) and last.calls and isinstance(after, ToolMessage):
            return _reply(request, json.dumps(_answer(request, after.answers[0].text), ensure_ascii=False))
        # It has answered already, and a second start would not make a better answer out of the same work.
        why = after.text if isinstance(after, UserMessage) else "its answer was not taken"
        return _reply(
            request, json.dumps(_could_not(f"what {request.model} answered cannot be used: {why}"), ensure_ascii=False)
        )

    async def close(self) -> None:
        """There is nothing to give back."""


def _told(request: ModelRequest) -> str:
    """The task and what belongs to it, as models are told it."""
    return next((one.text for one in request.messages if isinstance(one, UserMessage)), "")


def _answer(request: ModelRequest, result: str) -> dict[str, Any]:
    """The answer that the tool's result is: what the program said, or what we make of what it did."""
    try:
        ran = ProgramRan.read(json.dumps(json.loads(result)["result"]))
    except (ValueError, KeyError, TypeError, ContractViolation):
        return _could_not(f"{request.model} did not run: {one_line(result, REASON - 200)}")
    if ran.outcome == "could_not":
        return _could_not(ran.reason)
    body = ran.body
    if body is None and request.answer_name == WRITTEN:
        said = ran.summary or f"the program {ran.program} changed these files and said nothing about them"
        body = {"summary": said, "how_it_meets": []}
    if body is None and ran.outcome == "done":
        return _could_not(f"{ran.program} ended done without a body, and nobody else can say what it found")
    return _whole(ran.outcome, ran.reason, ran.confidence, body)


def _could_not(reason: str) -> dict[str, Any]:
    return _whole("could_not", reason, 0, None)


def _whole(outcome: str, reason: str, confidence: int, body: dict[str, Any] | None) -> dict[str, Any]:
    said = reason[:REASON] if outcome != "done" else ""
    return {"outcome": outcome, "reason": said, "confidence": confidence, "questions": [], "claims": [], "body": body}


def _reply(request: ModelRequest, text: str, calls: tuple[ToolCall, ...] = ()) -> ModelReply:
    """A reply without tokens: what a program uses elsewhere nobody here can count."""
    return ModelReply(text=text, calls=calls, stop="tools" if calls else "end", model=request.model, usage=Usage())
