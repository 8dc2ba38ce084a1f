"""A reply that comes as server-sent events, asked for or not: put together again. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.errors import BatonError

_LINE_END = re.compile(r"\r\n|\n|\r")
"""No other one: JSON may hold the rest of what Python takes for a line's end."""

_FIELDS = ("data:", "event:", "id:", "retry:")
_JOINED = ("content", "refusal", "reasoning_content", "reasoning")
"""Texts of a message that come in pieces."""

_PARTS = ("text", "summary", "thinking", "signature")
"""Texts of a part in a list that come in pieces, where the parts are numbered."""

_LAST = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed", "response.cancelled"})


class Unfinished(BatonError):
    """The stream ends in the middle."""


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events."""
    return text.startswith(_FIELDS)


def events_of(text: str) -> tuple[list[str], bool]:
    """The data of every event, and whether the stream said that it has ended."""
    found: list[str] = []
    data: list[str] = []
    for line in [*_LINE_END.split(text), ""]:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line.strip() and data:
            found.append("\n".join(data))
            data = []
    said = [one for one in found if one.strip()]
    return [one for one in said if one.strip() != "[DONE]"], any(one.strip() == "[DONE]" for one in said)


def is_last(event: Mapping[str, Any]) -> bool:
    """Whether nothing comes after this event that counts."""
    return event.get("type") in _LAST or _has_failed(event)


def is_finish(event: Mapping[str, Any]) -> bool:
    """Whether this event says why the model stopped: the reply is whole, though its usage may still come."""
    return bool(_first(event).get("finish_reason") or _dict(event.get("delta")).get("stop_reason"))


def piece_of(event: Mapping[str, Any]) -> tuple[str, int]:
    """What an event adds to the answer's text, and how many characters it has with thoughts and calls."""
    delta = event.get("delta")
    if isinstance(delta, str):
        return delta if event.get("type") == "response.output_text.delta" else "", len(delta)
    delta = _dict(delta) or _dict(_first(event).get("delta"))
    text = next((one for key in ("content", "text") if isinstance(one := delta.get(key), str)), "")
    # Gateways send the same thought under several names.
    thought = max(_length(delta.get(key)) for key in ("reasoning_content", "reasoning", "thinking"))
    calls = sum(_length(_dict(_dict(call).get("function")).get("arguments")) for call in _list(delta.get("tool_calls")))
    return text, len(text) + thought + calls + _length(delta.get("partial_json")) + _length(delta.get("refusal"))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


def _has_failed(event: Mapping[str, Any]) -> bool:
    """Whether the event is an error: as its own field, or flat as in Responses and older servers."""
    return bool(isinstance(event.get("error"), dict | str) and event["error"]) or "error" in (
        event.get("type"),
        event.get("object"),
    )


def whole_reply(events: Sequence[Any], decode: Callable[[str], Any], *, ended: bool) -> Any:
    """The reply that the events make up, in the form of one that is not streamed. `decode` reads JSON within a text.

    Raises `Unfinished`, and `ValueError` for events that make up none.
    """
    events = [one for one in events if isinstance(one, dict)]
    # An error in the middle is what counts, as it would be under its own status.
    failed = next((one for one in events if _has_failed(one)), None)
    if failed is not None:
        return failed
    kinds = {one["type"] for one in events if isinstance(one.get("type"), str)}
    if any(kind.startswith("response.") for kind in kinds):
        return _response(events)
    if "message_start" in kinds:
        return _message(events, decode)
    whole = [one for one in events if not _is_chunk(one)]
    if len(whole) == 1 and len(events) == 1:
        return whole[0]
    if not any(_is_chunk(one) for one in events):
        raise ValueError("it is a stream of events that make up no reply")
    return _completion([one for one in events if _is_chunk(one)], ended=ended)


def _is_chunk(event: Mapping[str, Any]) -> bool:
    choices = event.get("choices")
    if event.get("object") == "chat.completion.chunk":
        return True
    return isinstance(choices, list) and not any(isinstance(one, dict) and "message" in one for one in choices)


def _completion(chunks: Sequence[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    """A chat completion of its chunks; usage may stand in several places, and the last one counts all."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    whole: dict[str, Any] = {}
    calls: dict[Any, dict[str, Any]] = {}
    finish = None
    for chunk in chunks:
        first = _first(chunk)
        whole |= {key: value for key, value in chunk.items() if key not in ("choices", "object") and value not in (None, "")}
        for holder in (first, _dict(chunk.get("x_groq"))):
            if isinstance(holder.get("usage"), dict):
                whole["usage"] = holder["usage"]
        finish = first.get("finish_reason") or finish
        delta = _dict(first.get("delta"))
        _join(message, delta)
        for position, call in enumerate(_list(delta.get("tool_calls"))):
            _add_call(calls, _dict(call), position)
    if finish is None and not ended:
        raise Unfinished("is a stream that ends in the middle")
    if calls:
        # The id first, as in a reply that is not streamed.
        message["tool_calls"] = [({"id": call["id"]} if "id" in call else {}) | call for call in calls.values()]
    return whole | {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _first(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a chunk that belongs to the first choice."""
    choices = [one for one in _list(chunk.get("choices")) if isinstance(one, dict)]
    return next((one for one in choices if one.get("index", 0) in (0, None)), {})


def _join(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if key in ("tool_calls", "role") or value is None:
            continue
        before = message.get(key)
        # Lists grow in every format, texts where they are known to come in pieces.
        if isinstance(value, list) and isinstance(before, list):
            message[key] = _grown(before, value)
        else:
            pieces = key in _JOINED and isinstance(value, str) and isinstance(before, str)
            message[key] = before + value if pieces else value


def _grown(before: list[Any], more: list[Any]) -> list[Any]:
    """Both lists; a numbered part that goes on with the last one is joined to it."""
    grown = list(before)
    for part in more:
        last = _dict(grown[-1]) if grown else {}
        number = _dict(part).get("index")
        if number is None or (last.get("index"), last.get("type")) != (number, part.get("type")):
            grown.append(part)
            continue
        said = {key: value for key, value in part.items() if value is not None}
        grown[-1] = (
            last | said | {key: str(last.get(key) or "") + said[key] for key in _PARTS if isinstance(said.get(key), str)}
        )
    return grown


def _add_call(calls: dict[Any, dict[str, Any]], piece: dict[str, Any], position: int) -> None:
    """Add a piece to its call. Without a number one with another id begins a call, and any other goes on with the last."""
    number = piece.get("index")
    if not isinstance(number, int):
        last = next(reversed(calls), None)
        known = last is not None and piece.get("id") in (None, "", calls[last].get("id"))
        number = last if known else (len(calls), position)
    call = calls.setdefault(number, {"type": "function", "function": {}})
    made, function = call["function"], _dict(piece.get("function"))
    for key, value in piece.items():
        if key not in ("index", "function") and value not in (None, ""):
            call[key] = value
    for key, value in function.items():
        if key == "arguments" and isinstance(value, str) and isinstance(made.get(key), str):
            made[key] += value
        elif value not in (None, "") or key not in made:
            made[key] = value


def _message(events: Sequence[dict[str, Any]], decode: Callable[[str], Any]) -> dict[str, Any]:
    """A message of Anthropic's format of its events."""
    whole: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    ended = False
    for event in events:
        kind, delta, at = event.get("type"), _dict(event.get("delta")), repr(event.get("index"))
        if kind == "message_start":
            whole = dict(_dict(event.get("message")))
        elif kind == "content_block_start":
            blocks[at] = dict(_dict(event.get("content_block")))
        elif kind == "content_block_delta" and at in blocks:
            _add_delta(blocks[at], delta)
        elif kind == "message_delta":
            counted = {key: value for key, value in _dict(event.get("usage")).items() if value is not None}
            whole |= delta | {"usage": _dict(whole.get("usage")) | counted}
        ended = ended or kind == "message_stop" or bool(delta.get("stop_reason"))
    if not ended:
        raise Unfinished("is a stream that ends in the middle")
    for block in blocks.values():
        if "partial_json" in block:
            block["input"] = _input(block.pop("partial_json"), block.get("input"), decode)
    return whole | {"content": list(blocks.values())}


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


def _response(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The response that the last event holds; its items may have come before it only."""
    held: list[dict[str, Any]] = [one["response"] for one in events if isinstance(one.get("response"), dict)]
    if not held or held[-1].get("status") in ("in_progress", "queued"):
        raise Unfinished("is a stream that ends in the middle")
    items = [one["item"] for one in events if one.get("type") == "response.output_item.done" and "item" in one]
    return held[-1] if held[-1].get("output") else held[-1] | {"output": items}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
