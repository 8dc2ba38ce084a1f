"""What some endpoints want otherwise in the messages of Chat Completions: contents, notes after tool results, call ids."""

import hashlib
import re
from typing import Any

from activities.providers.capabilities import Known

_NINE = re.compile(r"[a-zA-Z0-9]{9}")


def adapted(messages: list[dict[str, Any]], known: Known) -> list[dict[str, Any]]:
    """The messages as this endpoint accepts them. The given ones are not changed."""
    found = [_with_ids(_with_content(message, known), known) for message in messages]
    return found if known.after_tools == "user" else _notes_moved(found, known)


def _with_content(message: dict[str, Any], known: Known) -> dict[str, Any]:
    """An assistant message that only calls tools, with the content that the endpoint wants to see there."""
    calls_only = message["role"] == "assistant" and message.get("tool_calls") and not message.get("content")
    if known.call_content is None or not calls_only:
        return message
    bare = {name: value for name, value in message.items() if name != "content"}
    return bare if known.call_content == "omitted" else bare | {"content": "" if known.call_content == "empty" else None}


def _with_ids(message: dict[str, Any], known: Known) -> dict[str, Any]:
    if known.call_ids == "any":
        return message
    if message.get("tool_calls"):
        return message | {"tool_calls": [call | {"id": _nine(call.get("id"))} for call in message["tool_calls"]]}
    return message | {"tool_call_id": _nine(message["tool_call_id"])} if "tool_call_id" in message else message


def _nine(call_id: Any) -> str:
    """The id if it has nine letters and digits, else nine that are made of it, the same each time."""
    text = str(call_id)
    return text if _NINE.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:9]


def _notes_moved(messages: list[dict[str, Any]], known: Known) -> list[dict[str, Any]]:
    """No user message right after a tool result: part of the result, or behind a short message of the assistant."""
    found: list[dict[str, Any]] = []
    for message in messages:
        after_tool = message["role"] == "user" and bool(found) and found[-1]["role"] == "tool"
        if after_tool and known.after_tools == "merged":
            found[-1] = found[-1] | {"content": f"{found[-1]['content']}\n\n[Note from Baton] {message['content']}"}
            continue
        if after_tool:
            found.append({"role": "assistant", "content": "Understood."})
        found.append(message)
    return found
