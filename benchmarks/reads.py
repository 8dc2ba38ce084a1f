"""How long people wait for what they read on a ledger of a year: each page of the console, and each command that only reads."""

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from sqlalchemy import Connection

from activities.gates.policy import load_policy
from benchmarks.provenance import Ask, timed, trace_of
from benchmarks.report import Say, table
from benchmarks.year import Year, fill
from config import Settings
from console.answers import Place
from console.application import application
from console.live import Live
from contracts.money import Ceilings
from contracts.runs import FeedLine
from ledger import signed_in
from ledger.db import Ledger
from ledger.figures import ceilings, charges, quality
from ledger.figures.period import Period
from ledger.migrate import upgrade
from ledger.views import runs as run_views
from ledger.views.details import details
from ledger.views.feed import Filter, newest
from ledger.views.status import status
from tests import postgres

if TYPE_CHECKING:
    from temporalio.client import Client

BASE = "http://console"
POLICY = load_policy(Path("policy.toml"))
AIM_MS, FILTER_AIM_MS = 300, 500
"""Target p95 of a page or command, and of a filter of the feed."""

STREAMS, SECONDS = 50, 10
"""Pages that read along at once, and for how long."""


@dataclass(frozen=True)
class Sizes:
    """The ledger, how often each page and read is asked for, and whether on PostgreSQL as well."""

    year: Year
    asked: int = 20
    both: bool = True
    seconds: float = SECONDS


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Fill ledgers and time what reads them. Returns milliseconds by database, median and p95, and what the streams take."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        found["sqlite"] = await _on(f"sqlite:///{folder}/ledger.db", Path(folder), sizes, say)
    if sizes.both:
        with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder, postgres.running() as server:
            found["postgresql"] = await _on(server.url(server.create()), Path(folder), sizes, say)
    say(f"aims: p95 under {AIM_MS} ms, of a filter of the feed under {FILTER_AIM_MS} ms; {STREAMS} streams under 5 % of a core")
    return {"sizes": asdict(sizes)} | found


async def _on(url: str, folder: Path, sizes: Sizes, say: Say) -> dict[str, Any]:
    ledger = Ledger(url, folder / "artifacts")
    try:
        upgrade(ledger)
        seconds = await asyncio.to_thread(fill, ledger, sizes.year)
        say(f"\n{url.partition(':')[0]}: {sizes.year.runs} runs written in {seconds:.0f} s")
        times = await _pages(ledger, sizes)
        times |= {f"read {name}": timed(ledger, ask, sizes.asked) for name, ask in _reads(sizes.year)}
        share = await _streams(ledger, sizes.seconds)
    finally:
        ledger.close()
    say(table([("what", "median ms", "p95 ms"), *((name, f"{one[0]:.0f}", f"{one[1]:.0f}") for name, one in times.items())]))
    say(f"{STREAMS} streams: {share * 100:.1f} % of a core")
    return {"milliseconds": {name: {"median": one[0], "p95": one[1]} for name, one in times.items()}, "streams": share}


def paths(year: Year) -> Iterator[tuple[str, Callable[[int], str]]]:
    """Each page by name, and its address for the nth time that it is asked for."""
    waiting = year.runs - year.waiting
    yield "needs you", lambda _: "/"
    yield "feed", lambda _: "/feed"
    yield "feed, earlier", lambda nth: f"/feed?before={(nth + 1) * year.lines}"
    yield "feed of a run", lambda nth: f"/feed?run=deliver-{nth:06}"
    yield "feed of an agent", lambda nth: f"/feed?agent=agent-{nth % 8}"
    yield "feed of a stage", lambda _: "/feed?stage=act"
    yield "feed, alerts", lambda _: "/feed?alerts=1"
    yield "feed, a text that is rare", lambda nth: f"/feed?find=no+such+text+{nth}"
    yield "runs", lambda _: "/runs"
    yield "a run", lambda nth: f"/runs/{trace_of(nth * 7 % year.runs)}"
    yield "a gate", lambda nth: f"/runs/{trace_of(waiting + nth % year.waiting)}/gates/change-1"
    yield "agents", lambda _: "/agents"
    yield "system", lambda _: "/system"
    yield "read", lambda nth: f"/read?id={trace_of(nth)}"


def _reads(year: Year) -> Iterator[tuple[str, Ask]]:
    now = datetime.now(UTC)
    month = Period(now - timedelta(days=30), now)
    yield "status", lambda connection, _: status(connection, Ceilings(), "baton")
    yield "runs", lambda connection, _: run_views.recent(connection, 20)
    yield "show", lambda connection, nth: details(connection, trace_of(nth * 7 % year.runs), 5)
    yield "feed --find", lambda connection, nth: _lines(connection, Filter(text=f"no such text {nth}"), 100)
    for by in ("day", "agent", "model"):
        yield f"spend --by {by}", lambda connection, _, by=by: charges.spending(connection, month, by)  # type: ignore[misc]
    yield "figures agents", lambda connection, _: quality.agents(connection, month)
    yield "figures pipelines", lambda connection, _: quality.pipelines(connection, month)
    yield "budget review", lambda connection, _: ceilings.reviews(connection, month, Ceilings(), now)


def _lines(connection: Connection, wanted: Filter, limit: int) -> Sequence[FeedLine]:
    return newest(connection, wanted, limit, before=None, details=True)


async def nowhere() -> "Client":
    """The pages need no Temporal."""
    raise AssertionError("a page asked Temporal")


@asynccontextmanager
async def _visiting(ledger: Ledger) -> AsyncIterator[httpx2.AsyncClient]:
    place = Place(frozenset({"console"}), frozenset({BASE}), Settings(state=ledger.files.parent, ledger_url=ledger.url))
    transport = httpx2.ASGITransport(application(ledger, place, nowhere, POLICY))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        link = ledger.tx_now(signed_in.make_link, "olga")
        answer = await client.post("/sign-in", data={"link": link}, headers={"origin": BASE})
        assert answer.status_code == 303, answer.text
        yield client


async def _pages(ledger: Ledger, sizes: Sizes) -> dict[str, tuple[float, float]]:
    """What the server takes for each page, without a network."""
    found = {}
    async with _visiting(ledger) as client:
        for name, path in paths(sizes.year):
            took = []
            for nth in range(sizes.asked):
                began = time.monotonic()
                answer = await client.get(path(nth))
                took.append((time.monotonic() - began) * 1000)
                assert answer.status_code == 200, (path(nth), answer.text)
            found[name] = statistics.median(took), statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    return found


async def _streams(ledger: Ledger, seconds: float) -> float:
    """The share of a core that reading along takes while nothing is new."""
    live = Live(ledger)
    newest_line = ledger.read_now(lambda connection: _lines(connection, Filter(), 1)[0].seq)

    async def along() -> None:
        async for _ in live.lines(newest_line):
            pass

    tasks = [asyncio.create_task(live.watch()), *(asyncio.create_task(along()) for _ in range(STREAMS))]
    await asyncio.sleep(1)  # their first looks are over
    before, began = _processor(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (_processor() - before) / (time.monotonic() - began)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return share


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
