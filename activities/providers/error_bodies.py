"""What the body of a failed call says: its innermost message, its codes, and the wait that it names, in every form known."""

import ast
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

READ = 64 * 1024
"""Bytes of an error that are read."""

_DEPTH = 8
_TEXT = 4000
"""Characters of a message that are looked into."""

_CODES = ("type", "code", "status", "error_code", "error_type", "reason")
_MESSAGES = ("message", "Message", "detail", "msg", "error_msg", "error_message", "errorMessage", "error_description", "title")
_LITELLM = re.compile(r"^(?:litellm\.[\w.]+: *|\w+(?:Error|Exception)(?: *[:-] +))+")
_LITELLM_CLASS = re.compile(r"\blitellm\.(?:exceptions\.)?(\w+)")
_LITELLM_TAIL = re.compile(
    r"\.?\s*(?:Received Model Group=|Available Model Group Fallbacks=|LiteLLM Retried:|LiteLLM: model group ).*", re.DOTALL
)
_PAGE = re.compile(
    r"\s*(?:(?:<\?xml[^>]*>|<!--.*?-->)\s*)*(?:<!doctype html|<html|<head|<title|<body|<h1)", re.IGNORECASE | re.DOTALL
)
_WAITS = (
    *("retryDelay", "retry_after", "retry_after_seconds", "retry_after_ms", "retry-after", "retryAfter"),
    *("resets_in_seconds", "resets_at", "reset_at"),
)


@dataclass(frozen=True)
class Told:
    """What an error says. `waits` are fields that name a wait, as they are written."""

    message: str
    codes: tuple[str, ...] = ()
    waits: tuple[tuple[str, str], ...] = ()


def read_error(body: bytes) -> Told:
    """What this body says; a body that is no JSON is its own message, and an HTML page is known by its title."""
    text = body[:READ].decode("utf-8", "replace").lstrip("\ufeff")
    value = _decoded(text)
    if value is None:
        return Told(_page_or_text(text))
    return told(value, text)


def told(value: Any, text: str = "") -> Told:
    """What this decoded error says; `text` stands for it if it has no message."""
    found = _Search()
    message = found.message_of(value, _DEPTH) or (text or json.dumps(value, ensure_ascii=False, default=str))
    return Told(message, tuple(dict.fromkeys(found.codes)), tuple(found.waits))


def title_of(text: str) -> str:
    """What an HTML page is called, or its first words; "" if the text is no page."""
    if not _PAGE.match(text):
        return ""
    for tag in ("title", "h1"):
        found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}", text[:READ], re.IGNORECASE | re.DOTALL)
        if found and (title := _plain(found[1])):
            return title
    return _plain(re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text[:_TEXT]))[:200]


def _page_or_text(text: str) -> str:
    title = title_of(text)
    if title:
        return f"a web page, {title!r}"
    # What AWS and others answer in XML.
    said = re.search(r"<message>(.*?)</message>", text, re.IGNORECASE | re.DOTALL)
    return _plain(said[1]) if said else text


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def _decoded(text: str) -> Any:
    """The JSON value; None if there is none. Of a stream of events the first one with data."""
    event = re.search(r"^data: *(\{.*)$", text, re.MULTILINE)
    for one in (text, event[1] if event else ""):
        try:
            return json.loads(one)
        except (ValueError, RecursionError):
            continue
    return None


class _Search:
    """One walk through an error, from outside to inside."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.waits: list[tuple[str, str]] = []

    def message_of(self, value: Any, room: int) -> str:
        """The innermost message; "" if there is none."""
        if room == 0:
            return ""
        if isinstance(value, str):
            return self._inside(value, room)
        if isinstance(value, list):
            return self._of_list(value, room)
        return self._of_object(value, room) if isinstance(value, dict) else ""

    def _of_list(self, value: list[Any], room: int) -> str:
        # A server in Python (FastAPI) names each field that it refuses, and may repeat what was sent: that is left out.
        fields = [one for one in value if isinstance(one, dict) and isinstance(one.get("msg"), str) and "loc" in one]
        if fields:
            return "; ".join(f"{_place(one['loc'])}: {one['msg']}" for one in fields[:3])
        return next((found for one in value[:8] if (found := self.message_of(one, room - 1))), "")

    def _of_object(self, value: dict[str, Any], room: int) -> str:
        self._codes_of(value)
        for inner in self._inner(value):
            if found := self.message_of(inner, room - 1):
                return found
        for name in _MESSAGES:
            if found := self.message_of(value.get(name), room - 1):
                return found
        said = value.get("error")
        return self.message_of(said, room - 1) if isinstance(said, str) else ""

    def _codes_of(self, value: dict[str, Any]) -> None:
        for name in _CODES:
            code = value.get(name)
            if isinstance(code, str | int) and not isinstance(code, bool) and 0 < len(str(code)) <= 80:
                self.codes.append(str(code))
        for name in _WAITS:
            wait = value.get(name)
            # A duration of Google's, where it is not written as a text.
            wait = wait.get("seconds") if isinstance(wait, dict) else wait
            if isinstance(wait, str | int | float) and not isinstance(wait, bool):
                self.waits.append((name, str(wait)))
        # OpenRouter passes on the headers of whoever refused.
        headers = value.get("headers")
        if isinstance(headers, dict):
            self.waits += [(str(name).lower(), str(one)) for name, one in headers.items()]
        details = value.get("details")
        for one in details[:8] if isinstance(details, list) else (details, value.get("innererror"), value.get("metadata")):
            if isinstance(one, dict):
                self._codes_of({name: field for name, field in one.items() if name not in ("raw", "type")})

    def _inner(self, value: dict[str, Any]) -> Iterator[Any]:
        """What an error wraps, the innermost first."""
        metadata = value.get("metadata")
        if isinstance(metadata, dict):
            yield metadata.get("raw")
        choices = value.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            yield choices[0].get("error")
        for name in ("error", "errors", "response"):
            if not isinstance(value.get(name), str):
                yield value.get(name)

    def _inside(self, text: str, room: int) -> str:
        """The message in a text, which a gateway may have wrapped around the error that it got."""
        self.codes += _LITELLM_CLASS.findall(text[:_TEXT])
        if (inner := _embedded(text)) is not None and (found := self.message_of(inner, room - 1)):
            return found
        if title := title_of(text):
            return f"a web page, {title!r}"
        shown = _LITELLM_TAIL.sub("", text[:_TEXT])
        return _LITELLM.sub("", shown).strip() or text.strip()


def _place(where: Any) -> str:
    return ".".join(str(part) for part in where) if isinstance(where, list | tuple) else str(where)


def _embedded(text: str) -> Any:
    """The error object written within a text, as JSON or as Python prints it; None if there is none."""
    start = re.search(r"(?:\[\s*)?\{", text[:_TEXT])
    if start is None:
        return None
    rest = text[start.start() : start.start() + READ]
    try:
        value, _ = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError):
        value = _printed(rest)
    if isinstance(value, list):
        value = value[0] if value else None
    # Anything else is what the message is about, such as a schema, and no error.
    is_error = isinstance(value, dict) and (
        "error" in value
        or "detail" in value
        or (isinstance(value.get("message"), str) and (len(value) == 1 or {"code", "type", "object"} & set(value)))
    )
    return value if is_error else None


def _printed(text: str) -> Any:
    """The value of a Python literal that ends at the last bracket of this text."""
    end = max(text.rfind("}"), text.rfind("]")) + 1
    try:
        return ast.literal_eval(text[:end][:_TEXT])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
