"""`baton models probe`: ask endpoints a handful of tiny questions and say what to set for them."""

import asyncio
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import Json, settings
from commands.errors import Code, Usage
from commands.output import Out, safe
from commands.text import usd
from contracts.errors import Misconfigured, NotFound
from contracts.printed import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activities.money.prices import Tariff
    from commands.probe.asking import Purse
    from commands.probe.lines import Table
    from commands.probe.steps import Line
    from config import Settings
    from contracts.agents import Choice

Model = Annotated[
    str | None,
    typer.Argument(metavar="[NAME:MODEL]", help="The endpoint and its model. Without it: the first routed model of each one."),
]
Most = Annotated[
    float, typer.Option("--most", metavar="USD", min=0, max=1000, help="The most that all calls together may cost.")
]


@dataclass(frozen=True)
class Probed:
    """What was found out about one model. `answered` are the names under which it answered."""

    model: str
    lines: "list[Line]"
    usable: bool
    answered: tuple[str, ...]
    calls: int
    usd_micros: int
    table: "Table"


def probe(model: Model = None, most: Most = 0.1, as_json: Json = False) -> None:
    """Ask an endpoint tiny questions: what it can do, what they cost, and the lines for baton.toml. Exit 0: agents can use it.

    About ten calls per model, more where it refuses some. They belong to no run and count for no ceiling. A model without
    a price is not asked.
    """
    out, found = Out(as_json=as_json), settings()
    from activities.money.prices import tariff
    from commands.doctor.host import agent_files
    from commands.probe.asking import Purse
    from model_choice import vendors

    prices, sold_by = agent_files(found).routes.prices, vendors(found)
    chosen, skipped = _chosen(found, model)
    priced: list[tuple[Choice, Tariff]] = []
    unpriced: list[Choice] = []
    for choice in chosen:
        try:
            priced.append((choice, tariff(choice, prices, sold_by)))
        except Misconfigured as error:
            if model is not None:
                raise
            skipped.append((choice.provider, str(error)))
            unpriced.append(choice)
    purse = Purse(int(Decimal(str(most)) * 1_000_000))
    asked = ", ".join(choice.model for choice, _ in priced)
    if asked:
        calls = "about 10 tiny calls each, more where some are refused"
        out.note(f"asks {safe(asked, 1000)}: {calls}; at most {usd(purse.most)} in all (--most)")
    probed = asyncio.run(_all(out, found, priced, purse))
    for name, why in skipped:
        out.line(f"{safe(name)} is not asked: {safe(why, 1000)}")
    for choice in unpriced:
        _tell_unpriced(out, choice)
    unasked = [{"endpoint": name, "why": why} for name, why in skipped]
    out.document(probes=[_as_json(one) for one in probed], not_asked=unasked, usd_micros=purse.spent)
    useful = bool(probed) and all(one.usable for one in probed) and not skipped
    raise typer.Exit(int(Code.DONE if useful else Code.FAILED))


def _chosen(found: "Settings", model: str | None) -> "tuple[list[Choice], list[tuple[str, str]]]":
    """The models to ask, and the endpoints that cannot be asked, with the reason. Raises `Usage` and `NotFound`."""
    from commands.doctor.host import agent_files
    from commands.doctor.prices import routed_choices
    from model_choice import endpoints, key_of

    named, routed = endpoints(found), routed_choices(found, agent_files(found).routes.each())
    missing = {name for name, setting in named.items() if key_of(found, name, setting) is None}
    if model is not None:
        choice = _typed(model, named, routed)
        if choice.provider in missing:
            raise Misconfigured(f"the endpoint {choice.provider} has no key: {_key_of(named[choice.provider])}")
        return [choice], []
    if not named:
        raise NotFound(
            "no endpoint is configured. Set ANTHROPIC_API_KEY or OPENAI_API_KEY, or write a table [providers.NAME], "
            "see docs/models.md"
        )
    chosen, skipped = [], []
    for name, setting in named.items():
        first = next((one for one in routed if one.provider == name), None)
        if name in missing:
            skipped.append((name, f"it has no key: {_key_of(setting)}"))
        elif first is None:
            skipped.append((name, f"no route names a model of it; name one: `{command('models', 'probe', f'{name}:MODEL')}`"))
        else:
            chosen.append(first)
    return chosen, skipped


def _typed(model: str, named: "dict[str, Any]", routed: "Sequence[Choice]") -> "Choice":
    """The model that was typed, with what its route says of it. Raises `Usage` and `NotFound`, with what there is."""
    from contracts.agents import Choice
    from contracts.errors import ContractViolation
    from model_choice import at_endpoint

    there = "; ".join(_known(name, routed) for name in sorted(named)) or "none; write a table [providers.NAME]"
    name, colon, rest = model.partition(":")
    if not colon or not rest:
        raise Usage(f"{safe(model)!r} names no model: write NAME:MODEL. Endpoints there are: {there}")
    if name not in named:
        raise NotFound(f"there is no endpoint {safe(name)!r}. There are: {there}")
    routed_one = next((one for one in routed if one.model == model), None)
    if routed_one is not None:
        return routed_one
    try:
        return at_endpoint(Choice.read_typed_by_people({"model": model}), named)
    except ContractViolation as error:
        raise Usage(f"{safe(model)!r} is no model: {'; '.join(error.problems)}") from None


def _known(name: str, routed: "Sequence[Choice]") -> str:
    models = ", ".join(one.model for one in routed if one.provider == name)
    return f"{name} ({models or 'no route names a model of it'})"


def _key_of(setting: Any) -> str:
    from activities.providers.endpoints import key_source

    return f"set {key_source(setting) or 'its API key'}"


async def _all(out: Out, found: "Settings", priced: "Sequence[tuple[Choice, Tariff]]", purse: "Purse") -> list[Probed]:
    # One after the other: a local server answers one at a time, and what is printed stays in order.
    probed = []
    for choice, price in priced:
        with out.waiting(f"asking {safe(choice.model)}"):
            one = await _one(found, choice, price, purse)
        _tell(out, one)
        probed.append(one)
    return probed


async def _one(found: "Settings", choice: "Choice", price: "Tariff", purse: "Purse") -> Probed:
    from activities.providers.capabilities import capabilities
    from commands.doctor.host import agent_files
    from commands.doctor.prices import routed_choices
    from commands.probe.asking import Asker
    from commands.probe.lines import table
    from commands.probe.steps import Probe
    from contracts.endpoints import Capabilities
    from model_choice import build_provider, endpoints

    setting = endpoints(found)[choice.provider]
    speaks = setting.speaks or "chat"
    before = capabilities(setting, speaks, choice.model_name)

    asker = Asker(lambda known: build_provider(found, choice.provider, Capabilities(**asdict(known))), choice, price, purse)
    steps = Probe(asker, before, speaks)
    await steps.run()
    others = [one for one in routed_choices(found, agent_files(found).routes.each()) if one.provider == choice.provider]
    alone = not setting.models and all(one.model == choice.model for one in others)
    lines = [replace(line, text=safe(line.text, 600)) for line in steps.lines]
    return Probed(
        model=choice.model,
        lines=lines,
        usable=steps.usable,
        answered=tuple(dict.fromkeys(reply.model for reply in asker.replies)),
        calls=asker.calls,
        usd_micros=asker.spent,
        table=table(choice, setting, before, steps.known, steps.settled, alone=alone),
    )


def _as_json(one: Probed) -> dict[str, Any]:
    shown = {"model": one.model, "usable": one.usable, "answered": one.answered, "calls": one.calls}
    found = {"capabilities": one.table.values, "changes": one.table.changes, "toml": one.table.text}
    return shown | {"usd_micros": one.usd_micros, "checks": [asdict(line) for line in one.lines]} | found


def _tell(out: Out, one: Probed) -> None:
    answered = f", answered as {', '.join(one.answered)}" if one.answered else ""
    out.line(f"{safe(one.model)}{safe(answered)}: {one.calls} calls, {usd(one.usd_micros)}")
    works = {True: "yes", False: "no", None: "-"}
    rows = [[line.what, works[line.works], line.text] for line in one.lines]
    out.table(("WHAT", "WORKS", "HOW"), rows, words=("HOW",))
    if not one.usable:
        out.note("agents cannot work with this model: they need an answer and tool calls")
    if not one.table.text:
        return
    if one.table.changes:
        out.note(f"differs from what is in force: {', '.join(one.table.changes)}. {_where(one.table)}")
    else:
        out.note(f"this is what is in force already, so that baton.toml needs no change. {_where(one.table)}")
    for line in one.table.text.splitlines():
        out.line(line)


def _tell_unpriced(out: Out, choice: "Choice") -> None:
    """The row of a model whose price nobody has said, and the lines of settings that say it."""
    from commands.probe.lines import pricing

    out.line(f"{safe(choice.model)}: 0 calls")
    out.table(("WHAT", "WORKS", "HOW"), [["price", "-", "unknown: what a call would cost, too"]], words=("HOW",))
    out.note("one of these says it; the numbers are those of your contract or of the vendor's page:")
    for line in pricing(choice):
        out.line(line)


def _where(table: "Table") -> str:
    if table.replaces:
        return f"In baton.toml these lines take the place of the table [{safe(table.header)}]:"
    return "These lines go to the end of baton.toml:"
