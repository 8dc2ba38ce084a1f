"""Three services in one run, and in three runs one after the other, with models that take their time: wall seconds."""

import asyncio
import json
import secrets
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.providers.base import Provider
from benchmarks.report import Say, spread, table
from contracts.conversation import ModelReply, ModelRequest
from tests import scripts
from tests.scripts import answer
from tests.stack import Stack, dev_server, stack
from tests.workflows.ailing import diagnosis, finds, planned, weighs

NAMES = ("shop", "pay", "users")
LOG = "2026-11-30T08:00:01Z INFO up\n2026-11-30T08:00:02Z ERROR it failed\n"


@dataclass(frozen=True)
class Sizes:
    """How often each is done, and how long a diagnostician's model takes for an answer, in seconds."""

    rounds: int = 5
    thinks: float = 4.0


@dataclass
class Slow:
    """A provider whose diagnosticians take their time, as real ones do; planner and weigher take a tenth of it."""

    inner: Provider
    seconds: float
    name: str = "scripted"

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The answer, later."""
        await asyncio.sleep(self.seconds if request.agent == "diagnostician" else self.seconds / 10)
        return await self.inner.complete(request)

    async def close(self) -> None:
        """Close the provider that answers."""
        await self.inner.close()


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Both ways in turn. Prints the table and returns the figures."""
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        place = Path(folder)
        for name in NAMES:
            (place / f"{name}.log").write_text(LOG)
        said = [finds(name, answer(diagnosis("none", "All is well."))) for name in NAMES]
        script = scripts.save(place / "script.yaml", planned(), *said, weighs())
        async with dev_server() as server, stack(server.client, place / "state", script) as running:
            providers = running.parts.providers
            providers["scripted"] = Slow(providers["scripted"], sizes.thinks)
            await _took(running, place, NAMES[:1])  # what is loaded late is loaded now
            for number in range(sizes.rounds):
                together = await _took(running, place, NAMES)
                alone = sum([await _took(running, place, (name,)) for name in NAMES])
                found.append((together, alone))
                say(f"round {number + 1} of {sizes.rounds}: {together:.1f} s together, {alone:.1f} s one after the other")
    shares = [together / alone for together, alone in found]
    rows = [
        ("three services", "seconds: median (min-max)"),
        ("one run, in parallel", spread([one for one, _ in found])),
        ("three runs, one after the other", spread([other for _, other in found])),
        ("share of the time", spread(shares)),
    ]
    say(table(rows))
    return {"sizes": asdict(sizes), "seconds": found, "shares": shares}


async def _took(running: Stack, place: Path, names: tuple[str, ...]) -> float:
    asked = {"owner": "olga", "report_only": True, "services": [f"{name}={place}/{name}.log" for name in names]}
    began = time.monotonic()
    run = f"diagnose-{secrets.token_hex(4)}"
    queue = running.settings.task_queue
    report = await running.client.execute_workflow("Diagnosis", asked, id=run, task_queue=queue)
    took = time.monotonic() - began
    if report["state"] != "done":
        raise RuntimeError(f"{run} was not done: {json.dumps(report)[:2000]}")
    return took
