"""What an error of a provider means, by everything it says: codes and words first, then the status.

A status alone says too little: one vendor's 400 is another one's 402, 413 or 429. The tables are in `error_codes.py`,
`error_words.py` and `lacks.py`.
"""

from activities.providers.base import ErrorKind
from activities.providers.error_codes import CODES, CREDIT_CODE, STATUS, UNKNOWN_STATUS, UNUSABLE_OUTPUT
from activities.providers.error_words import PASSING, SAID, words
from activities.providers.lacks import advice_on_lack

_VAGUE = frozenset({None, 400, 403, 409, 422, 498, 500, 501, 502})
"""Statuses that may hide anything; None: the error came under HTTP 200."""

_WHATEVER = frozenset({"too_large", "credit", "authentication"})
"""What is meant under every status, also a 429 or a 5xx: no waiting mends it."""

_SURER = _WHATEVER | {"filtered", "unsupported"}
"""What words may say against a code."""

_QUOTA = words(r"exceeded your (?:current )?quota")


def meaning(status: int | None, codes: tuple[str, ...], message: str, *, waits: bool = False) -> ErrorKind:
    """The kind of an error. A status of None: it came under HTTP 200. `waits`: it names a time after which it passes."""
    found = _by_codes(status, codes, message, waits) or _by_words(status, message, waits)
    if found is not None:
        return found
    if status is None:
        return next((UNKNOWN_STATUS[code.lower()] for code in codes if code.lower() in UNKNOWN_STATUS), "server")
    if status in STATUS:
        return STATUS[status]
    return "server" if status >= 500 else "not_found" if status < 400 else "bad_request"


def _by_codes(status: int | None, codes: tuple[str, ...], message: str, waits: bool) -> ErrorKind | None:
    lowered = [code.lower() for code in codes]
    if any(CREDIT_CODE.search(code) for code in lowered) and (status is None or status < 500):
        return "credit"
    # The innermost code is the last one, and the one that knows.
    kinds = [kind for code in reversed(lowered) if (kind := CODES.get(code)) is not None and _counts(code, kind, status)]
    if not kinds:
        return None
    said = _by_words(status, message, waits)
    # `server_error` says no more than a 500 does.
    surer = said in _SURER or kinds[0] == "server"
    return said if said is not None and surer and kinds[0] not in _SURER else kinds[0]


def _counts(code: str, kind: ErrorKind, status: int | None) -> bool:
    """False for a code that says less than the status beside it."""
    if kind in ("server", "timeout"):
        return status in (None, 500, 502) or code in UNUSABLE_OUTPUT
    if kind in ("rate_limited", "overloaded"):
        return status in _VAGUE or status in (429, 503, 529)
    if kind in ("permission", "not_found"):
        return status in _VAGUE or status in (401, 404)
    return True


def _by_words(status: int | None, message: str, waits: bool) -> ErrorKind | None:
    vague = status in _VAGUE
    if (vague or status == 404) and advice_on_lack(message):
        return "unsupported"
    # Gemini says it of a limit per minute, too, and then names a time.
    if _QUOTA.search(message) and not waits:
        return "credit"
    for kind, wording in SAID:
        counts = kind in _WHATEVER or vague or (kind == "filtered" and status is not None and status < 429)
        if counts and wording.search(message):
            return kind
    return next((kind for kind, wording in PASSING if vague and wording.search(message)), None)
