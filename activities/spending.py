"""Which ceilings a call counts against, and what of them has to be set before anybody may pay."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from contracts.agents import Choice
from contracts.errors import Misconfigured
from contracts.money import Ceilings, micros
from ledger.spend import Scope

_LEVELS = ("run_usd", "agent_day_usd", "month_usd")


def scopes_of(ceilings: Ceilings, *, trace: str, project: str, agent: str, now: datetime) -> list[Scope]:
    """The ceilings of one call, the one that all share last: it is locked for the shortest time."""
    own = ceilings.projects.get(project)
    scopes = [_scope(f"run:{trace}", ceilings.run_default(project))]
    if own is not None:
        scopes.append(_scope(f"project:{project}:agent:{agent}:{now:%Y-%m-%d}", own.agent_day_usd))
    scopes.append(_scope(f"agent:{agent}:{now:%Y-%m-%d}", ceilings.agent_day_usd))
    if own is not None:
        scopes.append(_scope(f"project:{project}:month:{now:%Y-%m}", own.month_usd))
    scopes.append(_scope(f"month:{now:%Y-%m}", ceilings.month_usd))
    return [scope for scope in scopes if scope is not None]


def shared_scopes(ceilings: Ceilings, agents: Iterable[str], now: datetime) -> list[Scope]:
    """The ceilings of this period that runs share, as they are configured."""
    found: dict[str, Scope] = {}
    for project in ("", *ceilings.projects):
        for agent in agents:
            found |= {one.id: one for one in scopes_of(ceilings, trace="", project=project, agent=agent, now=now)}
    return [scope for scope in found.values() if not scope.id.startswith("run:")]


def check_levels(ceilings: Ceilings, choices: Iterable[Choice]) -> None:
    """Raise `Misconfigured` where a model costs money and a level has no ceiling: nobody said how much may be spent."""
    paid = [choice.model for choice in choices if not choice.free and choice.provider != "scripted"]
    unset = [name for name in _LEVELS if getattr(ceilings, name) is None]
    if paid and unset:
        raise Misconfigured(
            f"{paid[0]} costs money and {' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set: put "
            f"{', '.join(f'{name} = …' for name in unset)} (US dollars) into [ceilings] of baton.toml, "
            f"or set BATON_CEILINGS__{unset[0].upper()}"
        )


def _scope(name: str, usd: Decimal | None) -> Scope | None:
    return None if usd is None else Scope(name, micros(usd))
