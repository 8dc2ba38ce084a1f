"""Many small runs that share one month's ceiling: their database, their model provider with its book, and their workers."""

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from contracts.errors import LedgerUnavailable
from ledger import tables
from ledger.db import Ledger
from ledger.migrate import upgrade
from tests import children, scripts
from tests.activities import agentfiles
from tests.chaos.fleet import Fleet
from tests.chaos.sampler import Sampler
from tests.chaos.scenario import persist, stopped
from tests.chaos.world import World
from tests.stack import until
from tests.wire.book import Book, BookPrice, read_book
from tests.wire.server import WireServer

INPUT, OUTPUT = 1_000_000, 1_000
"""Micro-dollars per million tokens. What a call reserves is mostly input, so that a budget is spent and not only held."""
ROUTES = f'[classes]\nworker = [{{ model = "openai:test", price = {{ input = {INPUT}, output = {OUTPUT} }} }}]\n'
TURNS = 2
"""Of every run."""
THINKING_MS = 150
PATIENCE = 900.0
LOOK = 0.2
"""Seconds between two looks for what is waited for: each costs database, worker and test some of their time."""
AT_ONCE = 25


@dataclass
class Budget:
    """One ceiling and those who share it. `ends` is what each run has returned, or what it failed with."""

    name: str
    world: World
    ledger: Ledger
    fleet: Fleet
    folder: Path
    sampler: Sampler
    runs: tuple[str, ...]
    ends: dict[str, str] = field(default_factory=dict)

    @property
    def book(self) -> list[dict[str, Any]]:
        """What the provider has answered, and for how much."""
        return read_book(self.folder / "book.jsonl")

    def rows(self, table: Table) -> list[Row[Any]]:
        """A whole table of the ledger."""
        return self.ledger.read_now(lambda connection: list(connection.execute(select(table))))

    async def admit(self) -> None:
        """Start all runs, and wait until each is admitted."""
        room = asyncio.Semaphore(AT_ONCE)
        asked = {"repository": "none", "instruction": "Count the cents", "owner": "olga"}

        async def start(run: str) -> None:
            async with room:
                await self.world.client.start_workflow("AskWhenTold", asked, id=run, task_queue=self.name)

        await asyncio.gather(*map(start, self.runs))
        await self.reached(lambda states: states.total() == len(self.runs), "all runs are admitted")

    async def tell(self) -> None:
        """Let all begin."""
        room = asyncio.Semaphore(AT_ONCE)

        async def go(run: str) -> None:
            async with room:
                await self.world.client.get_workflow_handle(run).signal("go")

        await asyncio.gather(*map(go, self.runs))

    async def parked_or_done(self) -> int:
        """Wait until each run is done, or waits for money; how many wait."""
        wanted = len(self.runs)
        return (await self.reached(lambda seen: seen["parked"] + seen["done"] == wanted, "all are parked or done"))["parked"]

    async def reached(self, condition: Callable[[Counter[str]], bool], what: str) -> Counter[str]:
        """How many runs are in which state, as soon as the condition holds for it."""

        async def look() -> Counter[str] | None:
            try:
                states: Counter[str] = Counter(await self.ledger.read(_states))
            except LedgerUnavailable:
                return None
            return states if condition(states) else None

        try:
            return await until(look, what, PATIENCE, LOOK)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.ledger.read_now(_states)}") from None

    async def calls(self) -> int:
        """Turns that are stored."""
        count = select(func.count()).select_from(tables.turn)
        return await self.ledger.read(lambda connection: int(connection.execute(count).scalar_one()))

    async def left(self) -> int:
        """Runs that have not ended; all, while the database is away."""
        try:
            return len(self.runs) - (await self.ledger.read(_states)).get("done", 0)
        except LedgerUnavailable:
            return len(self.runs)

    async def reserved(self) -> int:
        """Calls that money was ever reserved for, those that were lost included."""
        count = select(func.count()).select_from(tables.reservation)
        return await self.ledger.read(lambda connection: int(connection.execute(count).scalar_one()))

    async def answered(self, wanted: int) -> None:
        """Wait until so many calls are answered."""
        await self._counted(self.calls, wanted, "answered")

    async def asked(self, wanted: int) -> None:
        """Wait until so many calls are under way, or were."""
        await self._counted(self.reserved, wanted, "asked")

    async def _counted(self, count: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        async def look() -> bool | None:
            try:
                return True if await count() >= wanted else None
            except LedgerUnavailable:
                return None

        await until(look, f"{wanted} calls are {what}", PATIENCE, LOOK)

    async def raise_month(self, to_usd: str) -> str:
        """`baton budget raise month`, as a person types it; what it says."""
        program = Path(sys.executable).parent / "baton"
        code, said, _ = await children.finished(
            *(program, "budget", "raise", "month", "--to", to_usd, "-m", "let them finish", "--by", "maria"),
            env={"PATH": os.defpath, **self.fleet.variables},
            cwd=self.folder,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert code == 0, said
        return said

    async def end(self) -> None:
        """Wait until every run has ended."""

        async def wait(run: str) -> None:
            try:
                self.ends[run] = str(await persist(self.world.client.get_workflow_handle(run).result))
            except Exception as error:  # noqa: BLE001 - whatever ended it, the audit says that it did not end well
                self.ends[run] = f"{error}: {error.__cause__}"

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(wait, self.runs))


def _states(connection: Connection) -> dict[str, int]:
    counts = select(tables.run.c.state, func.count()).group_by(tables.run.c.state)
    return {str(state): int(count) for state, count in connection.execute(counts)}


@contextlib.asynccontextmanager
async def budget(world: World, name: str, ledger_url: str, *, runs: int, month_usd: str) -> AsyncIterator[Budget]:
    """A budget in a folder of its own, watched by a sampler all the time."""
    folder = world.folder / name
    folder.mkdir()
    state = folder / "state"
    ledger, watched = (Ledger(ledger_url, state / "artifacts") for _ in range(2))
    upgrade(ledger)
    variables = {
        "TEMPORAL_ADDRESS": world.ports.address,
        "BATON_STATE": str(state),
        "BATON_LEDGER_URL": ledger_url,
        "BATON_TASK_QUEUE": name,
        "BATON_AGENTS": str(_agents(folder / "agents")),
        "BATON_OPENAI_API_KEY": "test-key",
        "BATON_LOG_FORMAT": "json",
        "BATON_CEILINGS__RUN_USD": "1",
        "BATON_CEILINGS__AGENT_DAY_USD": "1000",
        "BATON_CEILINGS__MONTH_USD": month_usd,
    }
    fleet, sampler = Fleet(world.zygote, folder / "workers", variables), Sampler(watched)
    names = tuple(f"{name}-{number}" for number in range(1, runs + 1))
    watching = asyncio.create_task(sampler.run())
    try:
        async with WireServer(_script(folder), book=Book(folder / "book.jsonl", {"*": BookPrice(INPUT, OUTPUT)})) as provider:
            fleet.variables["BATON_OPENAI_BASE_URL"] = provider.openai_url
            yield Budget(name, world, ledger, fleet, folder, sampler, names)
            fleet.kill()
    finally:
        await stopped(watching)
        fleet.kill()
        ledger.close()
        watched.close()


def _agents(folder: Path) -> Path:
    """An agent with a long prompt: what it reserves for its input is not far from what it then costs."""
    agentfiles.write(folder, "Do {{ task.instruction }}. " + "cents and more " * 600, tools=["run_state"])
    (folder / "routes.toml").write_text(ROUTES)
    return folder


def _script(folder: Path) -> Path:
    turns = (scripts.calls(scripts.call("run_state")), scripts.answer(scripts.summary()))
    return scripts.save(folder / "script.yaml", {**scripts.says("helper", *turns), "delay_ms": THINKING_MS})
