"""Who asks: the session's cookie, and the pages that let somebody in and out."""

import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.rendering import render
from ledger import signed_in
from ledger.db import Ledger
from ledger.signed_in import SignedIn

COOKIE = "baton_console"

TRIES, PER_SECONDS = 20, 60.0
"""How many links that do not count are tried within so many seconds before nobody can sign in for that long."""


class Sessions:
    """Signs people in with links that are made where the ledger is, and knows them again by a cookie."""

    def __init__(self, ledger: Ledger, *, secure: bool) -> None:
        """`secure`: people reach the console through TLS, and the cookie is for nothing else."""
        self._ledger, self._secure = ledger, secure
        self._name = f"__Host-{COOKIE}" if secure else COOKIE
        self._refused: list[float] = []

    async def of(self, request: Request) -> SignedIn | None:
        """Who sent this; None for nobody that is signed in. Keeps the session going."""
        secret = request.cookies.get(self._name)
        found = await self._ledger.read(signed_in.find, secret) if secret else None
        if found is None or secret is None:
            return None
        session, due = found
        if due:
            await self._ledger.tx(signed_in.seen, secret)
        return session

    async def enter(self, request: Request) -> Response:
        """The page behind a link. It changes nothing: programs that look at links before people do must not use them up."""
        link = request.query_params.get("link", "")
        person = await self._ledger.read(signed_in.person_of_link, link) if link else None
        return _page("sign_in.html", 200 if person or not link else 410, person=person, link=link)

    async def sign_in(self, request: Request) -> Response:
        """Use a link up and give the browser its cookie."""
        if self._too_many():
            return _page("sign_in.html", 429, person=None, link="")
        secret = await self._ledger.tx(signed_in.sign_in, (await form(request)).get("link", ""))
        if secret is None:
            self._refused.append(time.monotonic())
            return _page("sign_in.html", 410, person=None, link="used")
        answer = RedirectResponse("/", 303)
        lasts = int(signed_in.LASTS.total_seconds())
        answer.set_cookie(self._name, secret, max_age=lasts, path="/", secure=self._secure, httponly=True, samesite="strict")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, in the ledger and in the browser."""
        session, secret = await self.of(request), request.cookies.get(self._name, "")
        if session is None or not is_own_form(session, await form(request)):
            return _page("sign_in.html", 403, person=None, link="")
        await self._ledger.tx(signed_in.sign_out, secret)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite="strict")
        return answer

    def _too_many(self) -> bool:
        self._refused = [at for at in self._refused if at > time.monotonic() - PER_SECONDS]
        return len(self._refused) >= TRIES


async def form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of a field that is there twice the first."""
    body = (await request.body()).decode(errors="replace")
    return dict(reversed(parse_qsl(body, keep_blank_values=True)))


def is_own_form(session: SignedIn, fields: dict[str, str]) -> bool:
    """True if the form came from a page that this session was given."""
    return secrets.compare_digest(session.forms.encode(), fields.get("session", "").encode())


def _page(template: str, status: int, **values: Any) -> Response:
    return HTMLResponse(render(template, **values), status)
