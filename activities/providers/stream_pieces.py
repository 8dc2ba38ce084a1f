"""What the events of a stream say of how far it has got: the tokens so far, and the tool whose call is being written. Pure."""

from collections.abc import Mapping
from typing import Any

from activities.providers.stream_parts import as_dict, as_list
from activities.providers.streamed_chat import choice_in

_COUNTS = ("output_tokens", "completion_tokens")

_CHUNK = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation", "provider"}
)
_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs", "native_finish_reason"})
_EMPTY = ("refusal", "reasoning", "reasoning_content")
_DELTA = frozenset({"role", "content", *_EMPTY})
_BLOCK_DELTA = frozenset({"type", "index", "delta"})
"""Fields of events that add a text and do nothing else; some only where they are empty."""

_PIECES = ("text", "thinking", "partial_json")


def addition(event: Mapping[str, Any]) -> tuple[str, int] | None:
    """The text that an event adds, and its characters with thoughts and arguments, if that is all it does, as nearly all do.

    None: it takes a closer look. The functions that look closer say the same of it: no tokens are counted, and nothing ends.
    """
    if event.get("type") == "content_block_delta":
        return _of_block(event)
    if not event.keys() <= _CHUNK or event.get("object") != "chat.completion.chunk" or event.get("usage") is not None:
        return None
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
    if not isinstance(choice, dict) or not choice.keys() <= _CHOICE or choice.get("index") != 0 or choice.get("finish_reason"):
        return None
    delta = choice.get("delta")
    if not isinstance(delta, dict) or not delta.keys() <= _DELTA or any(delta.get(name) for name in _EMPTY):
        return None
    said = delta.get("content")
    return (said, len(said)) if isinstance(said, str) and said else None


def _of_block(event: Mapping[str, Any]) -> tuple[str, int] | None:
    delta = event.get("delta")
    if not event.keys() <= _BLOCK_DELTA or not isinstance(delta, dict) or len(delta) != 2 or "type" not in delta:
        return None
    piece = next((name for name in _PIECES if name in delta), "")
    said = delta.get(piece)
    return (said if piece == "text" else "", len(said)) if isinstance(said, str) else None


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
