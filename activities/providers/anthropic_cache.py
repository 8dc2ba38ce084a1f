"""Where Anthropic keeps the beginning of a prompt, so that the next turn of the conversation pays a tenth or less for it."""

import json
from typing import Any

SMALLEST = 1024
"""Bytes from which on a beginning can be worth a mark: half of what 512 tokens have, the least that any model keeps."""

_KEEP = {"type": "ephemeral"}


def marked(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its marks, at most the four that are allowed. Only a conversation with tools has them.

    Keeping costs a quarter more than reading plainly, so it pays only where somebody comes back within minutes: the next turn
    does. It reads up to the last mark of this one, which is why that place is marked again. The end of the instructions is
    for other steps of the same agent, the end of the task for attempts that begin anew. A mark too many costs nothing.
    """
    tools, messages = body.get("tools"), body["messages"]
    if not tools:
        return body
    before = len(json.dumps(tools)) + len(body.get("system", ""))
    if body.get("system") and before >= SMALLEST:
        body = body | {"system": [{"type": "text", "text": body["system"], "cache_control": _KEEP}]}
    # First, last, and what was last a turn ago; user messages all, as roles take turns.
    places = sorted({0, max(len(messages) - 3, 0), len(messages) - 1})
    ends = [place for place in places if before >= SMALLEST or before + len(json.dumps(messages[: place + 1])) >= SMALLEST]
    return body | {"messages": [_mark(message) if index in ends else message for index, message in enumerate(messages)]}


def _mark(message: dict[str, Any]) -> dict[str, Any]:
    """The message with a mark at its end."""
    *blocks, last = message["content"]
    return message | {"content": [*blocks, last | {"cache_control": _KEEP}]}
