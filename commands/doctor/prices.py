"""Check of prices: a model without one is refused at its first call; this says so earlier."""

from typing import TYPE_CHECKING

from commands.doctor.finding import Check, Finding
from commands.doctor.host import agent_files, reachable_providers
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config import Settings
    from contracts.agents import Choice


def prices(found: "Settings") -> list[Finding]:
    """Whether every reachable model has a price or is free, and which price list is used."""
    from activities.money.prices import tariff
    from model_choice import vendors

    routes = agent_files(found).routes
    have, sold_by = reachable_providers(found), vendors(found)
    versions: set[str] = set()
    unpriced: list[Finding] = []
    for choice in routed_choices(found, routes.each):
        if choice.provider not in have:
            continue
        try:
            versions.add(tariff(choice, routes.prices, sold_by).version)
        except Misconfigured as error:
            text, _, mend = str(error).partition(". ")
            unpriced.append(Finding("prices", "warn", f"{text}: it is refused", mend))
    known = ", ".join(sorted(versions)) or "no model is reachable from here, so no price is needed"
    return unpriced or [Finding("prices", "ok", known)]


def routed_choices(found: "Settings", classes: "Mapping[str, tuple[Choice, ...]]") -> list["Choice"]:
    """Each routed model once."""
    from model_choice import at_endpoint, endpoints, in_force

    named = endpoints(found)
    routed = [at_endpoint(one, named) for several in in_force(found, classes).values() for one in several]
    return list({choice.model: choice for choice in routed}.values())


CHECKS: tuple[Check, ...] = (prices,)
