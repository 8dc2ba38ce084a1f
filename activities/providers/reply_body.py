"""The body of a provider's reply: found in whatever is around it, and strict only about what is used."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from activities.providers.base import ErrorKind, ProviderError
from activities.providers.errors import error_in_success, provider_error, said
from activities.providers.event_stream import Unfinished, events_of, is_stream, whole_reply
from activities.providers.token_counts import believed
from contracts.conversation import ModelReply, StatedCost, Usage
from contracts.errors import BatonError

DEPTH_LIMIT = 64
"""Most levels of nesting in a reply. No contract has as many, and deeper values break encoders later on."""


class Unclear:
    """Stands in a decoded body for a value that can be read in no way, or in two. It has no use but to be ignored."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return f"<unclear: {self.why}>"


class Refused(BatonError):
    """The reply cannot be used as it is; the text says where it differs from what was expected."""

    def __init__(self, why: str, kind: ErrorKind = "drift") -> None:
        super().__init__(why)
        self.kind = kind


def strict_json(text: str) -> Any:
    """The decoded value. Raises `ValueError` for bad JSON, repeated keys, NaN, lone surrogates and deep nesting."""
    value = loose_json(text)
    found = first_unclear(value)
    if found is not None:
        raise ValueError(found.why)
    return value


def loose_json(text: str, ends: tuple[str, ...] = ()) -> Any:
    """The decoded value, with an `Unclear` in place of whatever cannot be read. Raises `ValueError` for bad JSON.

    After the value may come blanks, and lines that begin with one of `ends`.
    """
    try:
        value, end = _DECODER.raw_decode(text, len(text) - len(text.lstrip(_BLANK)))
        if end < len(text) and any(line.strip(_BLANK) and not line.startswith(ends) for line in text[end:].split("\n")):
            raise json.JSONDecodeError("Extra data", text, end)
        return value if _is_plain(text) else _checked(value, DEPTH_LIMIT)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def first_unclear(value: Any) -> Unclear | None:
    """The first `Unclear` within a value, or None: then it is plain JSON."""
    if isinstance(value, Unclear):
        return value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for item in inside if (found := first_unclear(item)) is not None), None)


def plain(value: Any) -> Any:
    """The value without what is `Unclear`: it can be stored, shown and sent back."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not isinstance(item, Unclear)}
    if isinstance(value, list):
        return [plain(item) for item in value if not isinstance(item, Unclear)]
    return None if isinstance(value, Unclear) else value


def read_reply(
    endpoint: str,
    body: bytes,
    secret: str,
    counted: Callable[[Mapping[str, Any]], Usage | None],
    stated: Callable[[Mapping[str, Any]], StatedCost | None],
    made_of: Callable[[dict[str, Any]], ModelReply],
) -> ModelReply:
    """What `made_of` makes of the body, with its `stated` cost.

    Raises `ProviderError`, and nothing else, for a body or a form that is not understood. Such an error knows what the reply
    has used and costs, if `counted` and `stated` can tell: it is charged by that.
    """
    reply = _reply_object(endpoint, body, secret)
    wrapped = error_in_success(endpoint, plain(reply), secret=secret)
    if wrapped is not None:
        raise wrapped.having_used(counted(reply), stated(reply)) from None
    try:
        return made_of(reply).model_copy(update={"stated": stated(reply)})
    except Refused as error:
        # One that broke off before its first word has no output; of any other it is not known what it said.
        used = believed(counted(reply), said=error.kind == "drift")
        raise provider_error(error.kind, endpoint, said(str(error), secret)).having_used(used, stated(reply)) from None


def shown(value: Any) -> str:
    """A value for an error's text, if it is too short to be content."""
    text = repr(plain(value)) if not isinstance(value, Unclear) else repr(value)
    return f" (got {text})" if len(text) <= 60 else ""


def _reply_object(endpoint: str, body: bytes, secret: str) -> dict[str, Any]:
    try:
        # UTF-16 and UTF-32 are told by their marks or zeros, as in every reader of JSON.
        text = body.decode(json.detect_encoding(body)).lstrip(_BLANK)
    except UnicodeDecodeError:
        raise provider_error("not_json", endpoint, "the reply is not UTF-8 text") from None
    try:
        value = _decoded(text)
    except Unfinished as error:
        raise provider_error("cut", endpoint, f"the reply {error}, after {len(body)} bytes") from None
    except json.JSONDecodeError as error:
        raise _not_json(endpoint, text, error, len(body), secret) from None
    except ValueError as error:
        raise provider_error("drift", endpoint, f"the reply cannot be trusted: {error}") from None
    if not isinstance(value, dict):
        raise provider_error("drift", endpoint, "the reply is JSON but not an object")
    return value


def _decoded(text: str) -> Any:
    """The one value of a body, also of one that is a stream of events although none was asked for."""
    while text.startswith(":"):  # comments that keep a connection alive
        text = text.partition("\n")[2].lstrip(_BLANK)
    if is_stream(text):
        events, ended = events_of(text)
        return whole_reply([value for one in events for value in _values(one)], loose_json, ended=ended)
    try:
        return loose_json(text, (":", "data: [DONE]"))
    except json.JSONDecodeError:
        # Some gateways stream a value a line, without the word before it.
        values = _values(text)
        if not all(isinstance(value, dict) for value in values):
            raise
        return whole_reply(values, loose_json, ended=False)


def _values(text: str) -> list[Any]:
    """The one value in a text, or that of each line: not all servers put a blank line between events."""
    try:
        return [loose_json(text)]
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
        if not (values := _each(lines[:-1])):
            raise
    return [*values, loose_json(lines[-1])]  # where it is the last line that breaks off, it says so


def _each(lines: list[str]) -> list[Any]:
    """The values of lines; none if one of them is no JSON by itself."""
    try:
        return [loose_json(line) for line in lines]
    except json.JSONDecodeError:
        return []


def _not_json(endpoint: str, text: str, error: json.JSONDecodeError, size: int, secret: str) -> ProviderError:
    """The error for what is no JSON. A lost connection leaves JSON that stops; what is none from the start is no answer."""
    read = error.doc
    ended_early = read.lstrip(_BLANK)[:1] == "{" and (error.pos >= len(read.rstrip()) or "Unterminated" in error.msg)
    if ended_early:
        return provider_error("cut", endpoint, f"the reply ends in the middle, after {size} bytes")
    return provider_error("not_json", endpoint, f"the reply is not JSON but {said(text, secret)[:80]!r}")


_BLANK = "\ufeff \t\r\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    value = {}
    for key, item in pairs:
        # Said twice in the same words is said once.
        same = key not in value or (type(item) is type(value[key]) and repr(item) == repr(value[key]))
        value[key] = item if same else Unclear("an object has the same key twice")
    return value


def _float(written: str) -> Any:
    value = float(written)
    return value if math.isfinite(value) else Unclear("a number is too large")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_constant=lambda name: Unclear(f"{name} is not JSON")
)


def _is_plain(text: str) -> bool:
    """Whether there is nothing to be checked in what this text holds: looking at each value costs more than decoding it."""
    halves = "\\ud" in text or "\\uD" in text or not _encodable(text)
    return not halves and text.count("{") + text.count("[") <= DEPTH_LIMIT


def _checked(value: Any, room: int) -> Any:
    """The value with an `Unclear` for deep nesting and for lone surrogates, which no encoder takes."""
    if isinstance(value, str):
        return value if _encodable(value) else Unclear("a text holds half a surrogate pair")
    if not isinstance(value, dict | list):
        return value
    if room <= 0:
        return Unclear("nested too deeply")
    if isinstance(value, list):
        return [_checked(item, room - 1) for item in value]
    return dict(_checked_item(key, item, room - 1) for key, item in value.items())


def _checked_item(key: str, item: Any, room: int) -> tuple[str, Any]:
    if _encodable(key):
        return key, _checked(item, room)
    return key.encode("utf-8", "replace").decode(), Unclear("a key holds half a surrogate pair")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
