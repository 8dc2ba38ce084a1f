"""A reply that comes as server-sent events, asked for or not: put together again. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from activities.providers.stream_parts import Unfinished as Unfinished
from activities.providers.stream_parts import as_dict, as_list
from activities.providers.streamed_chat import choice_in, completion_of, is_chunk
from activities.providers.streamed_messages import KINDS, message_of
from activities.providers.streamed_responses import response_of

_LINE_END = re.compile(r"\r\n|\n|\r")
"""No other one: JSON may hold the rest of what Python takes for a line's end."""

_FIELDS = ("data:", "event:", "id:", "retry:")
_LAST = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed", "response.cancelled"})


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events."""
    return text.startswith(_FIELDS)


def events_of(text: str) -> tuple[list[str], bool]:
    """The data of every event, and whether the stream said that it has ended."""
    found: list[str] = []
    data: list[str] = []
    ended = False
    for line in [*_LINE_END.split(text), ""]:
        said = data_of(line)
        ended = ended or is_end(said)
        if said is not None and not is_end(said):
            data.append(said)
        elif data and (is_end(said) or not line.strip()):
            found.append("\n".join(data))
            data = []
    return [one for one in found if one.strip()], ended


def data_of(line: str) -> str | None:
    """What a line adds to the data of its event; None for a line of another kind."""
    if not line.startswith("data:"):
        return None
    # Gateways that pass a stream on as data put the word before it once more.
    while line.startswith("data:"):
        line = line[5:].removeprefix(" ")
    return line


def is_end(data: str | None) -> bool:
    """Whether the data says that the stream has ended."""
    return data is not None and data.strip() == "[DONE]"


def is_last(event: Mapping[str, Any]) -> bool:
    """Whether nothing comes after this event that counts."""
    return event.get("type") in _LAST or _has_failed(event)


def is_finish(event: Mapping[str, Any]) -> bool:
    """Whether this event says why the model stopped: the reply is whole, though its usage may still come."""
    return bool(choice_in(event).get("finish_reason") or as_dict(event.get("delta")).get("stop_reason"))


def piece_of(event: Mapping[str, Any]) -> tuple[str, int]:
    """What an event adds to the answer's text, and how many characters it has with thoughts and calls."""
    delta = event.get("delta")
    if isinstance(delta, str):
        return delta if event.get("type") == "response.output_text.delta" else "", len(delta)
    delta = as_dict(delta) or as_dict(choice_in(event).get("delta"))
    text = next((one for key in ("content", "text") if isinstance(one := delta.get(key), str)), "")
    # Gateways send the same thought under several names.
    thought = max(_length(delta.get(key)) for key in ("reasoning_content", "reasoning", "thinking"))
    calls = sum(_length(as_dict(as_dict(call).get("function")).get("arguments")) for call in as_list(delta.get("tool_calls")))
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
        return response_of(events, ended=ended)
    if KINDS & kinds:
        return message_of(events, decode, ended=ended)
    chunks = [one for one in events if is_chunk(one)]
    if len(events) == 1 and not chunks:
        return events[0]
    if not chunks:
        raise ValueError("it is a stream of events that make up no reply")
    return completion_of(chunks, ended=ended)
