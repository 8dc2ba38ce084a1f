"""How long a provider wants to be left alone: from its headers, the fields of its error and its words."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=366)
"""Anything longer is a broken clock or no wait."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
_SPAN = rf"{_NUMBER}\s*{_UNIT}(?:\s*,?\s*(?:and\s+)?{_NUMBER}\s*{_UNIT})*"
_PARTS = re.compile(rf"({_NUMBER})\s*({_UNIT})", re.IGNORECASE)
_WHOLE = re.compile(_SPAN, re.IGNORECASE)

_SAID = re.compile(
    # OpenAI and Groq: "Please try again in 2.5s", "in 6m0s"; Kimi: "please try again after 1 seconds"; Azure: "Please retry
    # after 26 seconds"; Gemini: "Please retry in 34.07s"; GitHub Models: "Please wait 38 seconds before retrying".
    r"(?:(?:try|retry|retrying|trying|come back|available)(?: again)? (?:in|after)|(?:please )?wait(?: for)?|resets? in"
    rf"|retry-after:?)\s*(?:about |approximately |at least )?({_SPAN})",
    re.IGNORECASE,
)
_UNTIL = re.compile(
    # Anthropic: "You will regain access on 2026-12-01 at 00:00 UTC"; GLM: "will reset at 2026-12-01 10:30:00".
    r"(?:regain access on|resets? (?:at|on)|available (?:at|from)|try again (?:at|after)|until)\s*"
    r"(\d{4}-\d\d-\d\d(?:(?:T| at | )\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:\s*(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)",
    re.IGNORECASE,
)

_RESET = re.compile(r"limit.*reset|reset.*limit|^resets?_(?:at|in_seconds)$", re.IGNORECASE)
"""Names of headers and fields that say when a limit resets.

Anthropic's (`anthropic-ratelimit-tokens-reset`) have an ISO date; those of OpenAI, Groq and Azure (`x-ratelimit-reset-tokens`)
a span; Mistral's (`ratelimitbysize-reset`) and others' seconds or an epoch.
"""

_STANDARD = re.compile(r"\b(?:r|remaining)=(\d+)\s*[;,]\s*(?:t|reset)=(\d+)", re.IGNORECASE)
"""An item of the header `RateLimit` in the drafts of the IETF, as Hugging Face sends it: `"api";r=0;t=30`."""

_PASSED_ON = "llm_provider-"
"""What LiteLLM writes before the names of its upstream's headers."""

_PLAIN_RESETS = (
    *("x-ratelimit-reset-after", "x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"),
    *("x-ratelimit-timeremaining", "anthropic-ratelimit-unified-reset"),
)
"""Those of the limit that was met, whichever it is."""


def named_wait(
    headers: Mapping[str, str], now: datetime, fields: Iterable[tuple[str, str]] = (), words: str = "", *, limited: bool = False
) -> timedelta | None:
    """The wait that a provider asks for, at least zero; None if it names none, or nonsense.

    In this order: `retry-after` and its kin, the error's own fields, its words and, if the call was `limited` (a 429), when its
    limits reset, which other replies state, too.
    """
    headers, within = _with_upstream(headers), dict(fields)
    found = (
        _first(_span(headers.get(name, ""), now, 0.001) for name in ("retry-after-ms", "x-ms-retry-after-ms")),
        _one_of(headers.get("retry-after", ""), now),
        _one_of(within.get("retry-after", ""), now),
        _first(
            _span(text, now, 0.001 if name.endswith("_ms") else 1.0) for name, text in within.items() if "retry" in name.lower()
        ),
        _in_words(words, now),
        _reset(headers, now) if limited else None,
        _reset(within, now) if limited else None,
    )
    return _first(found)


def _with_upstream(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers, and below them those that a gateway passes on under another name."""
    passed = {name.lower().removeprefix(_PASSED_ON): value for name, value in headers.items() if _PASSED_ON in name.lower()}
    return passed | {name.lower(): value for name, value in headers.items()} if passed else headers


def _first(found: Iterable[timedelta | None]) -> timedelta | None:
    return next((one for one in found if one is not None), None)


def _reset(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """When the limit that was reached resets: the latest of those with nothing left, else the first of all."""
    stated: list[tuple[bool, timedelta]] = []
    for name, text in headers.items():
        wait = _span(text, now, 0.001 if name.endswith(("-ms", "_ms")) else 1.0) if _RESET.search(name) else None
        if wait is not None:
            left = headers.get(name.replace("reset", "remaining"), "").strip()
            stated.append((left in ("0", "0.0"), wait))
    stated += [(not left.strip("0"), _bounded(float(wait))) for left, wait in _STANDARD.findall(headers.get("ratelimit", ""))]
    empty = [wait for used_up, wait in stated if used_up]
    if empty:
        return max(empty)
    plain = _first(_span(headers.get(name, ""), now) for name in _PLAIN_RESETS)
    return plain if plain is not None else min((wait for _, wait in stated), default=None)


def _in_words(words: str, now: datetime) -> timedelta | None:
    said = _SAID.search(words[:4000])
    if said is not None:
        return _span(said[1], now)
    until = _UNTIL.search(words[:4000])
    return None if until is None else _date(until[1].replace(" at ", " "), now)


def _one_of(text: str, now: datetime) -> timedelta | None:
    """The wait in a header that came twice on its way, which makes it a list; dates have a comma, too."""
    return _first(_span(one, now) for one in (text, *text.split(",")))


def _span(text: str, now: datetime, unit: float = 1.0) -> timedelta | None:
    """A wait in any form: a number of `unit` seconds, numbers with units, an instant as epoch, or a date."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        if _WHOLE.fullmatch(text):
            return _bounded(sum(float(count) * _UNITS[_short(name)] for count, name in _PARTS.findall(text)))
        return _date(text, now)
    if math.isnan(number):
        return None
    # No wait lasts thirty years: what is that large is an instant, in seconds or in milliseconds.
    for instant in (number, number / 1000):
        if 1e9 <= instant < 1e10:
            return _bounded(instant - now.timestamp())
    return _bounded(number * unit)


def _short(unit: str) -> str:
    unit = unit.lower()
    return "ms" if unit.startswith(("ms", "milli")) else unit[0]


def _date(text: str, now: datetime) -> timedelta | None:
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        try:
            until = datetime.fromisoformat(re.sub(r"\s*(?:UTC|GMT)$", "+00:00", text, flags=re.IGNORECASE))
        except ValueError:
            return None
    try:
        return _bounded(((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds())
    except OverflowError:
        return None


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST.total_seconds()))
