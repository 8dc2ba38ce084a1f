"""What `baton models` shows: routes with breakers, rates and replies. Read-only except for closing a breaker by hand."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from activities.money import prices
from activities.providers.base import ENDPOINTS
from activities.turns.choices import breakers_of
from contracts.agents import Choice
from contracts.base import digest_of
from contracts.conversation import Usage
from contracts.errors import Misconfigured, NotFound, Refused
from contracts.programs import PROGRAM
from contracts.runs import WHEN_WRITTEN, Note, RunRef
from ledger import breakers, feed
from ledger.db import Connection, now_us
from ledger.views.models import BreakerView, Minute, noteworthy, this_minute
from model_choice import at_endpoint, endpoints, in_force, key_of, vendors

if TYPE_CHECKING:
    from activities.agents.routes import Routes
    from config import Settings

THOUSAND = 1000


@dataclass(frozen=True)
class Route:
    """One choice of one class. Prices are micro-dollars per million tokens; None means unknown."""

    model_class: str
    model: str
    when: tuple[str, ...]
    quality: int
    key: bool | None
    price_in: int | None
    price_out: int | None
    price_list: str
    state: str
    until: datetime | None
    why: str
    requests: int
    tokens: int
    requests_per_minute: int | None
    tokens_per_minute: int | None

    @property
    def minute(self) -> str:
        """How much of its per-minute limits is used, or "-" if it has none."""
        used = [(self.requests, self.requests_per_minute, "requests"), (self.tokens, self.tokens_per_minute, "tokens")]
        return ", ".join(f"{count}/{most} {what}" for count, most, what in used if most is not None) or "-"

    def as_json(self) -> dict[str, Any]:
        """The fields for `--json`."""
        fields = asdict(self)
        return {"class": fields.pop("model_class"), **fields}


def routes(connection: Connection, settings: "Settings", found: "Routes", now: datetime) -> list[Route]:
    """Every choice of every class, in the order of routes.toml. If the setting `model` is set, it is the only choice."""
    failing = {one.name: one for one in noteworthy(connection)}
    used = this_minute(connection, now)
    # By the bare name for a class, as it always was.
    classes = in_force(settings, found.classes | {f"agent {name}": own for name, own in found.agents.items()})
    if settings.model and len(set(classes.values())) == 1:
        classes = {"every class": next(iter(classes.values()))}
    named = endpoints(settings)
    return [
        _route(settings, found, name, at_endpoint(one, named), failing, used)
        for name, several in classes.items()
        for one in several
    ]


def _route(
    settings: "Settings",
    found: "Routes",
    name: str,
    choice: Choice,
    failing: dict[str, BreakerView],
    used: dict[str, Minute],
) -> Route:
    taken = used.get(f"model:{choice.model}", Minute(0, 0))
    state, until, why = _state(choice, failing)
    price_in, price_out, listed = _price(choice, found, vendors(settings))
    return Route(
        model_class=name,
        model=choice.model,
        when=choice.when,
        quality=choice.quality,
        key=True if choice.is_person else _key(settings, choice.provider),
        price_in=price_in,
        price_out=price_out,
        price_list=listed,
        state=state,
        until=until,
        why=why,
        requests=taken.requests,
        tokens=taken.tokens,
        requests_per_minute=choice.requests_per_minute,
        tokens_per_minute=choice.tokens_per_minute,
    )


def _state(choice: Choice, failing: dict[str, BreakerView]) -> tuple[str, datetime | None, str]:
    """The state of the worse of a choice's two breakers (its model's and its provider's)."""
    there = [failing[name] for name in breakers_of(choice) if name in failing]
    if not there:
        return "ok", None, ""
    # Open beats closed; of two open ones, the one that stays open longer.
    worse = max(there, key=lambda one: (not one.is_closed, one.until))
    return worse.shown, worse.changes_at, worse.why


def _key(settings: "Settings", provider: str) -> bool | None:
    if provider == "scripted":
        return settings.script is not None
    if provider == PROGRAM:
        return bool(settings.programs)
    setting = endpoints(settings).get(provider)
    if setting is None:
        return False if provider in ENDPOINTS else None
    return key_of(settings, provider, setting) is not None


def _price(choice: Choice, found: "Routes", sold_by: Mapping[str, str]) -> tuple[int | None, int | None, str]:
    try:
        tariff = prices.tariff(choice, found.prices, sold_by)
    except Misconfigured:
        return None, None, "unknown"
    # Priced as a thousand tokens: a million would fall into a higher price tier of some models.
    return (
        tariff.cost(Usage(input=THOUSAND)) * THOUSAND,
        tariff.cost(Usage(output=THOUSAND)) * THOUSAND,
        tariff.version,
    )


def close_now(connection: Connection, name: str, by: str, why: str, channel: str = "cli") -> None:
    """Close a breaker and write a feed line. Raises `NotFound` if there is none, `Refused` if it is closed already."""
    row = breakers.get(connection, name)
    if row is None:
        raise NotFound(f"there is no breaker {name!r}: nothing of that name has failed. `baton models` shows the breakers")
    if not breakers.close_by_hand(connection, name, now_us()):
        raise Refused(f"{name} is closed already: calls are made")
    line = Note(
        key=digest_of("breaker-closed", name, str(row.opened_at), str(now_us())),
        at=WHEN_WRITTEN,
        stage="models",
        actor=by,
        channel=channel,
        did=f"closed the circuit breaker of {name}",
        why=why,
        next="calls resume; further failures open it again",
    )
    feed.append(connection, RunRef(trace="models", workflow_id="models"), [line])
