"""Where Anthropic caches a prompt's prefix, so that the next turn of the conversation pays a tenth or less for it."""

import json
from typing import Any

SMALLEST = 1024
"""Shortest prefix, in bytes, that is worth a mark: half the size of 512 tokens, the least that any model caches."""

_KEEP = {"type": "ephemeral"}


def marked(body: dict[str, Any]) -> dict[str, Any]:
    """The body with cache marks, at most the four that are allowed. Only conversations with tools get them.

    Writing to the cache costs a quarter more than plain input, so it pays only if the prefix is read again within minutes, as
    the next turn does. That turn reads up to this one's last mark, which is why the same place is marked again. The mark after
    the instructions serves other steps of the agent, the one after the task attempts that start over. An extra mark costs
    nothing.
    """
    tools, messages = body.get("tools"), body["messages"]
    if not tools:
        return body
    before = len(json.dumps(tools)) + len(body.get("system", ""))
    if body.get("system") and before >= SMALLEST:
        body = body | {"system": [{"type": "text", "text": body["system"], "cache_control": _KEEP}]}
    # The first, the last, and the one that was last a turn ago; all are user messages, because roles alternate.
    places = sorted({0, max(len(messages) - 3, 0), len(messages) - 1})
    ends = [place for place in places if before >= SMALLEST or before + len(json.dumps(messages[: place + 1])) >= SMALLEST]
    return body | {"messages": [_mark(message) if index in ends else message for index, message in enumerate(messages)]}


def _mark(message: dict[str, Any]) -> dict[str, Any]:
    """The message with a cache mark at its end."""
    *blocks, last = message["content"]
    return message | {"content": [*blocks, last | {"cache_control": _KEEP}]}
