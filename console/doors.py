"""Who may come in where: asked before any page or form, for every path of the one list, and of the policy in force now."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from activities.gates.rights import lacking, rights_of
from activities.gates.standing import InForce
from console.answers import failed, nobody, told
from console.routes import needed
from console.sessions import Sessions
from contracts.errors import BatonError
from ledger.db import Ledger


class Doors:
    """Answers itself what a person may not have: what is in no list, what takes a session, and what the policy does not allow.

    Everything behind it finds the person's rights in `request.state.rights`.
    """

    def __init__(self, inner: ASGIApp, ledger: Ledger, sessions: Sessions, policy: InForce) -> None:
        self._inner, self._ledger, self._sessions, self._policy = inner, ledger, sessions, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._inner)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        path, asked = request.scope["path"], needed(request.method, request.scope["path"])
        if asked == "nothing":
            return None
        if asked == "no such page":
            return told(request, f"there is no page {path}", 404)
        if asked == "another method":
            return told(request, f"{request.method} is not taken at {path}; nothing was done", 405)
        try:
            session = await self._sessions.of(request)
            if session is None:
                return nobody(request)
            policy = await self._ledger.read(self._policy.now)
        except BatonError as error:
            return failed(request, error)
        request.state.rights = rights_of(policy, session.person)
        why = lacking(policy, session.person, asked)
        return told(request, why, 403) if why else None
