"""Turns status, headers and body of a failed model call into a readable `ProviderError`, in one place."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from activities.providers.base import ErrorKind, ProviderError

RETRY_AFTER_LIMIT = timedelta(hours=1)
"""The longest wait that a provider may ask for: beyond it a retry is cheaper than trusting a broken clock."""

_SAID_LIMIT = 300

_STATUS: dict[int, ErrorKind] = {
    401: "authentication",
    402: "credit",
    403: "permission",
    404: "not_found",
    405: "not_found",
    # A proxy's own: it wants credentials, and the request has reached nobody.
    407: "connection",
    408: "timeout",
    409: "server",
    410: "not_found",
    413: "too_large",
    425: "server",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    # Anthropic's own status; no standard has it.
    529: "overloaded",
}

_TYPES: dict[str, ErrorKind] = {
    "api_error": "server",
    "server_error": "server",
    "timeout_error": "timeout",
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "invalid_request_error": "bad_request",
    "authentication_error": "authentication",
    "billing_error": "credit",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "context_length_exceeded": "too_large",
    "invalid_prompt": "bad_request",
    "bio_policy": "bad_request",
    "misalignment_policy_violation": "bad_request",
    "data_residency_mismatch": "permission",
}
"""Error types of all wire formats, for errors that arrive with HTTP 200."""

_CREDIT = re.compile(r"insufficient_quota|insufficient_credit|billing|spend_limit|credit_balance")
_CREDIT_SAID = re.compile(r"credit balance is too low", re.IGNORECASE)
"""An exhausted account at Anthropic is a 400 of type `invalid_request_error`, like a wrong request but for its message."""

_CREDIT_SAID_UNDER = frozenset({None, 400, 402, 403})
_TOO_LARGE = re.compile(r"context_length_exceeded|request_too_large|body_too_large")
# With stars and dots: providers repeat a wrong key in part, such as sk-ab***yz.
_SECRET = re.compile(r"\b(?:sk|pk|key|rk)-[\w*.…-]{6,}|\bBearer\s+\S+", re.IGNORECASE)

_ADVICE: dict[ErrorKind, str] = {
    "rate_limited": "The endpoint limits requests or tokens per minute. The call is retried later; "
    "if this goes on, lower the rate limit in routes.toml",
    "overloaded": "The endpoint has no capacity now. The call is retried later",
    "server": "The endpoint failed. The call is retried later",
    "timeout": "No complete answer came in time, and the provider may still charge for it. The call is retried later; "
    "if this goes on, raise the agent's time limit or lower its output limit",
    "connection": "No connection, so nothing was charged. The call is retried later; "
    "if this goes on, check base_url, the proxy and the network",
    "cut": "The answer was cut off and may be charged. The call is retried later",
    "not_json": "Something between here and the provider answered instead, perhaps a proxy or a login page. "
    "The call is retried later; if this goes on, check base_url",
    "drift": "This version does not understand the answer and does not use it. The next model in the route is asked; "
    "check the endpoint, or update Baton",
    "bad_request": "The endpoint rejects this request. Check the model's name and what it supports, then report this",
    "authentication": "The key is wrong, expired or revoked. Set a valid key for this endpoint; "
    "meanwhile the next model in the route is asked",
    "credit": "The account has no credit or has reached its spend limit. Top it up; "
    "meanwhile the next model in the route is asked",
    "permission": "The key may not use this model or endpoint. Grant access, or change the route; "
    "meanwhile the next model in the route is asked",
    "not_found": "The endpoint or the model does not exist under this name. Correct base_url or the route; "
    "meanwhile the next model in the route is asked",
    "too_large": "The request is larger than the model allows. Shorten the task, or use a model with a larger context",
    "no_script": "Add the conversation to the script",
}


def provider_error(
    kind: ErrorKind,
    endpoint: str,
    what: str,
    *,
    retry_after: timedelta | None = None,
    status: int | None = None,
    should_retry: bool = True,
    billed: bool = False,
) -> ProviderError:
    """A `ProviderError` whose text says which endpoint failed, how, and what happens or has to be done next."""
    text = f"{endpoint}: {what}. {_ADVICE[kind]}."
    return ProviderError(kind, text, retry_after=retry_after, status=status, should_retry=should_retry, billed=billed)


def status_error(
    endpoint: str, status: int, headers: Mapping[str, str], body: bytes, *, secret: str = "", now: datetime | None = None
) -> ProviderError:
    """The error behind an HTTP status that is not a success.

    `headers` must have lower-case names or ignore case. `secret` is removed from the provider's text. A `retry-after` date
    counts from `now`, by default the present.
    """
    message, codes = _error_body(body)
    request_id = headers.get("request-id") or headers.get("x-request-id")
    details = "".join(f", {said(part, secret)}" for part in (codes, f"request {request_id}" if request_id else "") if part)
    if 300 <= status < 400:
        message = f"a redirect to {headers.get('location', 'nowhere')}, which is not followed"
    return provider_error(
        _kind(status, codes, message),
        endpoint,
        f"HTTP {status}{details}: {said(message, secret) or 'no explanation'}",
        retry_after=retry_after(headers, now or datetime.now(UTC)),
        status=status,
        should_retry=headers.get("x-should-retry", "").strip().lower() != "false",
    )


def error_in_success(endpoint: str, reply: Mapping[str, Any], *, secret: str = "") -> ProviderError | None:
    """The error that a gateway wrapped into HTTP 200, or None. An unknown one is drift."""
    if not isinstance(reply.get("error"), dict):
        return None
    message, codes = _error_body(json.dumps(reply).encode())
    # Gateways put the status that they hid into the body as a code, which says more than their error types.
    numeric = next((int(code) for code in codes.split("/") if re.fullmatch(r"[45][0-9]{2}", code)), None)
    named: ErrorKind = next((_TYPES[code] for code in codes.split("/") if code in _TYPES), "drift")
    kind = _kind(numeric, codes, message) if numeric else "credit" if _credit_said(None, message) else named
    what = f"an error under HTTP 200, {said(codes, secret) or 'no type'}: {said(message, secret) or 'no explanation'}"
    return provider_error(kind, endpoint, what, status=numeric, billed=reply.get("usage") is not None)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that the provider asks for, between zero and an hour; None if it names none, or nonsense."""
    # The header holds seconds or a date; `retry-after-ms` is more precise where a provider sends it.
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if not math.isnan(seconds):
            return timedelta(seconds=min(max(seconds, 0.0), RETRY_AFTER_LIMIT.total_seconds()))
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(0)), RETRY_AFTER_LIMIT)


def said(text: str, secret: str = "") -> str:
    """A provider's words, made fit for an error text: one line, no keys, no control characters, at most 300 characters."""
    # Cut first: an error page can be megabytes long, and nothing beyond the cut is shown anyway.
    text = text[: 4 * _SAID_LIMIT]
    if len(secret) >= 8:  # a shorter one is a local server's placeholder, and replacing it would blank out ordinary words
        text = text.replace(secret, "[key]")
    text = " ".join(_SECRET.sub("[key]", text).split())
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return (text if len(text) <= _SAID_LIMIT else text[:_SAID_LIMIT] + "…").rstrip(".")


def _credit_said(status: int | None, message: str) -> bool:
    """True if the message says that the account is empty. A status of None means HTTP 200."""
    return status in _CREDIT_SAID_UNDER and _CREDIT_SAID.search(message[: 4 * _SAID_LIMIT]) is not None


def _kind(status: int, codes: str, message: str) -> ErrorKind:
    """The kind of error behind a status; some codes and messages say more than the number."""
    if (status < 500 and _CREDIT.search(codes)) or _credit_said(status, message):
        return "credit"
    if status < 500 and _TOO_LARGE.search(codes):
        return "too_large"
    if status in _STATUS:
        return _STATUS[status]
    if status >= 500:
        return "overloaded" if "overloaded_error" in codes else "server"
    return "not_found" if status < 400 else "bad_request"


def _error_body(body: bytes) -> tuple[str, str]:
    """The error body's message, and its type and codes joined by slashes."""
    text = body[: 64 * 1024].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text, ""
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return str(error), ""
    details = error.get("details")
    codes = [error.get("type"), error.get("code"), details.get("error_code") if isinstance(details, dict) else None]
    message = error.get("message")
    return message if isinstance(message, str) else text, "/".join(str(code) for code in codes if isinstance(code, str | int))
