"""The body of a provider's reply, read strictly: JSON, plausible token counts, and nothing that is not understood."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from activities.providers.errors import error_in_success, provider_error, said
from contracts.conversation import Usage

DEPTH_LIMIT = 64
"""Most levels of nesting in a reply. No contract has as many, and deeper values break encoders later on."""

# Above it readers of JSON that use doubles no longer see the same number.
_TOKENS_LIMIT = 2**53

W = TypeVar("W", bound="Wire")


class Wire(BaseModel):
    """A reply as a provider sends it: exact types; fields that we do not use are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def strict_json(text: str) -> Any:
    """The decoded value. Raises `ValueError` for bad JSON, repeated keys, NaN, lone surrogates and deep nesting."""
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
        _check(value, DEPTH_LIMIT)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def read_reply(shape: type[W], endpoint: str, body: bytes, secret: str) -> tuple[W, dict[str, Any]]:
    """The body in its expected shape, and as plain JSON. Raises `ProviderError`: cut, not_json, drift, or a wrapped error."""
    reply = _reply_object(endpoint, body, secret)
    wrapped = error_in_success(endpoint, reply, secret=secret)
    if wrapped:
        raise wrapped
    try:
        return shape.model_validate(reply), reply
    except ValidationError as error:
        raise provider_error("drift", endpoint, _mismatch(error, secret)) from None


def arguments_of(raw: str) -> tuple[JsonValue, str | None]:
    """A tool call's decoded arguments, or the raw text and why it could not be decoded. Blank text means no arguments."""
    if not raw.strip():
        return {}, None
    try:
        value = strict_json(raw)
    except ValueError as error:
        # The raw text may hold half a surrogate pair, which could not be stored.
        return raw.encode("utf-8", "replace").decode(), f"the arguments are not JSON: {error}"
    return value, None if isinstance(value, dict) else "the arguments are not a JSON object"


def tokens(usage: Any, names: Iterable[str], *, required: bool = False) -> int:
    """The sum of some counters. Raises `ValueError` if one is not a plain count, or a required one is missing."""
    total = 0
    for name in names:
        value = usage.get(name) if isinstance(usage, Mapping) else None
        if value is None and not required:
            continue
        # In Python `True` is an int, and would count as one token.
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TOKENS_LIMIT:
            raise ValueError(f"{name} is no count of tokens")
        total += value
    return total


def plausible(usage: Usage, *, said: bool) -> Usage:
    """Return the usage unchanged; `said` tells whether the reply has text or calls.

    Raises `ValueError` if a part is larger than its whole, or nothing was counted although there was something: every prompt
    has tokens, and a proxy that counts none would make every call free.
    """
    if usage.input == 0 or (said and usage.output == 0):
        raise ValueError("the usage counts nothing")
    if usage.cache_read + usage.cache_write > usage.input or usage.reasoning > usage.output:
        raise ValueError("a part of the usage is larger than its whole")
    return usage


def _reply_object(endpoint: str, body: bytes, secret: str) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise provider_error("not_json", endpoint, "the reply is not UTF-8 text") from None
    try:
        value = strict_json(text)
    except json.JSONDecodeError as error:
        # A lost connection leaves JSON that stops; what is no JSON from the start was never an answer.
        start = text.lstrip()[:1]
        ended_early = start == "{" and (error.pos >= len(text.rstrip()) or "Unterminated" in error.msg)
        if ended_early:
            raise provider_error("cut", endpoint, f"the reply ends in the middle, after {len(body)} bytes") from None
        raise provider_error("not_json", endpoint, f"the reply is not JSON but {said(text, secret)[:80]!r}") from None
    except ValueError as error:
        raise provider_error("drift", endpoint, f"the reply cannot be trusted: {error}") from None
    if not isinstance(value, dict):
        raise provider_error("drift", endpoint, "the reply is JSON but not an object")
    return value


def _mismatch(error: ValidationError, secret: str) -> str:
    """Where the reply first differs from its shape, with the value there if it is too short to be content."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    came = repr(first["input"])
    shown = f" (got {said(came, secret)})" if len(came) <= 60 else ""
    return f"the reply's {where}: {said(first['msg'], secret)}{shown}"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any, room: int) -> None:
    """Raise `ValueError` for nesting beyond the limit, or a lone surrogate, which no encoder takes later."""
    if room < 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a text holds half a surrogate pair") from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, room)
            _check(item, room - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, room - 1)
