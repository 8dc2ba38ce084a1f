"""The ways in: a link that is made where the ledger is, a name with its password, or what a proxy says."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from activities.gates.rights import lacking
from activities.gates.standing import InForce
from console.hashing import Hashing
from console.place import Place
from console.refusals import failed, told
from console.rendering import render
from console.sessions import Sessions, form
from contracts.errors import BatonError
from ledger import passwords, sign_in_tries, signed_in
from ledger.db import Connection, Ledger

WRONG = "Name or password is wrong."
"""The one answer for a name that nobody has, one without a password, and a wrong password."""

USED = "This link does not count any more: it was used, or is older than fifteen minutes."

MANY = "There were too many tries. Wait a quarter of an hour; a link signs you in meanwhile."


@dataclass(frozen=True)
class Turned:
    """Somebody did not get in: the status, and what the page says."""

    status: int
    text: str


class Entering:
    """Signs people in to one console."""

    def __init__(self, ledger: Ledger, sessions: Sessions, place: Place, policy: InForce) -> None:
        self._ledger, self._sessions, self._place, self._policy = ledger, sessions, place, policy
        self._hashing = Hashing()

    async def enter(self, request: Request) -> Response:
        """The page with the ways in. It changes nothing: programs that look at links before people do must not use them up."""
        link = request.query_params.get("link", "")
        try:
            person = await self._ledger.read(signed_in.person_of_link, link) if link else None
        except BatonError as error:
            return failed(request, error)
        claimed = self._place.claimed(request.headers)
        turned = Turned(410, USED) if link and not person and not claimed else Turned(200, "")
        return _page(turned, person=person, link=link, claimed=claimed)

    async def sign_in(self, request: Request) -> Response:
        """Let somebody in, with a session that is always a new one, or say why not."""
        try:
            fields, before = await form(request), self._sessions.brought(request)
            secret = await self._entered(request, fields, before)
        except BatonError as error:
            return failed(request, error)
        if isinstance(secret, Turned):
            return told(request, secret.text, secret.status) if secret.status == 403 else _page(secret)
        return self._sessions.into(secret)

    async def _entered(self, request: Request, fields: dict[str, str], before: str) -> str | Turned:
        # Whom the proxy names is there already: a link or a password would make them somebody else behind it.
        if claimed := self._place.claimed(request.headers):
            return await self._ledger.tx(self._by_proxy, claimed, before)
        if "link" in fields:
            return await self._ledger.tx(_by_link, fields["link"], before)
        if "name" in fields:
            return await self._by_password(fields["name"].strip(), fields.get("password", ""), before)
        return Turned(400, "There was neither a link nor a name in this form; nothing was done.")

    def _by_proxy(self, connection: Connection, claimed: str, before: str) -> str | Turned:
        why = lacking(self._policy.now(connection), claimed, "read")
        return Turned(403, why) if why else signed_in.begin(connection, claimed, "proxy", before)

    async def _by_password(self, name: str, password: str, before: str) -> str | Turned:
        known = await self._ledger.tx(_asked, name)
        if isinstance(known, Turned):
            return known
        # Hashed for a name that nobody has as well: how long it takes says nothing.
        if not await self._hashing.is_right(known, password) or known is None:
            return Turned(401, WRONG)
        renewed = await self._hashing.renewed(known, password)
        return await self._ledger.tx(_begun, name, known, renewed or known, before)


def _by_link(connection: Connection, link: str, before: str) -> str | Turned:
    if not sign_in_tries.count(connection, sign_in_tries.LINKS):
        return Turned(429, "There were too many links that do not count. Wait a minute.")
    secret = signed_in.sign_in(connection, link, before)
    if secret is None:
        return Turned(410, USED)
    sign_in_tries.give_back(connection, sign_in_tries.LINKS)
    return secret


def _asked(connection: Connection, name: str) -> str | Turned | None:
    """The hash of this name's password, None if there is none; counted first, so that no try is for nothing."""
    if not sign_in_tries.count(connection, sign_in_tries.PASSWORDS, sign_in_tries.of_name(name)):
        return Turned(429, MANY)
    return passwords.hash_of(connection, name)


def _begun(connection: Connection, name: str, hashed: str, renewed: str, before: str) -> str | Turned:
    """The session, unless the password was changed while it was compared."""
    if passwords.hash_of(connection, name) != hashed:
        return Turned(401, WRONG)
    if renewed != hashed:
        passwords.rehash(connection, name, hashed, renewed)
    sign_in_tries.give_back(connection, sign_in_tries.PASSWORDS, sign_in_tries.of_name(name))
    return signed_in.begin(connection, name, "password", before)


def _page(turned: Turned, **values: Any) -> Response:
    shown = {"person": None, "link": "", "claimed": ""} | values
    return HTMLResponse(render("sign_in.html", problem=turned.text, **shown), turned.status)
