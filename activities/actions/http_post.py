"""The adapter of `http.post`: one request, signed by Standard Webhooks, with the business key as its idempotency key.

Headers `webhook-id`, `webhook-timestamp` and `webhook-signature` and the signed text are those of the Standard Webhooks
specification 1.0 (standardwebhooks.com); `Idempotency-Key`, and what 409 and 422 say of it, those of
draft-ietf-httpapi-idempotency-key-header.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import datetime

from activities.actions.adapter import CannotFind, Repeatable, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.actions.web import Answer, Call, request
from contracts.actions import Receipt
from contracts.effects.http_post import HttpPost
from contracts.effects.targets import HttpTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments
from contracts.text import one_line

AGAIN = frozenset({408, 409, 423, 425, 429})
"""Answers that are no last word: the request is under way, or was not looked at."""


class HttpPostAdapter:
    """Finds what was taken by the target's `lookup`, or sends it again where the receiver acts once per key (`repeats`)."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """The address, and what happens without a clear answer."""
        post = HttpPost.read(arguments)
        target = self._targets.get(post.target, HttpTarget)
        unclear = "it is looked up" if target.lookup else "it is sent again" if target.repeats else "a person is asked"
        where = target.url or "an address that only the worker knows"
        return (f"to {where}", f"without a clear answer {unclear}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """None: only the receiver knows what would take it back."""
        del arguments, receipt
        return None

    def find(self, arguments: bytes) -> str | None:
        """Ask the `lookup` for the key: 200 is yes, 404 and 410 are no, and any other answer is none."""
        post = HttpPost.read(arguments)
        target = self._targets.get(post.target, HttpTarget)
        if not target.lookup:
            raise (Repeatable if target.repeats else CannotFind)(
                f"[targets.{post.target}] has no lookup, so it cannot be asked"
            )
        answer = self._call(target, "GET", target.lookup.replace("{key}", post.key()), self._key(post.target, target), b"")
        if answer.status in (404, 410):
            return None
        if answer.status == 200:
            return reference_of(answer)
        raise Unclear(f"the lookup of {post.target} answered {said(answer)}")

    def send(self, arguments: bytes, when: datetime) -> str:
        """Post it once; returns the receiver's id for it, or its status. `when` is not sent: old signatures are refused."""
        del when
        post = HttpPost.read(arguments)
        target = self._targets.get(post.target, HttpTarget)
        body = post.body.encode()
        headers = self._key(post.target, target) | {
            "Content-Type": f"{post.content_type}; charset=utf-8" if post.content_type == "text/plain" else post.content_type,
            "Idempotency-Key": f'"{post.key()}"',
            **signed(self._targets.secret(post.target, target.secret_env, target.secret_file), post, body, int(time.time())),
        }
        answer = self._call(target, "POST", self._url(post.target, target), headers, body)
        if 200 <= answer.status < 300:
            return reference_of(answer)
        if answer.status >= 500 or answer.status in AGAIN or answer.status < 200:
            raise Unclear(f"{post.target} answered {said(answer)}")
        # 422 too: the key was used before with another body, or the body is refused. 3xx: where it leads was not declared.
        raise TargetRefused(f"{post.target} answered {said(answer)}")

    def _call(self, target: HttpTarget, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        return request(Call(method, url, headers, body, private=target.private, seconds=target.timeout.total_seconds()))

    def _url(self, name: str, target: HttpTarget) -> str:
        """Where it is. Raises `Misconfigured`, without the address: it may be all that keeps others from posting there."""
        if target.url:
            return target.url
        try:
            return target.usable(self._targets.secret(name, target.url_env, target.url_file))
        except ValueError as error:
            raise Misconfigured(f"[targets.{name}]: {error}") from None

    def _key(self, name: str, target: HttpTarget) -> dict[str, str]:
        key = self._targets.secret(name, target.key_env, target.key_file) if target.auth != "none" else ""
        if not key:
            return {}
        return {"Authorization": f"Bearer {key}"} if target.auth == "bearer" else {"X-Api-Key": key}


def signed(secret: str, post: HttpPost, body: bytes, now: int) -> dict[str, str]:
    """The three headers of Standard Webhooks; without a secret there is no signature. Raises `Misconfigured`."""
    headers = {"webhook-id": post.key(), "webhook-timestamp": str(now)}
    if not secret:
        return headers
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured(f"[targets.{post.target}]: the signing secret is no base64; it looks like whsec_…") from None
    text = f"{post.key()}.{now}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    return headers | {"webhook-signature": f"v1,{signature}"}


def reference_of(answer: Answer) -> str:
    """What the receiver calls it: `id` of a JSON answer, its Location, or the status alone."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    identity = found.get("id") if isinstance(found, dict) else None
    if isinstance(identity, str | int) and not isinstance(identity, bool):
        return one_line(str(identity), 200)
    return one_line(answer.headers.get("location", "") or f"HTTP {answer.status}", 200)


def said(answer: Answer) -> str:
    """An answer in one line, for people."""
    words = one_line(answer.body[:400].decode(errors="replace"), 300)
    return f"{answer.status}{f': {words}' if words else ''}"
