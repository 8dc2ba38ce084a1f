"""Pauses of an agent, a pipeline, a project or everything, and their end: for `baton pause` and `resume`, and for a form."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import open_ledger, settings
from commands.errors import Usage
from commands.output import Out, safe

if TYPE_CHECKING:
    from config import Settings
    from contracts.pauses import Paused, PauseKind
    from ledger.db import Connection

OfAgent = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="This agent, whichever version, in every run.")]
OfPipeline = Annotated[
    str | None, typer.Option("--pipeline", metavar="NAME", help="This pipeline: deliver or Delivery, review, support, …")
]
OfProject = Annotated[str | None, typer.Option("--project", metavar="NAME", help="This project.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything: every run.")]


def one_of(
    run: str | None, agent: str | None, pipeline: str | None, project: str | None, *, everything: bool
) -> "tuple[PauseKind, str] | None":
    """What more than a run is meant, as kind and name; None if it is the run. Raises `Usage` unless exactly one thing is."""
    given: dict[PauseKind, str | None] = {"agent": agent, "pipeline": pipeline, "project": project}
    wider: list[tuple[PauseKind, str]] = [(kind, name) for kind, name in given.items() if name is not None]
    wider += [("all", "")] if everything else []
    if len(wider) + (run is not None) != 1:
        raise Usage("name one thing: RUN, or --agent NAME, --pipeline NAME, --project NAME, or --all")
    if wider and wider[0][0] != "all" and not wider[0][1].strip():
        raise Usage(f"--{wider[0][0]} is empty: give its name")
    return wider[0] if wider else None


def pause_in(
    connection: "Connection", found: "Settings", kind: "PauseKind", name: str, by: str, why: str, *, channel: str = "cli"
) -> "Paused":
    """Pause it in all runs, for every step that has not begun. A pipeline may be called by its command.

    `why` must not be empty. Raises `NotFound` for an unknown name, with those that there are, and `Refused`, with who did it,
    if it is paused already: so calling twice changes nothing. Who may do it is whoever may write to the ledger, as with the
    pause of a run.
    """
    from activities.agents.catalogue import load_catalogue
    from activities.tools.registry import TOOLS
    from ledger import pauses
    from ledger.views import pauses as views

    name = views.canonical(kind, name)
    agents = [one.file.name for one in load_catalogue(found.agents, TOOLS).agents] if kind == "agent" else []
    views.check_known(connection, kind, name, agents, found.ceilings.projects)
    return pauses.put(connection, kind, name, by, why, channel)


def resume_in(connection: "Connection", kind: "PauseKind", name: str, by: str, why: str, *, channel: str = "cli") -> "Paused":
    """Lift a pause; what it held goes on by itself. Returns the pause that was lifted. `why` must not be empty.

    Raises `NotFound`, with what is paused and who was faster, if it is not paused: of two callers one lifts it.
    """
    from ledger import pauses
    from ledger.views import pauses as views

    return pauses.lift(connection, kind, views.canonical(kind, name), by, why, channel)


def pause_wider(out: Out, kind: "PauseKind", name: str, by: str, why: str) -> None:
    """Pause it, and say what that does."""
    at_hand = settings()
    with open_ledger(at_hand) as ledger:
        made = ledger.tx_now(pause_in, at_hand, kind, name, by, why)
    out.document(asked="pause", paused=as_json(made))
    out.line(f"{safe(made.thing)} is paused, in every run: steps that have begun end, the next ones wait")
    out.note(f"  next    {made.lift}   (`baton status` shows what is paused)")


def resume_wider(out: Out, kind: "PauseKind", name: str, by: str, why: str) -> None:
    """Lift the pause, and say so."""
    with open_ledger(settings()) as ledger:
        lifted = ledger.tx_now(resume_in, kind, name, by, why)
    out.document(asked="resume", paused=as_json(lifted), by=by, why=why)
    out.line(f"{safe(lifted.thing)} goes on; what was held begins by itself, within seconds")
    out.note("  next    baton status")


def as_json(one: "Paused") -> dict[str, Any]:
    """As JSON fields."""
    return {name: getattr(one, name) for name in ("id", "kind", "name", "by", "why", "since", "lift")}


def line(one: "Paused") -> str:
    """One line for people: what, who, since when, why, and the command that lifts it."""
    return f"{safe(one.told, 400)}: {safe(one.why, 1000)}; `{one.lift}` lifts it"
