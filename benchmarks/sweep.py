"""How soon what was approved in a run that Temporal then ended is delivered, in real time, by parts of `tests/workflows`.

The tests prove that the shipped intervals keep it within a minute. The seconds of a real server and ledger are measured here.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from activities.running.beside import beside
from benchmarks.report import Say, spread, table
from ledger.db import now_us
from tests.stack import dev_server, until
from tests.workflows.left_behind import WAYS, Way, are_delivered, became, ended, led_by_the_dead
from tests.workflows.performing import Performing, performing

AIM = 60.0
"""Seconds, from the end in Temporal to the receipt."""


@dataclass(frozen=True)
class Sizes:
    """Number of rounds, and whether each also measures what a leader that has just died delays."""

    rounds: int = 3
    dead: bool = True


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Measure, print the table and return the figures."""
    found: dict[str, list[float]] = {}
    async with dev_server() as environment:
        for number in range(sizes.rounds):
            for dead in (False, True) if sizes.dead else (False,):
                with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
                    async with performing(environment.client, Path(folder), tier="confirm") as performed:
                        for way, seconds in (await _round(performed, dead=dead)).items():
                            found.setdefault(f"{way}, {'the leader is dead' if dead else 'a worker leads'}", []).append(seconds)
            say(f"round {number + 1} of {sizes.rounds} done")
    rows = [("a run that was", "seconds to its receipt (median)", "aim")]
    say(table([*rows, *((name, spread(each, 1), f"< {AIM:g}") for name, each in found.items())]))
    return {"sizes": asdict(sizes), "aim": AIM, "rounds": found}


async def _round(performed: Performing, *, dead: bool) -> dict[Way, float]:
    """Seconds from the moment at which Temporal lists the last of the runs as over, by the way in which each ended."""
    stack, parts = performed.stack, performed.stack.parts
    for way in WAYS:
        await ended(performed, way)
    assert parts.relay is not None
    if dead:
        stack.ledger.tx_now(led_by_the_dead)
    began = now_us()

    async def done() -> bool | None:
        return stack.ledger.read_now(are_delivered, len(WAYS)) or None

    async with beside(parts.upkeep.run(stack.client), parts.relay.run()):
        await until(done, "all was delivered")
    there = stack.ledger.read_now(became, WAYS)
    return {way: (there[way].settled - began) / 1e6 for way in WAYS}
