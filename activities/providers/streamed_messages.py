"""A message in Anthropic's format of its streamed events, in the form of one that is not streamed. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from activities.providers.stream_parts import Unfinished, as_dict

KINDS = frozenset({"message_start", "content_block_start", "content_block_delta", "message_delta"})
"""Types of the events that make up a message."""

_BLOCKS = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking")}
"""What a block is that was not begun before its first piece came: its type, and where its text stands."""

_GIVEN = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def message_of(events: Sequence[dict[str, Any]], decode: Callable[[str], Any], *, ended: bool) -> dict[str, Any]:
    """The message, whose blocks are in the order in which they began. `decode` reads JSON. Raises `Unfinished`.

    `ended`: the stream said so in a way that belongs to another format.
    """
    whole: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    growing: dict[str, dict[str, Any]] = {}
    for event in events:
        kind, delta, at = event.get("type"), as_dict(event.get("delta")), repr(event.get("index"))
        if kind == "message_start":
            whole = dict(as_dict(event.get("message")))
        elif kind == "content_block_start" or (kind == "content_block_delta" and at not in growing and _begun(delta)):
            # A number that comes again is of another block: there are servers that give none but 0.
            blocks.append(dict(as_dict(event.get("content_block"))) or _begun(delta))
            growing[at] = blocks[-1]
        if kind == "content_block_delta" and at in growing:
            _add_delta(growing[at], delta)
        elif kind == "message_delta":
            whole |= delta | {"usage": as_dict(whole.get("usage")) | counted_in(event.get("usage"))}
        ended = ended or kind == "message_stop" or bool(delta.get("stop_reason"))
    if not ended:
        raise Unfinished
    for block in blocks:
        if "partial_json" in block:
            block["input"] = _input(block.pop("partial_json"), block.get("input"), decode)
    return whole | {"content": blocks or whole.get("content") or []}


def counted_in(usage: Any) -> dict[str, Any]:
    """What an event counts. Zeros in place of the input say nothing of it: the first event has counted that."""
    counted = {key: value for key, value in as_dict(usage).items() if value is not None}
    if any(counted.get(key) for key in _GIVEN):
        return counted
    return {key: value for key, value in counted.items() if key not in _GIVEN}


def _begun(delta: Mapping[str, Any]) -> dict[str, Any]:
    """A block as it would have begun; empty for a piece that does not say of what it is."""
    kind = delta.get("type")
    if not isinstance(kind, str) or kind not in _BLOCKS:
        return {}
    name, holder = _BLOCKS[kind]
    return {"type": name, holder: ""}


def _input(written: str, begun: Any, decode: Callable[[str], Any]) -> Any:
    """The arguments of a tool use; as text if they are no JSON, which is then the model's fault."""
    try:
        return decode(written) if written.strip() else begun
    except ValueError:
        return written


def _add_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key in ("text", "thinking", "signature", "partial_json"):
        value, before = delta.get(key), block.get(key)
        if isinstance(value, str):
            block[key] = before + value if isinstance(before, str) else value
