"""Turns status, headers and body of a failed model call into a readable `ProviderError`, in one place."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.providers.base import ErrorKind, ProviderError
from activities.providers.error_bodies import READ, Told, read_error, title_of, told
from activities.providers.lacks import advice_on_lack
from activities.providers.meanings import meaning
from activities.providers.waits import named_wait

RETRY_AFTER_LIMIT = timedelta(hours=1)
"""The longest wait that a provider may ask for: beyond it a retry is cheaper than trusting a broken clock."""

_SAID_LIMIT = 300

_SEARCHED = 4000
"""Characters of a message in which its meaning is looked for."""

# With stars and dots: providers repeat a wrong key in part, such as sk-ab***yz.
_SECRET = re.compile(
    r"\b(?:(?:sk|pk|key|rk|xai|nvapi|csk|pplx)-|(?:gsk|hf|fw|r8|tgp_v1)_)[\w*.…-]{6,}"
    r"|\bABSK[\w+/=-]{8,}|\bya29\.[\w*.…-]{6,}|(?<=security-token:)\S+"
    r"|\bBearer\s+\S+|\bAIza[\w*.…-]{6,}|\bA[KS]IA[A-Z0-9*]{8,}|\beyJ[\w-]{6,}\.[\w.-]+|[\w-]{2,}\*{3,}[\w*-]*"
    r"|(?<=key=)[\w*.…-]{8,}",
    re.IGNORECASE,
)
"""What looks like a key: OpenAI's and Anthropic's, xAI's, NVIDIA's, Cerebras's, Perplexity's, Groq's, Hugging Face's,
Fireworks', Replicate's, Together's, Google's, AWS's keys and tokens, signed tokens, and whatever is partly hidden by stars."""

_REPLIES = frozenset({"choices", "content", "output"})
"""Fields of which a reply in any of the formats has one."""

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
    "bad_request": "The endpoint rejects this request, so it is not repeated there. The next model in the route is asked; "
    "if its words speak of a field, a schema or the order of messages, see the endpoint's capabilities in docs/models.md",
    "filtered": "The provider's content filter stopped this call. The next model in the route is asked; "
    "reword the task, or change the filter where it is yours",
    "unsupported": "The endpoint does not take a part of this request. The next model in the route is asked; "
    "change the route to a model that supports it",
    "authentication": "The key is wrong, expired or revoked. Set a valid key for this endpoint; "
    "meanwhile the next model in the route is asked",
    "credit": "The account has no credit or has reached its spend limit. Top it up; "
    "meanwhile the next model in the route is asked",
    "permission": "The key may not use this model or endpoint. Grant access, or change the route; "
    "meanwhile the next model in the route is asked",
    "not_found": "The endpoint or the model does not exist under this name. Correct base_url or the route; "
    "meanwhile the next model in the route is asked",
    "too_large": "The request is larger than the model allows. It is sent once more with older tool results left out, "
    "then the next model in the route is asked; a shorter task or a model with a larger context helps",
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
    billed: bool | None = None,
    advice: str = "",
    words: str = "",
) -> ProviderError:
    """A `ProviderError` whose text says which endpoint failed, how, and what happens or has to be done next.

    `advice` replaces what is said for the kind; `words` are the provider's own, "" for a failure that it said nothing of.
    """
    fact = f"{endpoint}: {what}"
    text = f"{fact}. {advice or _ADVICE[kind]}."
    return ProviderError(
        kind,
        text,
        retry_after=retry_after,
        status=status,
        should_retry=should_retry,
        billed=billed,
        fact=fact,
        words=words,
        advice=advice,
    )


def status_error(
    endpoint: str, status: int, headers: Mapping[str, str], body: bytes, *, secret: str = "", now: datetime | None = None
) -> ProviderError:
    """The error behind an HTTP status that is not a success.

    `headers` must have lower-case names or ignore case. `secret` is removed from the provider's text. A date until which the
    provider wants to be left alone counts from `now`, by default the present.
    """
    found = read_error(body)
    if 300 <= status < 400:
        found = Told(f"a redirect to {headers.get('location', 'nowhere')}, which is not followed")
    request_id = headers.get("request-id") or headers.get("x-request-id") or headers.get("x-amzn-requestid")
    if named := headers.get("x-amzn-errortype", "").partition(":")[0]:  # AWS says it there alone, with an address behind it
        found = replace(found, codes=(*found.codes, named))
    codes = "/".join(code for code in found.codes if code not in (str(status), "error"))
    details = "".join(f", {said(part, secret)}" for part in (codes, f"request {request_id}" if request_id else "") if part)
    return _of(
        found,
        endpoint,
        f"HTTP {status}{details}: {said(found.message, secret) or 'no explanation'}",
        status,
        headers,
        now or datetime.now(UTC),
        should_retry=headers.get("x-should-retry", "").strip().lower() != "false",
    )


def error_in_success(endpoint: str, reply: Any, *, secret: str = "", now: datetime | None = None) -> ProviderError | None:
    """The error that came under HTTP 200, or None. It is charged only where it counts tokens."""
    if not _is_error(reply):
        return None
    found = told(reply)
    codes = [code for code in found.codes if code not in ("error", "failed")]
    # Gateways put the status that they hid into the body as a code, which says more than their error types.
    numeric = next((int(code) for code in reversed(codes) if re.fullmatch(r"[45][0-9]{2}", code)), None)
    what = f"an error under HTTP 200, {said('/'.join(codes), secret) or 'no type'}: {said(found.message, secret)}"
    usage = reply.get("usage") if isinstance(reply, dict) else None
    billed = isinstance(usage, dict) and any(isinstance(count, int) and count > 0 for count in usage.values())
    return _of(found, endpoint, what, numeric, {}, now or datetime.now(UTC), under_200=True, billed=billed)


def error_in_place_of_reply(endpoint: str, body: bytes, *, secret: str = "") -> ProviderError | None:
    """The error in a body that can be no reply by its first character: a list of errors, or a web page. None for any other.

    A page costs nothing: no model has answered.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body.startswith(b"<") and (title := title_of(body[:READ].decode("utf-8", "replace"))):
        return provider_error("not_json", endpoint, f"the answer is a web page, {said(title, secret)!r}", billed=False)
    if not body.startswith(b"["):
        return None
    try:
        return error_in_success(endpoint, json.loads(body), secret=secret)
    except (ValueError, RecursionError):
        return None


def _of(
    found: Told,
    endpoint: str,
    what: str,
    status: int | None,
    headers: Mapping[str, str],
    now: datetime,
    *,
    under_200: bool = False,
    **more: bool,
) -> ProviderError:
    """The error for what an endpoint told. A status of None: none is known."""
    words = found.message[:_SEARCHED]
    asked = named_wait({}, now, found.waits, words)
    kind = meaning(status, found.codes, words, waits=asked is not None)
    if under_200 and kind == "timeout":
        kind = "server"  # it has answered, and would say so if it had counted anything
    wait = named_wait(headers, now, found.waits, words, limited=kind == "rate_limited")
    advice = advice_on_lack(words) if kind == "unsupported" else ""
    if wait is not None and wait > RETRY_AFTER_LIMIT:
        what += f". It names {now + wait:%Y-%m-%d %H:%M} UTC as the earliest time for another call"
        wait = RETRY_AFTER_LIMIT
    return provider_error(kind, endpoint, what, retry_after=wait, status=status, advice=advice, words=words, **more)


def _is_error(reply: Any) -> bool:
    """True for an error in the place of a reply, in any form that is known."""
    if isinstance(reply, list):
        return bool(reply) and all(isinstance(one, dict) and one.get("error") for one in reply)
    if not isinstance(reply, dict):
        return False
    if reply.get("error") or "error" in (reply.get("object"), reply.get("type")):
        return True
    choices = reply.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and choices[0].get("error"):
        return True
    # Only where nothing else is there: a reply may have a field of such a name, too.
    return not _REPLIES & set(reply) and any(reply.get(name) for name in ("message", "detail", "msg", "errors", "error_msg"))


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that the provider's headers ask for, between zero and an hour; None if they name none, or nonsense."""
    wait = named_wait(headers, now)
    return None if wait is None else min(wait, RETRY_AFTER_LIMIT)


def said(text: str, secret: str = "") -> str:
    """A provider's words, made fit for an error text: one line, no keys, no control characters, at most 300 characters.

    `secret` is what must not be shown, one a line.
    """
    # Cut first: an error page can be megabytes long, and nothing beyond the cut is shown anyway.
    text = text[: 4 * _SAID_LIMIT]
    for one in secret.splitlines():
        if len(one) >= 8:  # a shorter one is a local server's placeholder, and replacing it would blank out ordinary words
            text = text.replace(one, "[key]")
    text = " ".join(_SECRET.sub("[key]", text).split())
    text = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return (text if len(text) <= _SAID_LIMIT else text[:_SAID_LIMIT] + "…").rstrip(".。")
