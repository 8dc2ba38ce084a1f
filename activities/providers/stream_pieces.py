"""What the events of a stream say of how far it has got: the tokens so far, and the tool whose call is being written. Pure."""

from collections.abc import Mapping
from typing import Any

from activities.providers.stream_parts import as_dict, as_list
from activities.providers.streamed_chat import choice_in

_COUNTS = ("output_tokens", "completion_tokens")


def tokens_counted(event: Mapping[str, Any]) -> int | None:
    """How many tokens have been written by this event, as the provider counts; None where it does not say.

    What begins a message counts nothing yet, whatever number stands there.
    """
    if event.get("type") in ("message_start", "response.created", "response.in_progress"):
        return None
    for usage in (event.get("usage"), as_dict(event.get("response")).get("usage"), as_dict(event.get("x_groq")).get("usage")):
        for name in _COUNTS:
            count = as_dict(usage).get(name)
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                return count
    return None


def tool_begun(event: Mapping[str, Any]) -> str | None:
    """The tool whose call begins with this event; "" where something else begins, None where nothing does."""
    if event.get("type") == "content_block_start":
        return _name(as_dict(event.get("content_block")), "tool_use")
    if event.get("type") == "response.output_item.added":
        return _name(as_dict(event.get("item")), "function_call")
    delta = as_dict(choice_in(event).get("delta"))
    names = [as_dict(as_dict(call).get("function")).get("name") for call in as_list(delta.get("tool_calls"))]
    named = [name for name in names if isinstance(name, str) and name.strip()]
    if named:
        return named[-1]
    return "" if isinstance(delta.get("content"), str) and delta["content"] else None


def _name(block: Mapping[str, Any], kind: str) -> str:
    name = block.get("name")
    return name if block.get("type") == kind and isinstance(name, str) else ""
