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
from benchmarks.provenance import Ask, trace_of
from benchmarks.report import Say, table
from benchmarks.year import Year, fill
from config import Settings
from console.answers import Place
from console.application import application
from console.live import Live
from contracts.errors import NotFound
from contracts.money import Ceilings
from contracts.runs import FeedLine
from contracts.value import MinutesBefore
from ledger import folding, signed_in
from ledger.db import Ledger
from ledger.figures import approvals, ceilings, charges, quality
from ledger.figures.period import Period
from ledger.figures.value import value
from ledger.migrate import upgrade
from ledger.views import runs as run_views
from ledger.views.details import details
from ledger.views.feed import Filter, newest
from ledger.views.money import lost_calls
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
            found["postgresql"] = await _on(server.url(server.create()), Path(folder), sizes, say, server.pid)
    say(f"aims: p95 under {AIM_MS} ms, of a filter of the feed under {FILTER_AIM_MS} ms; {STREAMS} streams under 5 % of a core")
    return {"sizes": asdict(sizes)} | found


async def _on(url: str, folder: Path, sizes: Sizes, say: Say, server: int | None = None) -> dict[str, Any]:
    ledger, clock = Ledger(url, folder / "artifacts"), Clock(server)
    try:
        upgrade(ledger)
        seconds = await asyncio.to_thread(fill, ledger, sizes.year)
        keeping = await asyncio.to_thread(_keep, ledger)
        say(f"\n{url.partition(':')[0]}: {sizes.year.runs} runs written in {seconds:.0f} s, kept in {keeping:.0f} s")
        times = await _pages(ledger, sizes, clock)
        for name, ask in _reads(sizes.year):
            times[f"read {name}"] = [clock.timed(ledger, ask, nth) for nth in range(sizes.asked)]
        share = await _streams(ledger, sizes.seconds)
    finally:
        ledger.close()
    found = {name: Taken.of(some) for name, some in times.items()}
    rows = [(name, *(f"{number:.0f}" for number in asdict(one).values())) for name, one in found.items()]
    say(table([("what", "median ms", "p95 ms", "median CPU ms", "p95 CPU ms"), *rows]))
    say(f"{STREAMS} streams: {share * 100:.1f} % of a core")
    return {"milliseconds": {name: asdict(one) for name, one in found.items()}, "streams": share}


def _keep(ledger: Ledger) -> float:
    """Keep the figures of every run that is quiet, as a worker's rounds do. Returns the seconds that it took."""
    began, last = time.monotonic(), ""
    while some := ledger.read_now(folding.changed, last):
        ledger.tx_now(folding.fold, some)
        last = some[-1]
    return time.monotonic() - began


@dataclass(frozen=True)
class Taken:
    """Milliseconds of one page or read: as people wait, and of the processor, which others on the machine lengthen less."""

    median: float
    p95: float
    cpu_median: float
    cpu_p95: float

    @classmethod
    def of(cls, times: Sequence[tuple[float, float]]) -> "Taken":
        """From (wall, CPU) of each time that it was asked for."""
        wall, processor = ([one[which] for one in times] for which in (0, 1))
        return cls(statistics.median(wall), _p95(wall), statistics.median(processor), _p95(processor))


def _p95(some: list[float]) -> float:
    return statistics.quantiles(some, n=20)[-1] if len(some) > 1 else some[0]


class Clock:
    """Takes the time and the processor's time, with that of a database server if there is one (`server` is its process id)."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self._began = 0.0, 0.0

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic(), self._processor()

    def stop(self) -> tuple[float, float]:
        """Milliseconds since `start`: of the wall, and of the processor."""
        return (time.monotonic() - self._began[0]) * 1000, (self._processor() - self._began[1]) * 1000

    def timed(self, ledger: Ledger, ask: Ask, nth: int) -> tuple[float, float]:
        """Ask a ledger for the nth time."""
        self.start()
        ledger.read_now(ask, nth)
        return self.stop()

    def _processor(self) -> float:
        return _processor() + (0 if self._server is None else _used_by(self._server))


def _used_by(server: int) -> float:
    """Processor seconds of the processes that serve this server's connections. The kernel counts them in nanoseconds there."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) for one in children) / 1e9


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
    yield "cost", lambda _: "/cost"
    yield "cost of a year", lambda _: "/cost?since=366d&by=model"
    yield "a gate", lambda nth: f"/runs/{trace_of(waiting + nth % year.waiting)}/gates/change-1"
    yield "agents", lambda _: "/agents"
    yield "system", lambda _: "/system"
    yield "read", lambda nth: f"/read?id={trace_of(nth)}"


def _reads(year: Year) -> Iterator[tuple[str, Ask]]:
    now = datetime.now(UTC)
    month, whole = Period(now - timedelta(days=30), now), Period(now - timedelta(days=366), now)
    yield "status", lambda connection, _: status(connection, Ceilings(), "baton")
    yield "runs", lambda connection, _: run_views.recent(connection, 20)
    yield "show", lambda connection, nth: details(connection, trace_of(nth * 7 % year.runs), 5)
    yield "feed --find", lambda connection, nth: _lines(connection, Filter(text=f"no such text {nth}"), 100)
    for by in ("day", "agent", "model"):
        yield f"spend --by {by}", lambda connection, _, by=by: charges.spending(connection, month, by)  # type: ignore[misc]
    for by in ("day", "run"):
        yield f"spend --by {by}, a year", lambda connection, _, by=by: charges.spending(connection, whole, by)  # type: ignore[misc]
    yield "figures agents", lambda connection, _: quality.agents(connection, month)
    yield "figures agents, a year", lambda connection, _: quality.agents(connection, whole)
    yield "figures pipelines", lambda connection, _: quality.pipelines(connection, month)
    yield "figures actions", lambda connection, _: approvals.decided(connection, month)
    yield "figures value", lambda connection, _: value(connection, month, MinutesBefore())
    yield "budget review", lambda connection, _: ceilings.reviews(connection, month, Ceilings(), now)
    yield "budget review, a year", lambda connection, _: ceilings.reviews(connection, whole, Ceilings(), now)
    yield "budget show", lambda connection, _: lost_calls(connection)
    yield "a run that nobody knows", lambda connection, nth: _nobody(connection, f"unknown-{nth}")


def _nobody(connection: Connection, name: str) -> str:
    try:
        found = run_views.find_run(connection, name)
    except NotFound as error:
        return str(error)
    raise AssertionError(f"there is a run {found.workflow_id}")


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


async def _pages(ledger: Ledger, sizes: Sizes, clock: Clock) -> dict[str, list[tuple[float, float]]]:
    """What the server takes for each page, without a network."""
    found = {}
    async with _visiting(ledger) as client:
        for name, path in paths(sizes.year):
            took = []
            for nth in range(sizes.asked):
                clock.start()
                answer = await client.get(path(nth))
                took.append(clock.stop())
                assert answer.status_code == 200, (path(nth), answer.text)
            found[name] = took
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
