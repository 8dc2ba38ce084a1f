"""What an agent had said when a limit ended its step or its call: stored, and readable by all."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from contracts.conversation import ModelReply
from contracts.text import for_model
from contracts.turns import CallModel, Partial
from ledger import artifacts, turns

SHOWN = 800
"""Most characters of it that the step's reason shows; the artifact has all."""

MODEL_SHOWN = 200

NAME = "what a step had said when its limit ended it"

BROKEN = "what {model} had written when its call failed"
"""Name of the text of a reply that was streamed in part."""


def keep_partial(
    connection: Connection, files: Path, request: CallModel, reply: ModelReply, problem: str | None
) -> Partial | None:
    """Store the last thing that the agent said. None if this was not the last chance, was fine, or nothing was ever said."""
    if request.finish is None or not problem:
        return None
    # The last reply may consist of tool calls alone, which will not run.
    text = reply.text.strip() or _said_before(connection, request.head)
    if not text:
        return None
    kept = artifacts.put(connection, files, text.encode())
    artifacts.note_seen(connection, request.run.trace, request.run.path, kept.digest, NAME, untrusted=True)
    return Partial(artifact=kept.digest, shown=for_model(text, SHOWN))


def partial_of(connection: Connection, files: Path, request: CallModel, row: Row[Any]) -> Partial | None:
    """The same for a turn that was stored before."""
    return keep_partial(connection, files, request, turns.reply_of(row), row.problem)


def keep_broken(connection: Connection, files: Path, request: CallModel, model: str, text: str) -> None:
    """Store the text of a reply that never became whole, for people and for tools; no turn has it. Safe to call twice."""
    stored = artifacts.put(connection, files, text.encode("utf-8", "replace"))
    name = BROKEN.format(model=for_model(model, MODEL_SHOWN))
    artifacts.note_seen(connection, request.run.trace, request.run.path, stored.digest, name, untrusted=True)


def _said_before(connection: Connection, head: str) -> str:
    """The newest text in the conversation: a model that ends with tool calls has often said something before."""
    texts = (turns.reply_of(row).text.strip() for row in reversed(turns.chain(connection, head)))
    return next((text for text in texts if text), "")
