"""How soon work continues after a worker ended in three ways, and after a storm of kills, using the parts of `tests/chaos`.

The tests judge correctness. The seconds depend on the machine as well, so they are measured here.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Say, spread, table
from tests.chaos.recovery import at_gates, draining
from tests.chaos.scenario import scenario
from tests.chaos.storm import storm
from tests.chaos.world import World, world

AIMS = {
    "killed with an idle run": (10.0, "Temporal's own wait for a dead worker, if ours did not set a shorter one"),
    "killed while it records a decision": (30.0, "half of the timeout of a ledger attempt"),
    "asked to stop in the middle of a call": (20.0, "twice a worker's grace period"),
    "storm: the first run moved": (30.0, "a person still waits"),
    "storm: each run had moved": (90.0, ""),
}
"""Target seconds, and the reason for each."""


@dataclass(frozen=True)
class Sizes:
    """Number of rounds, and kills per storm (0: no storm)."""

    rounds: int = 3
    kills: int = 50


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Measure, print the table and return the figures."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        async with world(Path(folder)) as outside:
            for number in range(sizes.rounds):
                for name, seconds in (await _round(outside, number, sizes.kills)).items():
                    found.setdefault(name, []).append(seconds)
                say(f"round {number + 1} of {sizes.rounds} done")
    rows = [("from", "seconds (median)", "aim"), *((name, spread(all_, 1), _aim(name)) for name, all_ in found.items())]
    say(table(rows))
    return {"sizes": asdict(sizes), "aims": {name: aim for name, (aim, _) in AIMS.items()}, "rounds": found}


async def _round(outside: World, number: int, kills: int) -> dict[str, float]:
    gates = await at_gates(outside, f"gates-{number}")
    found = [gates.idle, gates.deciding, (await draining(outside, f"drain-{number}")).seconds]
    if kills:
        async with scenario(outside, f"storm-{number}") as deliveries:
            weather = await storm(deliveries, kills, number)
        found += [weather.next_progress, weather.all_moved]
    return dict(zip(AIMS, found, strict=False))


def _aim(name: str) -> str:
    seconds, why = AIMS[name]
    return f"< {seconds:g}" + (f" ({why})" if why else "")
