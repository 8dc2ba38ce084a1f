"""The console on a real server and a real ledger, and somebody who asks it as a browser does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpx2
from temporalio.client import Client

from activities.gates.policy import load_policy
from activities.gates.standing import InForce
from activities.providers.transport import usual_authorities
from config import HOME, Settings
from connection import Unreachable
from console.answers import Place
from console.application import application
from console.place import place_of
from console.server import listening, server
from contracts.console import ConsoleSetting
from ledger import signed_in
from ledger.db import Ledger
from tests import children

QUEUE = "baton"


@dataclass
class Visitor:
    """A browser: it keeps cookies, and says where a form was sent from."""

    base: str
    client: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """A page."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        """A form that was sent from the console's own page, unless `headers` say otherwise."""
        return await self.send("POST", path, headers={"origin": self.base} | (headers or {}), data=fields)

    async def send(
        self, method: str, path: str, headers: dict[str, str], data: dict[str, str] | None = None
    ) -> httpx2.Response:
        """A request with the cookies so far. Redirects are not followed."""
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        answer = await self.client.request(method, self.base + path, headers=cookie | headers, data=data)
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        return answer


@dataclass
class Served:
    """A console that runs."""

    ledger: Ledger
    base: str
    client: httpx2.AsyncClient

    def visitor(self) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(self.base, self.client)

    async def signed_in(self, person: str = "olga") -> Visitor:
        """Somebody who has used a link."""
        visitor = self.visitor()
        await visitor.post("/sign-in", link=self.ledger.tx_now(signed_in.make_link, person))
        return visitor


def settings_of(ledger: Ledger, **changes: Any) -> Settings:
    """The settings of a machine with this ledger, and else what we ship."""
    return Settings(state=ledger.files.parent / "state", ledger_url=ledger.url, task_queue=QUEUE, **changes)


async def nowhere() -> Client:
    """Temporal does not answer."""
    raise Unreachable("Temporal does not answer")


class Signalled:
    """Stands for Temporal, which answers from the second time on; keeps which run got which signal."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._asked = 0

    async def connect(self) -> Client:
        """A client, from the second time on."""
        self._asked += 1
        if self._asked == 1:
            raise Unreachable("Temporal does not answer")
        return cast("Client", self)

    def get_workflow_handle(self, run: str) -> "Signalled.Handle":
        """Of this run."""
        return Signalled.Handle(run, self.told)

    @dataclass
    class Handle:
        """A run."""

        run: str
        told: asyncio.Queue[tuple[str, str]]

        async def signal(self, name: str, _: object) -> None:
            """Keep it."""
            self.told.put_nowait((self.run, name))


def forms_of(page: str) -> str:
    """What the forms of this page carry: the session they are of."""
    return page.split('name="session" value="')[1].split('"')[0]


@asynccontextmanager
async def served(
    ledger: Ledger,
    *,
    scheme: str = "http",
    connect: Callable[[], Awaitable[Client]] | None = None,
    policy: InForce | None = None,
    setting: ConsoleSetting | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Served]:
    """The console over this ledger, by default with the shipped policy. With https it believes that TLS is in front.

    `setting` is the table [console]: then it is reached by the address in it, as behind a proxy or with TLS.
    """
    at = listening(0)
    host = f"127.0.0.1:{at.getsockname()[1]}"
    found = settings or settings_of(ledger, **({} if setting is None else {"console": setting}))
    place = Place(frozenset({host}), frozenset({f"{scheme}://{host}"}), found)
    if setting is not None:
        place = place_of(found, "127.0.0.1", at.getsockname()[1])
    running = server(application(ledger, place, connect or nowhere, policy or load_policy(HOME / "policy.toml")), setting)
    served = asyncio.create_task(running.serve([at]))
    try:
        # Each visitor keeps their own cookies: the client keeps none.
        none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        async with httpx2.AsyncClient(
            trust_env=False, timeout=children.PATIENCE, verify=usual_authorities(), cookies=none
        ) as client:
            yield Served(ledger, f"http://{host}", client)
    finally:
        running.should_exit = True
        await served
