"""What a model call costs the process that makes it: from bare bytes, by HTTP clients and SDKs, to the whole activity."""

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Say, ratios, spread, table
from benchmarks.road_caller import KINDS, WAYS

ROOT = Path(__file__).parent.parent
BASELINE = "SDK"

Rounds = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Sizes:
    """Rounds; calls of each kind in each way and round; calls that are under way at once; seconds between two pieces.

    `ways` empty: all for which everything is installed.
    """

    rounds: int = 5
    calls: int = 200
    at_once: int = 10
    gap: float = 0.004
    ways: tuple[str, ...] = ()


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Ask in every way, each in a process of its own, once per round. Prints both tables and returns the figures."""
    ways = sizes.ways or tuple(way for way in WAYS if "aiohttp" not in way or importlib.util.find_spec("aiohttp"))
    if len(ways) < len(WAYS) and not sizes.ways:
        say("without aiohttp, which Baton does not install: the ways that need it are left out")
    rounds: Rounds = {}
    async with _server(sizes.gap) as url:
        for number in range(sizes.rounds):
            for way in ways if number % 2 == 0 else reversed(ways):
                rounds.setdefault(way, []).append(await _asked(way, url, sizes))
            say(f"round {number + 1} of {sizes.rounds} done")
    say(_rendered(rounds))
    return {"sizes": asdict(sizes), "rounds": rounds}


@contextlib.asynccontextmanager
async def _server(gap: float) -> AsyncIterator[str]:
    """The model, in its own process. Yields its address."""
    process = await _started("benchmarks.road_server", "--gap", str(gap))
    try:
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode().strip()
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _asked(way: str, url: str, sizes: Sizes) -> dict[str, float]:
    """Milliseconds of CPU for a call of each kind, in this way."""
    process = await _started("benchmarks.road_caller", way, url, "--calls", str(sizes.calls), "--at-once", str(sizes.at_once))
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the caller {way!r} failed with exit code {process.returncode}; what it said is above")
    found: dict[str, float] = json.loads(said)
    return found


async def _started(module: str, *arguments: str) -> asyncio.subprocess.Process:
    variables = os.environ | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    command = (sys.executable, "-m", module, *arguments)
    return await asyncio.create_subprocess_exec(*command, env=variables, cwd=ROOT, stdout=asyncio.subprocess.PIPE)


def _rendered(rounds: Rounds) -> str:
    kinds = [f"{speaks}, {how}" for speaks, how in KINDS]
    absolute = [["CPU ms of a call", *kinds]]
    absolute += [[way, *(spread(_of(visits, kind)) for kind in kinds)] for way, visits in rounds.items()]
    base = rounds.get(BASELINE)
    if base is None:
        return table(absolute)
    relative = [[f"ratio to {BASELINE}, same round", *kinds]]
    relative += [
        [way, *(spread(ratios(_of(visits, kind), _of(base, kind))) for kind in kinds)]
        for way, visits in rounds.items()
        if way != BASELINE
    ]
    return f"{table(absolute)}\n\n{table(relative)}"


def _of(visits: Sequence[dict[str, float]], kind: str) -> list[float]:
    return [found[kind] for found in visits]
