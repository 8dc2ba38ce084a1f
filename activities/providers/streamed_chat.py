"""A chat completion of its streamed chunks, in the form of one that is not streamed. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.providers.stream_parts import Unfinished, as_dict, as_list, as_number

_JOINED = ("content", "refusal", "reasoning_content", "reasoning")
"""Texts of a message that come in pieces."""

_PARTS = ("text", "summary", "thinking", "signature")
"""Texts of a part in a list that come in pieces, where the parts are numbered."""

_CALLS = ("tool_calls", "function_call")
_FLAT = ("name", "arguments")


@dataclass
class _Call:
    """A call of which pieces come, and the number that they have."""

    number: int | None
    made: dict[str, Any] = field(default_factory=lambda: {"type": "function", "function": {}})


def is_chunk(event: Mapping[str, Any]) -> bool:
    """Whether an event is a piece of a completion, and not a whole one."""
    choices = event.get("choices")
    if event.get("object") == "chat.completion.chunk":
        return True
    return isinstance(choices, list) and not any(isinstance(one, dict) and "message" in one for one in choices)


def choice_in(chunk: Mapping[str, Any], number: int = 0) -> dict[str, Any]:
    """The part of a chunk that belongs to the choice of this number; a choice without a number is the first."""
    choices = [one for one in as_list(chunk.get("choices")) if isinstance(one, dict)]
    return next((one for one in choices if (as_number(one.get("index")) or 0) == number), {})


def completion_of(chunks: Sequence[dict[str, Any]], *, ended: bool) -> dict[str, Any]:
    """The completion; usage may stand in several places, and the last one counts all. Raises `Unfinished`."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    whole: dict[str, Any] = {}
    calls: list[_Call] = []
    finish, number = None, _first_number(chunks)
    for chunk in chunks:
        first = choice_in(chunk, number)
        whole |= {
            key: value for key, value in chunk.items() if key not in ("choices", "object") and value not in (None, "", {})
        }
        for holder in (first, as_dict(chunk.get("x_groq"))):
            if isinstance(holder.get("usage"), dict):
                whole["usage"] = holder["usage"]
        finish = first.get("finish_reason") or finish
        delta = as_dict(first.get("delta"))
        _join(message, delta)
        for piece in _pieces(delta):
            _add_piece(calls, piece)
    if finish is None and not ended:
        raise Unfinished
    if calls:
        # The id first, as in a reply that is not streamed.
        message["tool_calls"] = [({"id": one.made["id"]} if "id" in one.made else {}) | one.made for one in calls]
    return whole | {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _first_number(chunks: Sequence[Mapping[str, Any]]) -> int:
    """The number of the choice that is read: some servers count from one."""
    choices = [one for chunk in chunks for one in as_list(chunk.get("choices")) if isinstance(one, dict)]
    return min((as_number(one.get("index")) or 0 for one in choices), default=0)


def _join(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if key in (*_CALLS, "role") or value is None:
            continue
        before = message.get(key)
        pieces = key in _JOINED and isinstance(value, str) and isinstance(before, str)
        if pieces:
            message[key] = before + value
        # Mistral's reasoning models send their thoughts as parts, and what follows as texts.
        elif key == "content" and {type(before), type(value)} == {str, list}:
            message[key] = _mixed(before, value)
        # Lists grow in every format, texts where they are known to come in pieces.
        elif isinstance(value, list) and isinstance(before, list):
            message[key] = _grown(before, value)
        else:
            message[key] = value


def _mixed(before: Any, more: Any) -> list[Any]:
    """Both as parts, of which one is a text; texts that follow each other are one part."""
    parts: list[Any] = []
    for part in (*_as_parts(before), *_as_parts(more)):
        last = as_dict(parts[-1]) if parts else {}
        if set(last) == set(as_dict(part)) == {"type", "text"} and isinstance(last["text"], str) and last["type"] == "text":
            parts[-1] = {"type": "text", "text": last["text"] + str(part["text"])}
        else:
            parts.append(part)
    return parts


def _as_parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return as_list(content)


def _grown(before: list[Any], more: list[Any]) -> list[Any]:
    """Both lists; a numbered part that goes on with the last one is joined to it."""
    grown = list(before)
    for part in more:
        last = as_dict(grown[-1]) if grown else {}
        number = as_dict(part).get("index")
        if number is None or (last.get("index"), last.get("type")) != (number, part.get("type")):
            grown.append(part)
            continue
        said = {key: value for key, value in part.items() if value is not None}
        grown[-1] = (
            last | said | {key: str(last.get(key) or "") + said[key] for key in _PARTS if isinstance(said.get(key), str)}
        )
    return grown


def _pieces(delta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pieces of calls, also one without its list, or one in the older form."""
    calls, older = delta.get("tool_calls"), delta.get("function_call")
    if isinstance(calls, dict):
        calls = [calls]
    if not calls and isinstance(older, dict):
        calls = [{"index": 0, "function": older}]
    return [as_dict(piece) for piece in as_list(calls)]


def _add_piece(calls: list[_Call], piece: dict[str, Any]) -> None:
    """Add a piece to its call, or begin one with it."""
    # Some servers leave the inner object out.
    flat = {} if isinstance(piece.get("function"), dict) else {key: piece[key] for key in _FLAT if key in piece}
    function = as_dict(piece.get("function")) or flat
    call = _going_on(calls, piece, function)
    if call is None:
        calls.append(call := _Call(as_number(piece.get("index"))))
    for key, value in piece.items():
        if key not in ("index", "function", *flat) and value not in (None, ""):
            call.made[key] = value
    _extend(call.made["function"], function)


def _extend(made: dict[str, Any], function: Mapping[str, Any]) -> None:
    for key, value in function.items():
        before = made.get(key)
        if key == "arguments" and isinstance(value, str) and isinstance(before, str):
            # Some servers say the whole call once more at the end.
            made[key] = before if value == before and _is_whole(before) else before + value
        elif value not in (None, "") or key not in made:
            made[key] = value


def _going_on(calls: list[_Call], piece: Mapping[str, Any], function: Mapping[str, Any]) -> _Call | None:
    """The call that a piece goes on with: that of its number, else that of its id, else the last; None if it begins one."""
    number, call_id = as_number(piece.get("index")), piece.get("id")
    if number is not None:
        found = next((one for one in reversed(calls) if one.number == number), None)
    elif call_id:
        found = next((one for one in reversed(calls) if one.made.get("id") == call_id), None)
    else:
        found = calls[-1] if calls else None
    return None if found is None or _begins(found.made, call_id, function) else found


def _begins(made: Mapping[str, Any], call_id: Any, function: Mapping[str, Any]) -> bool:
    """Whether a piece is of another call although it has the number of this one, as Ollama and gateways number all calls 0.

    Only one with a name can be: vLLM has sent another id with each piece of a call.
    """
    name, known = function.get("name"), made.get("id")
    if not isinstance(name, str) or not name.strip():
        return False
    if call_id and known:
        return bool(call_id != known)
    other = name != made["function"].get("name") or function.get("arguments") not in (None, "")
    return other and _is_whole(made["function"].get("arguments"))


def _is_whole(arguments: Any) -> bool:
    """Whether these are all arguments of a call, to which nothing can be added."""
    if not isinstance(arguments, str):
        return isinstance(arguments, dict)
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False
