"""Check of prices: a model without one is refused at its first call; this says so earlier."""

from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from commands.doctor.host import agent_files, reachable_providers
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from config import Settings
    from contracts.agents import Choice


def prices(found: "Settings") -> list[Finding]:
    """Whether every reachable model has a price or is free, and which price list is used."""
    from activities.money.prices import tariff

    routes = agent_files(found).routes
    have = reachable_providers(found)
    versions: set[str] = set()
    unpriced: list[Finding] = []
    for choice in _choices(found, [one for several in routes.classes.values() for one in several]):
        if choice.provider not in have:
            continue
        try:
            versions.add(tariff(choice, routes.prices).version)
        except Misconfigured as error:
            text, _, mend = str(error).partition(". ")
            unpriced.append(Finding("prices", "warn", f"{text}: it is refused", mend))
    known = ", ".join(sorted(versions)) or "no model is reachable from here, so no price is needed"
    return unpriced or [Finding("prices", "ok", known)]


def _choices(found: "Settings", routed: list["Choice"]) -> list["Choice"]:
    """Each reachable model once."""
    from contracts.agents import Choice

    if found.model:
        return [Choice(model=found.model, free=found.model_free)]
    return list({choice.model: choice for choice in routed}.values())


CHECKS: tuple[Check, ...] = (prices,)
