"""What ceilings, routes, circuit breakers and rate limits cost: the same four stages with and without them."""

import json
from dataclasses import asdict
from typing import Any

from benchmarks.agent_files import write_agents, write_script
from benchmarks.pipeline import Rounds, Sizes, System, baton, ratios_to, rendered, visit
from benchmarks.report import Say
from benchmarks.stack import Stack, model_endpoint, running

BASELINE = "off"

AIMS = {f"rps_{width}": ">= 0.95" for width, _, _ in Sizes.loads}

_FREE = """\
[classes]
bench = [{{ model = "{model}:bench", free = true }}]
"""

# Limits that are never reached: the benchmark measures the cost of checking and counting them.
_ROUTES = """\
[[classes.bench]]
model = "{model}:bench"
price = {{ input = 1000000, output = 4000000 }}
quality = 1
context = 100000
most_micros = 1000000
latency = "PT30S"
requests_per_minute = 1000000
tokens_per_minute = 1000000000

[[classes.bench]]
model = "{model}:second"
price = {{ input = 2000000, output = 8000000 }}
quality = 2
when = ["outage", "invalid"]

[[classes.bench]]
model = "{model}:third"
price = {{ input = 4000000, output = 16000000 }}
quality = 3
when = ["invalid", "unsure"]

[minimum]
bench = {{ high = 2 }}
"""

_LEVELS = {"run_usd": "1000", "agent_day_usd": "100000", "month_usd": "1000000"}
_NONE = dict.fromkeys(_LEVELS)


async def run(sizes: Sizes, say: Say) -> dict[str, Any]:
    """Visit both once per round, print the tables and return the figures."""
    rounds: Rounds = {}
    async with running("openai") as stack, model_endpoint(stack, write_script(stack.state)) as url:
        systems = [_system(stack, url, BASELINE, _FREE, _NONE), _system(stack, url, "on", _ROUTES, _ceilings())]
        for number in range(sizes.rounds):
            for system in systems if number % 2 == 0 else reversed(systems):
                found = await visit(stack, system, f"{system.name}-{number}", sizes)
                rounds.setdefault(system.name, []).append(found)
                say(f"round {number + 1} of {sizes.rounds}: {system.name} worked for {found['seconds']:.0f} s")
    say(rendered(rounds, BASELINE, AIMS))
    return {"sizes": asdict(sizes), "rounds": rounds, "ratios": ratios_to(rounds, BASELINE)}


def _ceilings() -> dict[str, Any]:
    """All three ceilings, in total and for the runs' project."""
    return _LEVELS | {"projects": {"default": _LEVELS}}


def _system(stack: Stack, url: str, name: str, routes: str, ceilings: dict[str, Any]) -> System:
    agents = write_agents(stack.state / name, "openai", routes)
    more = {"BATON_OPENAI_BASE_URL": url, "BATON_AGENTS": str(agents), "BATON_CEILINGS": json.dumps(ceilings)}
    return baton(stack, name, more)
