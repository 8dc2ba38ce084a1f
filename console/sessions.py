"""Who asks: the session's cookie, and the way out."""

import secrets
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.place import Place
from console.refusals import failed, told
from contracts.errors import BatonError
from ledger import signed_in
from ledger.db import Ledger
from ledger.signed_in import SignedIn

COOKIE = "baton_console"


class Sessions:
    """Knows again by a cookie who has signed in."""

    def __init__(self, ledger: Ledger, place: Place) -> None:
        self._ledger, self._place = ledger, place
        # A browser takes such a name only with TLS, for this host and for all of it.
        self._name = f"__Host-{COOKIE}" if place.secure else COOKIE

    async def of(self, request: Request) -> SignedIn | None:
        """Who sent this; None for nobody that is signed in. Keeps the session going. It is looked up once for each request."""
        if not hasattr(request.state, "signed_in"):
            request.state.signed_in = await self._found(request)
        found: SignedIn | None = request.state.signed_in
        return found

    async def _found(self, request: Request) -> SignedIn | None:
        secret = self.brought(request)
        found = await self._ledger.read(signed_in.find, secret) if secret else None
        if found is None:
            return None
        session, due = found
        claimed = self._place.claimed(request.headers)
        # Who came in by the proxy is there only as long as the proxy says so, and nobody is somebody else behind it.
        if claimed != session.person and (claimed or session.way == "proxy"):
            return None
        if due:
            await self._ledger.tx(signed_in.seen, secret)
        return session

    def brought(self, request: Request) -> str:
        """The session's secret as the browser sent it; "" without one. It is no session yet."""
        return request.cookies.get(self._name, "")

    def into(self, secret: str) -> Response:
        """The first page, with the cookie of a session that begins."""
        answer = RedirectResponse("/", 303)
        lasts = int(signed_in.LASTS.total_seconds())
        secure = self._place.secure
        answer.set_cookie(self._name, secret, max_age=lasts, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session, in the ledger and in the browser."""
        try:
            session = await self.of(request)
            if session is None or not is_own_form(session, await form(request)):
                return told(request, "this form is of another session; nothing was done. Load the page again", 403)
            await self._ledger.tx(signed_in.sign_out, self.brought(request))
        except BatonError as error:
            return failed(request, error)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self._name, path="/", secure=self._place.secure, httponly=True, samesite="strict")
        return answer


async def form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; of a field that is there twice the first."""
    body = (await request.body()).decode(errors="replace")
    return dict(reversed(parse_qsl(body, keep_blank_values=True)))


def is_own_form(session: SignedIn, fields: dict[str, str]) -> bool:
    """True if the form came from a page that this session was given."""
    return secrets.compare_digest(session.forms.encode(), fields.get("session", "").encode())
