"""A worker and a provider whose models fail on request, six runs by their trouble, and what commands say of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

import config
from tests import processes, scripts
from tests.commands.conftest import Baton
from tests.commands.conftest import baton as baton
from tests.paid import PRICE, copied
from tests.scripts import a_tester, answer, edit, item, plan, says, unsure, writer
from tests.stack import until
from tests.wire.book import Book, BookPrice
from tests.wire.server import WireServer
from tests.workflows import reviewing

WRITES = edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")
ASKS = unsure("both would do", {"id": "which", "text": "Round up or down?"})
CONVERSATIONS = (
    says("planner", answer(plan(item("asks", ["README.md"]))), text="Ask me first"),
    says("planner", answer(plan(item("fix", ["README.md"])))),
    writer("asks", ASKS),
    writer("fix", WRITES),
    a_tester(),
    *reviewing.HAPPY,
)
MODELS = {"thinker": "plans", "worker": "writes", "reviewer": "reviews", "router": "plans", "fast": "plans"}
LEVELS = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000}

Right = Callable[[dict[str, Any]], Any]


@dataclass
class Hour:
    """The worker and the provider, and the runs by their trouble: workflow ids, and their traces."""

    baton: Baton
    client: Client
    server: WireServer
    worker: processes.Worker
    origin: Path
    book: Path
    ids: dict[str, str] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    async def start(self, trouble: str, *command: str) -> None:
        """Start a run, which is known by its trouble from now on."""
        started = await self.baton.live(*command, "--json")
        assert started.code == 0, started.err
        self.ids[trouble], self.traces[trouble] = started.json["run"], started.json["trace"]

    async def deliver(self, trouble: str, asked: str, *more: str, repository: str = "") -> None:
        """Start a delivery."""
        named = ("-r", repository or str(self.origin), "-i", asked, "--check", "true", "--branch", trouble)
        await self.start(trouble, "deliver", *named, *more)

    async def told(self, command: tuple[str, ...], right: Right, *said: str) -> dict[str, Any]:
        """Wait until one command answers right, as JSON and as text; what it says is compared without its line ends."""
        last = ""

        async def look() -> dict[str, Any] | None:
            nonlocal last
            found = await self.baton.live(*command, "--json")
            last = found.out
            if not (found.out and right(found.json)):
                return None
            shown = await self.baton.live(*command)
            text = " ".join(f"{shown.out} {shown.err}".split())
            last += f"\n{text}"
            return found.json if all(one in text for one in said) else None

        try:
            return await until(look, f"`baton {' '.join(command)}` said {said}", every=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{last}") from None

    async def happened(self, trouble: str, did: str, why: str, then: str) -> None:
        """What happened, why and what comes next: one line of the run's feed."""

        def right(found: dict[str, Any]) -> bool:
            lines = [line for line in found["lines"] if did in line["did"]]
            return any(why in line["why"] and then in line["next"] for line in lines)

        await self.told(("feed", self.ids[trouble]), right, did, why, then)

    async def shown(self, trouble: str, right: Right, *said: str) -> dict[str, Any]:
        """What the run's own page says."""
        return await self.told(("show", self.ids[trouble]), right, *said)

    async def needs_me(self, trouble: str, gate: str, command: str, *said: str) -> None:
        """The trouble is a gate in the list of what waits for a person, with the command that solves it."""
        run = self.ids[trouble]

        def right(found: dict[str, Any]) -> bool:
            gates = [one for one in found["gates"] if (one["run"], one["gate"]) == (run, gate)]
            return any(command in solving for one in gates for solving in one["commands"])

        await self.told(("gates",), right, run, gate, *said)

    async def goes_nowhere(self, trouble: str, right: Right, *said: str) -> None:
        """The trouble asks nobody yet, and the list of what waits for a person names the run all the same; so does `runs`."""
        run = self.ids[trouble]

        def held(found: dict[str, Any]) -> bool:
            return any(one["run"] == run and right(one) for one in found["held_up"])

        await self.told(("gates",), held, run, *said)
        await self.told(("runs",), lambda found: any(one["run"] == run for one in found["runs"]), run, *said)


@asynccontextmanager
async def hour(baton: Baton, client: Client, folder: Path) -> AsyncIterator[Hour]:
    """A worker in a process of its own, whose models are asked over HTTP, and a command line that talks to it."""
    origin, _ = reviewing.change(folder / "sample")
    agents, book = copied(folder / "agents"), folder / "book"
    lines = [f'{kind} = [{{ model = "openai:{model}", price = {PRICE} }}]' for kind, model in MODELS.items()]
    (agents / "routes.toml").write_text("\n".join(["[classes]", *lines]) + "\n")
    script = scripts.save(folder / "wire.yaml", *CONVERSATIONS)
    kept = Book(book, {"*": BookPrice(1_000_000, 2_000_000)})
    async with WireServer(script, book=kept) as server:
        queue = f"hour-{folder.name}"
        values: dict[str, Any] = {"state": baton.state, "task_queue": queue, "agents": agents, "ceilings": LEVELS}
        settings = config.Settings(**values, openai_base_url=server.openai_url)
        baton.set(TEMPORAL_ADDRESS=client.service_client.config.target_host, BATON_TASK_QUEUE=queue)
        with processes.Worker(client, settings, folder / "worker.log") as worker:
            yield Hour(baton, client, server, worker, origin, book)
    kept.close()
