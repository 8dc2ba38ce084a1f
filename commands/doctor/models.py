"""Check of endpoints: one small call to each, because a key and an address alone do not say that anybody answers."""

import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from commands.doctor.host import agent_files
from commands.doctor.prices import routed_choices
from contracts.conversation import ModelRequest, UserMessage
from contracts.errors import Misconfigured
from contracts.printed import quoted
from contracts.programs import PROGRAM

if TYPE_CHECKING:
    from activities.providers.base import Provider, ProviderError
    from config import Settings
    from contracts.agents import Choice

PATIENCE = timedelta(seconds=30)
"""How long an endpoint may take; a local server may have to load its model first."""

_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


async def endpoints(found: "Settings") -> list[Finding]:
    """Whether each endpoint answers the first model that a route names there. A model without a price is not asked."""
    from model_choice import build_providers

    routed, findings = routed_choices(found, agent_files(found).routes.each()), []
    for name, provider in build_providers(found).items():
        choice = next((one for one in routed if one.provider == name), None)
        try:
            if name not in ("scripted", PROGRAM):
                findings.append(await _asked(found, name, choice, provider))
        finally:
            await provider.close()
    return findings


async def _asked(found: "Settings", name: str, choice: "Choice | None", provider: "Provider") -> Finding:
    from activities.money.prices import tariff
    from activities.providers.base import ProviderError
    from model_choice import vendors

    what = f"endpoint {name}"
    if choice is None:
        return Finding(what, "ok", "not asked: no route names a model of it")
    try:
        price = tariff(choice, agent_files(found).routes.prices, vendors(found))
    except Misconfigured:
        return Finding(what, "warn", f"not asked: {choice.model} has no price, see prices")
    began = time.monotonic()
    try:
        reply = await provider.complete(_question(choice))
    except ProviderError as error:
        return Finding(what, "warn", f"no answer: {error.fact}", f"{mend(error, name)}. `baton doctor --offline` asks nobody")
    seconds = time.monotonic() - began
    cost = "cost unknown: it counts no tokens" if reply.usage is None else f"{price.cost(reply.usage)} micro-dollars"
    return Finding(what, "ok", f"{choice.model} answered in {seconds:.1f} s as {reply.model}, {cost}")


_PASSING = frozenset({"rate_limited", "overloaded", "server", "cut"})
_ADDRESS = "check base_url, the proxy and the network"

_MENDS: dict[str, str] = {
    "connection": f"see whether its server runs; {_ADDRESS}",
    "timeout": "see whether its server is busy or still loads the model, then run `baton doctor` again",
    "not_json": f"something else answers there, perhaps a proxy or a login page: {_ADDRESS}",
    "not_found": "correct base_url, or the model's name in routes.toml",
    "authentication": "set a valid key for this endpoint, then restart the worker",
    "credit": "top the account up, or raise its spend limit",
    "permission": "grant the key access to this model, or change the route",
}


def mend(error: "ProviderError", name: str) -> str:
    """What to do now: doctor asks once and repeats nothing, and runs meet the same."""
    if error.advice:
        return error.advice
    if error.kind in _PASSING:
        return "this may pass: run `baton doctor` again in a minute; runs repeat such a call by themselves"
    return _MENDS.get(error.kind, f"`baton models probe {quoted(name)}:MODEL` finds out what this endpoint takes")


def _question(choice: "Choice") -> ModelRequest:
    return ModelRequest(
        key=f"doctor/{uuid.uuid4()}",
        model=choice.model_name,
        agent="doctor",
        occurrence=1,
        turn=0,
        system="",
        messages=(UserMessage(text='Answer with {"ok": true}.'),),
        answer_name="ok_v1",
        answer_schema=_SCHEMA,
        # What the choice lets the model think counts as output, and has to be less than all of it.
        max_output_tokens=64 + (choice.thinking_budget or 0),
        timeout=PATIENCE,
        options=choice.options,
    )


CHECKS: tuple[Check, ...] = (endpoints,)
