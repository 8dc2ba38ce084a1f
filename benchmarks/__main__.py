"""`python -m benchmarks` lists the benchmarks; with a name it runs one and writes benchmarks/results/NAME.json."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    children,
    diagnosis,
    edits,
    gates,
    growth,
    ledger,
    load,
    local,
    money,
    packages,
    parked,
    pipeline,
    proof,
    provenance,
    reads,
    recovery,
    review,
    road,
    startup,
    statements,
    sweep,
)
from benchmarks.report import write
from benchmarks.year import Year

RESULTS = Path(__file__).parent / "results"

ABOUT = {
    "children": "10, 50, 100 and 500 children of one run: history bytes, wall time, memory, cancellation; about 4 minutes",
    "diagnosis": "three services in one run beside three runs, with models that take 4 s: seconds; about 2 minutes",
    "edits": "one edit in a repository of 200 files and in one of 30,000: seconds; about 1 minute",
    "growth": "stored bytes of a tool loop of 5, 20 and 80 turns (with --long also 300 and 1,000); about 1 minute",
    "gates": "2,000 runs that wait for a person on one worker: memory per run, time until all have ended; about 5 minutes",
    "ledger": "reserve and settle at a fixed rate on both databases: latency; about 2 minutes",
    "load": "1,000,000 rows into PostgreSQL, with a worker killed in the middle, beside COPY: rows/s; about 5 minutes",
    "local": "local and ordinary activities for steps of 5 ms to 30 s: throughput, CPU, history, waits, kills; about 7 minutes",
    "money": "the four stages with ceilings, routes, breakers and rate limits, and without; about 4 minutes",
    "packages": "30 published packages: how many get a meaningful verdict with what is found; downloads them; about 10 minutes",
    "parked": "500 runs parked at the month's ceiling, which is raised once: time until all have resumed; about 2 minutes",
    "pipeline": "four stages against plain Temporal: throughput, CPU, memory, history; about 4 minutes",
    "proof": "referee, own tests and sabotage after a green check, in seconds beside the check itself; about 2 minutes",
    "provenance": "impact and find on a ledger of 10,000 runs: milliseconds; about 2 minutes",
    "reads": "each page of the console, and each command that reads, on a ledger of a year: milliseconds; about 6 minutes",
    "review": "40 published defects, or 16 others: how many a review without a model tells; downloads them; about 4 minutes",
    "road": "a call's way to a provider and back, from bare bytes to the whole activity: CPU of the caller; about 6 minutes",
    "startup": "CPU of each command that reads, and of a worker until it polls and until its first result; about 2 minutes",
    "statements": "what a model call asks of a SQLite ledger, and 1, 10 and 50 callers at once; under a minute",
    "sweep": "seconds until what was approved in a run that Temporal ended is delivered, also without a leader; 4 minutes",
    "recovery": "seconds until work continues after workers were killed or asked to stop; about 7 minutes",
}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(ABOUT))
    parser.add_argument("--rounds", type=int, help="rounds: how often every system is visited")
    parser.add_argument(
        "--long", action="store_true", help="growth: also 300 and 1,000 turns; parked: also runs that the command cannot reach"
    )
    parser.add_argument(
        "--runs", type=int, help="gates, parked: how many runs wait at the same time; provenance: how many there are"
    )
    parser.add_argument("--call-ms", type=float, help="pipeline: how long the model takes for a call; also with 200 callers")
    parser.add_argument("--rows", type=int, help="load: rows of the file")
    parser.add_argument(
        "--trial", type=Path, action="append", default=[], help="a Python file that changes our worker; pipeline takes several"
    )
    parser.add_argument("--only", action="append", help="packages, review: the name of one package; may be repeated")
    parser.add_argument("--held-out", action="store_true", help="review: the defects that no rule was chosen by")
    parser.add_argument("--profile", type=Path, help="pipeline: folder for CPU profiles; ignore the times then")
    return parser.parse_args(given)


async def _run(asked: argparse.Namespace) -> dict[str, Any]:
    task = asyncio.current_task()
    assert task is not None
    # Python handles Ctrl-C itself. On any other signal the processes that were started must end as well.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if asked.name == "growth":
        sizes = growth.Sizes(rounds=asked.rounds or growth.Sizes.rounds)
        return await growth.run(sizes.long() if asked.long else sizes, _say, next(iter(asked.trial), None))
    if asked.name == "children":
        return await children.run(children.Sizes(rounds=asked.rounds or children.Sizes.rounds), _say)
    if asked.name == "edits":
        return await edits.run(edits.Sizes(), _say)
    if asked.name == "packages":
        chosen = [one for one in packages.listed() if asked.only is None or one.name in asked.only]
        return await packages.run(_say, chosen)
    if asked.name == "review":
        listed = review.listed(review.HELD_OUT if asked.held_out else review.LIST)
        return await review.run(_say, [one for one in listed if asked.only is None or one.name in asked.only])
    if asked.name == "diagnosis":
        return await diagnosis.run(diagnosis.Sizes(asked.rounds or diagnosis.Sizes.rounds), _say)
    if asked.name == "gates":
        return await gates.run(gates.Sizes(asked.runs or gates.Sizes.runs, asked.rounds or gates.Sizes.rounds), _say)
    if asked.name == "parked":
        return await parked.run(
            parked.Sizes(asked.runs or parked.Sizes.runs, asked.rounds or parked.Sizes.rounds, asked.long), _say
        )
    if asked.name == "money":
        return await money.run(pipeline.Sizes(rounds=asked.rounds or pipeline.Sizes.rounds), _say)
    if asked.name == "proof":
        return await proof.run(proof.Sizes(rounds=asked.rounds or proof.Sizes.rounds), _say)
    if asked.name == "provenance":
        return await provenance.run(provenance.Sizes(asked.runs or provenance.Sizes.runs), _say)
    if asked.name == "reads":
        return await reads.run(reads.Sizes(Year(asked.runs or Year.runs)), _say)
    if asked.name == "recovery":
        return await recovery.run(recovery.Sizes(rounds=asked.rounds or recovery.Sizes.rounds), _say)
    if asked.name == "road":
        return await road.run(road.Sizes(asked.rounds or road.Sizes.rounds), _say)
    if asked.name == "startup":
        return await startup.run(startup.Sizes(asked.rounds or startup.Sizes.rounds), _say)
    if asked.name == "statements":
        return await statements.run(statements.Sizes(), _say)
    if asked.name == "sweep":
        return await sweep.run(sweep.Sizes(rounds=asked.rounds or sweep.Sizes.rounds), _say)
    if asked.name == "load":
        return await load.run(load.Sizes(asked.rounds or load.Sizes.rounds, asked.rows or load.Sizes.rows), _say)
    if asked.name == "local":
        return await local.run(local.Sizes(asked.rounds or local.Sizes.rounds), _say)
    if asked.name == "ledger":
        return await ledger.run(ledger.Sizes(rounds=asked.rounds or ledger.Sizes.rounds), _say)
    if asked.profile:
        asked.profile.mkdir(parents=True, exist_ok=True)
    loads = pipeline.Sizes(rounds=asked.rounds or pipeline.Sizes.rounds)
    if asked.call_ms is not None:
        loads = loads.up_to_200(asked.call_ms)
    return await pipeline.run(loads, _say, tuple(asked.trial), asked.profile)


def main(given: Sequence[str] | None = None) -> None:
    """List the benchmarks, or run one. None: use the command line."""
    asked = _arguments(given)
    if asked.name is None:
        for name, about in ABOUT.items():
            _say(f"make bench NAME={name:<10} {about}")
        return
    before = os.getloadavg()[0]
    results = asyncio.run(_run(asked))
    noise = {"cores": os.cpu_count(), "load_before": before, "load_after": os.getloadavg()[0]}
    _say(f"\n{noise['cores']} cores; load average {before:.1f} before and {noise['load_after']:.1f} after, our own included")
    _say(f"written to {write(RESULTS, asked.name, {'machine': noise} | results)}")


if __name__ == "__main__":
    main()
