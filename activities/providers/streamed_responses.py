"""A response of its streamed events, in the form of one that is not streamed. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from activities.providers.stream_parts import Unfinished, as_dict

_RUNNING = ("in_progress", "queued")

_PIECES = {
    "response.output_text": ("output_text", "text"),
    "response.refusal": ("refusal", "refusal"),
    "response.function_call_arguments": ("function_call", "arguments"),
}
"""What comes in pieces, by the beginning of their events' type: of what it is a part, and where the whole stands at its end."""


def response_of(events: Sequence[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    """The response that the last event holds; its items may have come before it only. Raises `Unfinished`.

    `ended`: the stream said so in a way that belongs to another format.
    """
    held: list[dict[str, Any]] = [one["response"] for one in events if isinstance(one.get("response"), dict)]
    last = held[-1] if held else {}
    items = [one["item"] for one in events if one.get("type") == "response.output_item.done" and "item" in one]
    if not held or last.get("status") in _RUNNING:
        if not ended or not (items := items or list(_built(events))):
            raise Unfinished
        last = last | {"status": "completed"}
    return last if last.get("output") else last | {"output": items or list(_built(events))}


def _built(events: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items that the pieces make up, where none came whole."""
    begun: dict[str, dict[str, Any]] = {}
    texts: dict[str, dict[str, tuple[str, str]]] = {}
    for event in events:
        at, part = repr(event.get("output_index")), repr(event.get("content_index"))
        stem, _, step = str(event.get("type")).rpartition(".")
        if event.get("type") == "response.output_item.added":
            begun[at] = as_dict(event.get("item"))
        elif stem in _PIECES and step in ("delta", "done"):
            kind, whole = _PIECES[stem]
            said, before = event.get("delta" if step == "delta" else whole), texts.setdefault(at, {}).get(part, (kind, ""))[1]
            if isinstance(said, str):
                texts[at][part] = (kind, before + said if step == "delta" else said)
    for at in dict.fromkeys([*begun, *texts]):
        yield from _item(begun.get(at, {}), list(texts.get(at, {}).values()))


def _item(begun: dict[str, Any], parts: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """An item of its parts. A call of which only the arguments are known is none, and one without them is as it began."""
    if begun.get("type") == "function_call":
        said = "".join(text for kind, text in parts if kind == "function_call")
        yield {key: value for key, value in begun.items() if key != "status"} | {"arguments": said} if said else begun
    elif content := [{"type": kind, _HOLDERS[kind]: text} for kind, text in parts if kind in _HOLDERS]:
        yield {"type": "message", "role": "assistant", "content": content}


_HOLDERS = {"output_text": "text", "refusal": "refusal"}
