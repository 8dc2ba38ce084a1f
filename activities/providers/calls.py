"""Tool calls as providers write them: read where there is no doubt, and written back in a form that every server takes."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from activities.providers.reply_body import first_unclear, plain, strict_json
from contracts.conversation import ToolCall

_ID_LENGTH = 9
"""Letters and digits of an id that we make: the only length that Mistral takes, and all others take it, too."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True)
class Written:
    """A call as it stands in a reply, before it is read. `problem` is what is wrong with it but for its arguments."""

    call_id: Any
    name: Any
    arguments: Any
    problem: str | None = None


def read_calls(written: Iterable[Written], key: str) -> tuple[ToolCall, ...]:
    """The calls. Ids that are missing or stand twice are made from `key`, the request's: a retry makes the same ones."""
    found: list[ToolCall] = []
    known: set[str] = set()
    for position, one in enumerate(written):
        call_id = one.call_id if isinstance(one.call_id, str) else ""
        # Answers go back by these ids: equal ones could not be told apart.
        number = position
        while not call_id.strip() or call_id in known:
            call_id, number = made_id(key, number), number + 1000
        known.add(call_id)
        arguments, problem = arguments_of(one.arguments)
        name = one.name if isinstance(one.name, str) else ""
        found.append(ToolCall(call_id=call_id, name=name, arguments=arguments, problem=one.problem or problem))
    return tuple(found)


def made_id(*parts: object) -> str:
    """An id for a call, always the same for the same parts."""
    return hashlib.sha256("/".join(str(part) for part in parts).encode("utf-8", "replace")).hexdigest()[:_ID_LENGTH]


def arguments_of(raw: Any) -> tuple[JsonValue, str | None]:
    """A call's arguments, or what came instead and why it is of no use.

    An object may come as one, as its JSON, or as JSON of a text that holds it. Nothing, null and blank text are no arguments.
    """
    if not isinstance(raw, str):
        return _given(raw)
    try:
        value = strict_json(raw) if raw.strip() else None
        if isinstance(value, str):
            inner = strict_json(value) if value.strip() else None
            value = inner if isinstance(inner, dict) or inner is None else value
    except ValueError as error:
        # The raw text may hold half a surrogate pair, which could not be stored.
        return raw.encode("utf-8", "replace").decode(), f"the arguments are not JSON: {error}"
    return _given(value)


def _given(value: Any) -> tuple[JsonValue, str | None]:
    unclear = first_unclear(value)
    if unclear is not None:
        return plain(value), f"the arguments cannot be read: {unclear.why}"
    if value is None:
        return {}, None
    return value, None if isinstance(value, dict) else "the arguments are not a JSON object"


def object_of(call: ToolCall) -> dict[str, JsonValue]:
    """Arguments as an object, also where the model wrote something unreadable: many servers parse what they get back."""
    if isinstance(call.arguments, dict) and call.problem is None:
        return call.arguments
    text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
    return {"unreadable": text}


def arguments_text(call: ToolCall, written: Any = None) -> str:
    """Arguments as the JSON text of an object; as it was `written` by the model, if that is such a text."""
    if call.problem is None and isinstance(written, str) and written.lstrip().startswith("{"):
        return written
    return json.dumps(object_of(call), ensure_ascii=False)


def sent_id(call_id: str) -> str:
    """A call's id as every server takes it, the same for the call and its answer."""
    return call_id if _NAME.fullmatch(call_id) else made_id(call_id)


def sent_name(call: ToolCall) -> str:
    """The tool's name in the characters that every server takes; only a name that no tool has is changed."""
    if _NAME.fullmatch(call.name):
        return call.name
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call.name)[:64] or "unnamed"


def text_of(content: Any) -> str:
    """The text of a message's content: a text, its parts, one part alone, or the answer itself as an object."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(part) for part in content if isinstance(part, str) or _is_text_part(part))
    if isinstance(content, Mapping):
        if _is_text_part(content):
            return text_of(content.get("text"))
        # Servers that parse a JSON answer send what they parsed.
        return "" if "type" in content or first_unclear(content) else json.dumps(content, ensure_ascii=False)
    return ""


def _is_text_part(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") in (None, "", "text", "output_text")
        and isinstance(part.get("text"), str)
    )


def typed(parts: Any) -> bool:
    """Whether these are parts that say what they are: no server takes others back, wherever they came from."""
    return isinstance(parts, list) and all(isinstance(part, dict) and _is_name(part.get("type")) for part in parts)


def _is_name(kind: Any) -> bool:
    return isinstance(kind, str) and bool(kind.strip())


def matching(calls: Sequence[ToolCall], items: Sequence[Any]) -> list[dict[str, Any]] | None:
    """The items that hold these calls, in the same order; None if they are others, or none."""
    held = [item for item in items if isinstance(item, dict)]
    return held if len(held) == len(calls) == len(items) else None
