"""`baton agents` and `baton contracts`: the agent versions, and the contracts they exchange."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import LOOK, By, Json, named, reason, settings
from commands.errors import Usage
from commands.output import Out, safe

if TYPE_CHECKING:
    from activities.agents.agent import Agent
    from activities.agents.catalogue import Catalogue
    from contracts.base import Contract


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="List, show or release agent versions.")
    group.command("list")(list_agents)
    group.command("show")(show_agent)
    group.command("freeze")(freeze_agent)
    group.command("withdraw")(withdraw_agent)
    app.add_typer(group, name="agents", rich_help_panel=LOOK)
    app.command(rich_help_panel=LOOK)(contracts)


def list_agents(as_json: Json = False) -> None:
    """List every agent version with its class, contracts, digest and release state."""
    out = Out(as_json=as_json)
    catalogue, lock = load_agents(settings().agents)
    found = [_fields(agent, catalogue, lock) for agent in catalogue.agents]
    out.document(agents=found)
    rows = [
        [
            one["name"],
            one["class"],
            one["models"][0] if one["models"] else "-",
            f"{one['takes']} → {one['returns']}",
            one["digest"][:12],
            one["released"],
            "live" if one["live"] else "",
        ]
        for one in found
    ]
    out.table(("AGENT", "CLASS", "FIRST MODEL", "CONTRACTS", "DIGEST", "RELEASED", ""), rows, words=("CONTRACTS",))


def show_agent(
    name: Annotated[str, typer.Argument(metavar="NAME[@vN]", help="Agent name, or NAME@VERSION; default: the live version.")],
    as_json: Json = False,
) -> None:
    """Show one agent version: what it owns, what it must not do, its tools, limits and instructions."""
    out = Out(as_json=as_json)
    catalogue, lock = load_agents(settings().agents)
    agent = find_agent(catalogue, name)
    fields = _fields(agent, catalogue, lock)
    out.document(**fields, file=agent.file.model_dump(mode="json", by_alias=True), instructions=agent.instructions)
    out.line(f"{fields['name']}: {fields['released']}{', live' if fields['live'] else ''}, digest {agent.digest}", "bold")
    file = agent.file
    limits = ", ".join(f"{key} {value}" for key, value in file.limits.model_dump(mode="json").items())
    rows = (
        ("owns", file.owns),
        *(("never", one) for one in file.never),
        *(("escalates", one) for one in file.escalates_when),
        ("takes", file.takes),
        ("returns", file.returns),
        ("tools", ", ".join(file.tools) or "none"),
        ("class", f"{file.model_class}: {', '.join(fields['models'])}"),
        ("limits", limits),
    )
    for label, text in rows:
        out.line(f"  {label:<10} {safe(text, 1000)}")
    out.line()
    out.page(agent.instructions)


def freeze_agent(
    name: Annotated[str, typer.Argument(metavar="NAME@vN", help="The agent version to release.")],
    as_json: Json = False,
) -> None:
    """Release an agent version: record its digest in released.lock. From then on its file and schemas must not change."""
    from activities.agents.releases import freeze

    out = Out(as_json=as_json)
    catalogue, _ = load_agents(settings().agents)
    agent = find_agent(catalogue, name)
    # Loaded and validated before: an agent that no worker could use cannot be released.
    added = freeze(settings().agents / "released.lock", agent)
    out.document(name=f"{agent.file.name}@{agent.version}", digest=agent.digest, added=added)
    out.line(f"{agent.file.name}@{agent.version} {'is released now' if added else 'was released before'}: {agent.digest}")


def withdraw_agent(
    name: Annotated[str, typer.Argument(metavar="NAME@vN", help="The agent version that should not be live.")],
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded in withdrawn.lock.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pass an agent version over: the one below it is live once workers are restarted. Open runs keep what they began with."""
    from activities.agents.releases import withdraw

    out = Out(as_json=as_json)
    catalogue, _ = load_agents(settings().agents)
    if "@" not in name:
        raise Usage(f"name the version as well: {name}@{catalogue.newest(name).version}")
    agent, folder = find_agent(catalogue, name), settings().agents
    label = f"{agent.file.name}@{agent.version}"
    added = withdraw(folder, catalogue, agent, reason(why), named("--by", by))
    live = load_agents(folder)[0].newest(agent.file.name)
    out.document(name=label, added=added, live=f"{live.file.name}@{live.version}")
    was = "is withdrawn" if added else "was withdrawn before"
    out.line(f"{label} {was}; {live.file.name}@{live.version} is live for runs that start once workers are restarted")
    out.note("  next    baton down   then   baton up")


def load_agents(folder: Path) -> "tuple[Catalogue, dict[str, str]]":
    """The agent files of this folder, and what is released of them."""
    from activities.agents.catalogue import load_catalogue
    from activities.agents.releases import read_lock
    from activities.tools.registry import TOOLS

    return load_catalogue(folder, TOOLS), read_lock(folder / "released.lock")


def _fields(agent: "Agent", catalogue: "Catalogue", lock: dict[str, str]) -> dict[str, Any]:
    name = f"{agent.file.name}@{agent.version}"
    released = "not released" if name not in lock else "released" if lock[name] == agent.digest else "CHANGED since its release"
    return {
        "name": name,
        "class": agent.file.model_class,
        "models": [choice.model for choice in catalogue.routes.of(agent.file.name, agent.file.model_class)],
        "takes": agent.file.takes,
        "returns": agent.file.returns,
        "digest": agent.digest,
        "released": f"{released}, withdrawn" if name in catalogue.withdrawn else released,
        "live": catalogue.newest(agent.file.name) is agent,
    }


def find_agent(catalogue: "Catalogue", name: str) -> "Agent":
    """The agent of this name, or the version NAME@vN. Raises `NotFound`, with those that there are."""
    from contracts.errors import NotFound

    base, _, version = name.partition("@")
    newest = catalogue.newest(base)
    if not version:
        return newest
    versions = {agent.version: agent for agent in catalogue.agents if agent.file.name == base}
    if version not in versions:
        raise NotFound(
            f"{base} has no version {safe(version, 40)!r}; it has {', '.join(versions)}. Write {base}@{newest.version}"
        )
    return versions[version]


def contracts(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A contract, such as plan/1; default: list all.")] = None,
    as_json: Json = False,
) -> None:
    """List the contracts, or print one as JSON Schema."""
    import json

    from contracts.registry import CONTRACTS, named

    out = Out(as_json=as_json)
    if name is not None:
        schema = named(name).model_json_schema()
        out.document(name=name, json_schema=schema)
        for line in json.dumps(schema, indent=2, ensure_ascii=False).splitlines():
            out.line(line)
        return
    rising = sorted(CONTRACTS, key=lambda one: len(one.versions()))
    read_as = {older.contract: one.contract for one in rising for older in one.versions()}
    listed = [(one.contract, read_as[one.contract], one) for one in CONTRACTS]
    schemas = [{"name": name, "read_as": lifted, "json_schema": one.model_json_schema()} for name, lifted, one in listed]
    out.document(contracts=schemas)
    out.table(("CONTRACT", "WHAT"), [[name, _what(one, lifted)] for name, lifted, one in listed], words=("WHAT",))
    out.note("  next    baton contracts plan/2   prints its JSON Schema")


def _what(contract: "type[Contract]", read_as: str) -> str:
    lifted = f" (read as {read_as})" if read_as != contract.contract else ""
    return (contract.__doc__ or "").splitlines()[0] + lifted
