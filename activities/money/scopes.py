"""Which ceilings a call counts against, and which must be set before a paid model is used."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from contracts.agents import Choice
from contracts.errors import Misconfigured
from contracts.money import Ceilings, Part, micros, resets_at
from contracts.runs import RunRef
from ledger.money.slices import Slice
from ledger.money.spend import CeilingReached, Scope

_LEVELS = ("run_usd", "agent_day_usd", "month_usd")


def parts_of(ceilings: Ceilings, run: RunRef, parts: Sequence[Part]) -> list[Scope | Slice]:
    """The run's own ceiling, then the slices of the children that the call belongs to, from the outermost in."""
    whole = f"run:{run.trace}"
    own = Scope(whole, micros(ceilings.run_default(run.project) or Decimal()), parts[0].kept_back if parts else 0)
    # From the outside in: a slice is cut from its parent, whose row the call has locked by then.
    found: list[Scope | Slice] = [own]
    for part in parts:
        found.append(Slice(whole, part.group, part.name, part.among, part.kept_back))
        whole = f"{whole}/{part.group}/{part.name}"
    return found


def shared_by(ceilings: Ceilings, *, project: str, agent: str, now: datetime) -> list[Scope]:
    """The ceilings of a call that other runs share; the one that all share comes last, to be locked for the shortest time."""
    own = ceilings.projects.get(project)
    day = f"agent:{agent}:{now:%Y-%m-%d}"
    scopes = [] if own is None else [_scope(f"project:{project}:{day}", own.agent_day_usd)]
    scopes.append(_scope(day, ceilings.agent_day_usd))
    return [*(scope for scope in scopes if scope is not None), *months_of(ceilings, project, now)]


def months_of(ceilings: Ceilings, project: str, now: datetime) -> list[Scope]:
    """The ceilings of this month: the project's own, if it has one, and everybody's."""
    own = ceilings.projects.get(project)
    month = f"month:{now:%Y-%m}"
    scopes = [] if own is None else [_scope(f"project:{project}:{month}", own.month_usd)]
    scopes.append(_scope(month, ceilings.month_usd))
    return [scope for scope in scopes if scope is not None]


def shared_scopes(ceilings: Ceilings, projects: Iterable[str], agents: Iterable[str], now: datetime) -> list[Scope]:
    """The configured ceilings of the present period that runs of these projects share."""
    found: dict[str, Scope] = {}
    agents = tuple(agents)
    for project in projects:
        for agent in agents:
            found |= {one.id: one for one in shared_by(ceilings, project=project, agent=agent, now=now)}
    return list(found.values())


def check_levels(ceilings: Ceilings, choices: Iterable[Choice]) -> None:
    """Raise `Misconfigured` if a model costs money and a level has no ceiling: nobody has said how much may be spent."""
    paid = [choice.model for choice in choices if not (choice.free or choice.is_person or choice.provider == "scripted")]
    unset = [name for name in _LEVELS if getattr(ceilings, name) is None]
    if paid and unset:
        raise Misconfigured(
            f"{paid[0]} costs money and {' and '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set: put "
            f"{', '.join(f'{name} = …' for name in unset)} (US dollars) into [ceilings] of baton.toml, "
            f"or set BATON_CEILINGS__{unset[0].upper()}"
        )


def refusal(error: CeilingReached, agent: str, model: str) -> ApplicationError:
    """The error that ends the activity of a refused call: not retryable, and benign, because the workflow parks."""
    found = error.refused
    refused = found.model_copy(update={"agent": agent, "model": model, "resets_at": resets_at(found.scope)})
    details = refused.model_dump(mode="json", exclude_defaults=True)
    category = ApplicationErrorCategory.BENIGN
    return ApplicationError(str(error), details, type="CeilingReached", non_retryable=True, category=category)


def _scope(name: str, usd: Decimal | None) -> Scope | None:
    return None if usd is None else Scope(name, micros(usd))
