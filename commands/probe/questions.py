"""The tiny requests of a probe, and whether a reply is what was asked for. Pure but for the key of each call."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from activities.providers.schema import closed_schema
from activities.turns.replies import thoughtless, unfenced
from contracts.agents import Choice
from contracts.base import Contract
from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    ToolAnswer,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from contracts.errors import ContractViolation

PATIENCE = timedelta(minutes=2)
"""How long one call may take; a local server may have to load its model first."""

OUTPUT = 2048
"""Output limit of a call: the answers need forty tokens, and some models think before them."""

SHORT = 16
"""Output limit where it is tested; less is refused by OpenAI's Responses."""

CODE_WORD = "heliotrope"


class Item(Contract):
    """An entry of the final output."""

    name: str


class Listing(Contract):
    """The final output: a choice of words, a value that may be null, a list of objects, as agents' schemas have them."""

    outcome: Literal["done", "could_not"]
    total: int | None
    items: tuple[Item, ...]


TOOL = ToolSpec(
    name="look_up",
    description="Returns the number of a thing.",
    parameters={
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
)

# The names of its fields are not said: who answers with them has read the schema.
PLAIN = "Report that the work is done, with a total of 3 and one item called alpha."
LONG = "Report that the work is done, with a total of 40 and forty items called n1, n2 and so on up to n40."
ONE = f"What is the number of alpha? Only the tool {TOOL.name} knows it: call it now, before you answer."
TWO = f"What are the numbers of alpha and of beta? Only the tool {TOOL.name} knows them: call it for both in this one reply."
NOTE = "This step ends now. Answer without tools: report that the work is done, the sum as total and each thing as an item."
RECALL = "Report that the work is done, with a total of 1 and one item that is called as the code word above."

SYSTEM = "A program tests what you can do. Do exactly what is asked, in as few words as possible."


def request(
    choice: Choice,
    text: str = "",
    *,
    messages: Sequence[Message] = (),
    tools: bool = False,
    most: int = OUTPUT,
    system: str = SYSTEM,
) -> ModelRequest:
    """A call with this text, or with these messages."""
    return ModelRequest(
        key=f"probe/{uuid.uuid4()}",
        model=choice.model_name,
        agent="probe",
        occurrence=1,
        turn=sum(isinstance(one, AssistantMessage) for one in messages),
        system=system,
        messages=tuple(messages) or (UserMessage(text=text),),
        tools=(TOOL,) if tools else (),
        answer_name="listing_1",
        answer_schema=dict(closed_schema(Listing)),
        max_output_tokens=most,
        timeout=min(PATIENCE, choice.latency or PATIENCE),
        options=choice.options,
    )


def filler(tokens: int) -> str:
    """A prompt of about so many tokens, with the code word at its beginning, where a server that cuts silently cuts."""
    line = "The quick brown fox jumps over the lazy dog and comes back again. "  # 14 tokens
    return f"{SYSTEM}\nThe code word is {CODE_WORD}.\n{line * (tokens // 14)}"


def after_tools(asked: str, reply: ModelReply, provider: str, model: str) -> tuple[Message, ...]:
    """The conversation with the reply's calls answered, as it goes back to the model that made them."""
    echo = AssistantMessage(text=reply.text, calls=reply.calls, provider=provider, model=model, native=reply.native)
    answers = tuple(ToolAnswer(call_id=one.call_id, name=one.name, text=str(7 + at)) for at, one in enumerate(reply.calls))
    return UserMessage(text=asked), echo, ToolMessage(answers=answers)


def misfit(reply: ModelReply) -> str:
    """Why the reply is no final output that fits the schema; "" if it is one."""
    if reply.calls:
        return "it called a tool"
    if not reply.text.strip():
        return _nothing(reply)
    try:
        Listing.read_strict(unfenced(thoughtless(reply.text)))
    except ContractViolation:
        return f"its answer does not fit the schema: {reply.text}"
    return ""


def silent(reply: ModelReply) -> str:
    """Why the reply says nothing; "" if it says something."""
    return "" if reply.text.strip() or reply.calls else _nothing(reply)


def uncalled(reply: ModelReply, *names: str) -> str:
    """Why the reply is no call for each of these names; "" if it is."""
    wrong = next((one for one in reply.calls if one.problem is not None), None)
    if wrong is not None:
        return f"its call cannot be read: {wrong.problem}"
    if not reply.calls:
        return f"it called no tool and said: {reply.text}" if reply.text.strip() else _nothing(reply)
    called = sorted(_name(one.arguments) for one in reply.calls if one.name == TOOL.name)
    if called == sorted(names):
        return ""
    return "it made one call, not two" if len(reply.calls) < len(names) else f"it made other calls: {', '.join(called)}"


def unlimited(reply: ModelReply) -> str:
    """Why the reply was not limited to `SHORT` tokens; "" if it was. One more is allowed: some count the one that ends it."""
    written = len(reply.text) // 8 if reply.usage is None else reply.usage.output
    if reply.stop == "length" or written <= SHORT + 1:
        return ""
    return f"it is taken, and limits nothing: {written} tokens came where {SHORT} were allowed"


def forgotten(reply: ModelReply) -> str:
    """Why the reply does not show that the beginning of the prompt was read; "" if it does."""
    if CODE_WORD in reply.text.lower():
        return ""
    return f"it does not know what stood at the beginning, as if the server had cut it off silently: {reply.text}"


def uncached(reply: ModelReply) -> str:
    """Why the reply does not show that its prompt came from a cache; "" if it does."""
    if reply.usage is None:
        return "no usage is reported"
    return "" if reply.usage.cache_read else "the same input again was counted without cached tokens"


def _name(arguments: Any) -> str:
    return str(arguments.get("name")).strip().lower() if isinstance(arguments, dict) else ""


def _nothing(reply: ModelReply) -> str:
    return f"it said nothing within {OUTPUT} tokens" if reply.stop == "length" else "its reply was empty"
