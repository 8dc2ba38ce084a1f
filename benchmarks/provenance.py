"""How long people wait for `baton impact` and `baton find` on a ledger of many runs."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert

from benchmarks.report import Say, table
from contracts.base import digest_of
from ledger.db import Ledger
from ledger.handoffs import made
from ledger.migrate import upgrade
from ledger.tables import action, claim, edge, gate, handoff, seen, turn
from ledger.tables import run as run_row
from ledger.views.impact import impact_of
from ledger.views.selection import Selection, select_handoffs

TURNS, HANDOFFS, CLAIMS, SHARED = 20, 4, 3, 200
"""Of each run: model turns, handoffs and claims of each; and among how many sources all runs choose one."""

AIM_MS = 1000
"""Target p95."""


@dataclass(frozen=True)
class Sizes:
    """Runs in the ledger, and how often each question is asked."""

    runs: int = 10_000
    asked: int = 40


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Fill a SQLite ledger and time the questions. Returns milliseconds: median and p95 of each."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", Path(folder) / "artifacts")
        try:
            upgrade(ledger)
            began = time.monotonic()
            for first in range(0, sizes.runs, 500):
                ledger.tx_now(_fill, range(first, min(first + 500, sizes.runs)))
            say(f"{sizes.runs} runs written in {time.monotonic() - began:.0f} s")
            times = {name: timed(ledger, ask, sizes.asked) for name, ask in _questions(sizes.runs)}
        finally:
            ledger.close()
    rows = [("question", "median ms", "p95 ms"), *((name, f"{one[0]:.0f}", f"{one[1]:.0f}") for name, one in times.items())]
    say(table(rows))
    say(f"aim: p95 under {AIM_MS} ms")
    return {"sizes": asdict(sizes), "milliseconds": {name: {"median": one[0], "p95": one[1]} for name, one in times.items()}}


Ask = Callable[[Connection, int], object]


def _questions(runs: int) -> Iterator[tuple[str, Ask]]:
    def selecting(**wanted: Any) -> Ask:
        return lambda connection, nth: select_handoffs(
            connection, Selection(**{name: value(nth) for name, value in wanted.items()}), 51
        )

    yield "impact of a handoff", lambda connection, nth: impact_of(connection, [handoff_of(trace_of(nth * 7 % runs), 0)])
    yield "impact of a source", lambda connection, nth: impact_of(connection, [_source(nth)])
    yield "find by claim", selecting(claim=lambda nth: f"value {nth}")
    yield "find by agent and model", selecting(agent=lambda nth: f"agent-{nth % 8}@v{nth % 3}", model=lambda _: "small")
    yield "find by source", selecting(source=lambda nth: f"shop/file-{nth % SHARED}.py")


def timed(ledger: Ledger, ask: Ask, times: int) -> tuple[float, float]:
    """Ask a ledger so often: milliseconds, the median and the 95th percentile."""
    took = []
    for nth in range(times):
        began = time.monotonic()
        ledger.read_now(ask, nth)
        took.append((time.monotonic() - began) * 1000)
    return statistics.median(took), max(took) if times < 20 else statistics.quantiles(took, n=20)[-1]


def trace_of(nth: int) -> str:
    """The trace of this run."""
    return f"trace-{nth:06}"


def _source(nth: int) -> str:
    return digest_of("source", str(nth % SHARED))


def handoff_of(trace: str, nth: int) -> str:
    """The id of this handoff of a run."""
    return digest_of("handoff", trace, str(nth))


def _turn(trace: str, nth: int) -> str:
    return digest_of("turn", trace, str(nth))


def _fill(connection: Connection, which: Sequence[int]) -> None:
    rows: dict[Table, list[dict[str, Any]]] = {one: [] for one in (run_row, turn, handoff, claim, seen, gate, action, edge)}
    for nth in which:
        add(rows, nth, 1_700_000_000_000_000 + nth * 60_000_000)
    for one, some in rows.items():
        connection.execute(insert(one), some)


def add(rows: dict[Table, list[dict[str, Any]]], nth: int, at: int) -> None:
    """One run: a source is read, turns follow each other, each handoff comes from the one before, the last one is pushed."""
    trace = trace_of(nth)
    rows[run_row].append(
        filled(run_row, trace=trace, workflow_id=f"deliver-{nth:06}", request_key=trace, started_at=at, state="done")
    )
    rows[seen].append(
        {
            "trace": trace,
            "path": "plan",
            "artifact": _source(nth),
            "name": f"shop/file-{nth % SHARED}.py",
            "untrusted": True,
            "at": at,
        }
    )
    edges = [(f"{_turn(trace, 0)}/0", "used", _source(nth)), (f"{_turn(trace, 0)}/0", "derived", _turn(trace, 0))]
    for step in range(TURNS):
        rows[turn].append(filled(turn, id=_turn(trace, step), trace=trace, path=f"step-{step % HANDOFFS}", at=at))
        if step:
            edges.append((_turn(trace, step), "used", _turn(trace, step - 1)))
    for step in range(HANDOFFS):
        _add_handoff(rows, edges, trace, nth, step, at)
    subject = made(trace, digest_of("subject", trace))
    edges += [(subject, "derived", handoff_of(trace, HANDOFFS - 1)), (f"{trace}/change-1", "derived", subject)]
    edges.append((digest_of("action", trace), "derived", f"{trace}/change-1"))
    rows[gate].append(filled(gate, trace=trace, gate="change-1", kind="change", state="approve", opened_at=at))
    rows[action].append(filled(action, key=digest_of("action", trace), trace=trace, type="git.push", state="delivered", at=at))
    rows[edge] += [{"child": child, "relation": relation, "parent": parent} for child, relation, parent in edges]


def _add_handoff(
    rows: dict[Table, list[dict[str, Any]]], edges: list[tuple[str, str, str]], trace: str, nth: int, step: int, at: int
) -> None:
    identity, kind = handoff_of(trace, step), nth + step
    edges.append((identity, "generated", _turn(trace, (step + 1) * TURNS // HANDOFFS - 1)))
    if step:
        edges.append((identity, "derived", handoff_of(trace, step - 1)))
    who = {"agent": f"agent-{kind % 8}", "version": f"v{kind % 3}", "model": "openai:small"}
    rows[handoff].append(filled(handoff, id=identity, trace=trace, path=f"step-{step}", outcome="done", at=at, **who))
    for position in range(CLAIMS):
        said = {"subject": f"subject {position}", "attribute": "is", "value": f"value {nth + position}"}
        rows[claim].append({"handoff": identity, "position": position, "supported": True, **said})


def filled(table: Table, **values: Any) -> dict[str, Any]:
    """A row with these values, and with nothing in the columns that have to have something."""
    wanted = (one for one in table.c if not one.nullable and one.server_default is None)
    return {one.name: 0 if one.type.python_type in (int, bool) else "" for one in wanted} | values
