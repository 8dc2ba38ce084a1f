"""`baton up`, `baton down`, `baton demo`: Baton on one machine. `up.py` and `demo/` do the work."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import START, Json, named, open_ledger, settings
from commands.errors import Usage
from commands.output import Out, safe
from commands.tables import folded
from contracts.printed import quoted

if TYPE_CHECKING:
    from commands.server import Ports
    from config import Settings

Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65_535, help="Port of the Temporal server, on loopback; default: 7233.")
]
UiPort = Annotated[
    int | None, typer.Option("--ui-port", min=1, max=65_535, help="Port of its Web UI, on loopback; default: --port + 1000.")
]
AsRole = Annotated[
    str | None,
    typer.Option("--role", help="What the worker does: all, runs (no actions) or actions (nothing else); default: all."),
]
Everywhere = Annotated[
    bool, typer.Option("--all", help="Stop what this installation runs for every state folder, demos as well.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=START)(up)
    app.command(rich_help_panel=START)(down)
    app.command(rich_help_panel=START)(demo)


def up(port: Port = None, ui_port: UiPort = None, role: AsRole = None, as_json: Json = False) -> None:
    """Start the Temporal dev server, a worker and the console in the background. Safe to call twice: what runs stays."""
    from commands import up as machine

    out, found = Out(as_json=as_json), with_role(settings(), role)
    with out.waiting("starting the server, a worker and the console"):
        started = asyncio.run(machine.up(found, port, ui_port))
    ports, others = started.ports, (*_other_settings(found), *_other_role(found))
    notes = [*started.notes, *_elsewhere(found, ports), *others, *_no_model(found)]
    console, problem = _console(found, started.console)
    notes += [problem] if problem else []
    out.document(address=ports.address, ui=ports.ui_url, console=console, state=str(found.state.absolute()), notes=notes)
    out.line(f"Console    {console}")
    out.line(f"Temporal   {ports.address}   Web UI {ports.ui_url}")
    out.line(f"State      {found.state.absolute()}")
    for line in (line for note in notes for line in (folded(note, WIDTH) if note == NO_MODEL else [note])):
        out.note(line)
    out.note('Next: baton deliver --repository PATH --instruction "…"')
    out.note("(`baton doctor` checks the setup, `baton down` stops it)")


def _console(found: "Settings", port: int) -> tuple[str, str]:
    """A link that signs this user in to the console, once; its address, and why there is no link, where they may not."""
    from commands.links import address, link_for
    from contracts.errors import Misconfigured

    with open_ledger(found) as ledger:
        try:
            return link_for(found, ledger, named("--by", None), port), ""
        except Misconfigured as error:
            return address(found, port), f"no link to the console: {error}"


def with_role(found: "Settings", role: str | None) -> "Settings":
    """The same settings with this role; None: as they are. Raises `Usage` for a word that is no role."""
    from typing import get_args

    from contracts.relay import Role

    if role is not None and role not in get_args(Role):
        raise Usage(f"--role {safe(role)} is no role of a worker; there are {', '.join(get_args(Role))}")
    return found if role is None else found.model_copy(update={"role": role})


def _other_settings(found: "Settings") -> list[str]:
    """What is set here and not for the worker that was running already; nothing for one that was just started."""
    from commands.workers import other_settings, workers_of

    with open_ledger(found) as ledger:
        others = other_settings(found, ledger, workers_of(ledger, found.task_queue))
    return [f"warning: {others} (`baton down`, then `baton up`)"] if others else []


def _other_role(found: "Settings") -> list[str]:
    """That the worker of this folder was running already, with another role."""
    from commands import processes
    from commands.workers import workers_of

    running = processes.find(found.state.absolute(), "worker")
    with open_ledger(found) as ledger:
        there = workers_of(ledger, found.task_queue)
    known = {one.place.rpartition(":")[2]: one.role for one in (*there.working, *there.relays)}
    role = known.get(str(running.pid), found.role) if running is not None else found.role
    if role in (found.role, ""):
        return []
    return [f"warning: the worker runs already, with role {role} (`baton down`, then `baton up --role {quoted(found.role)}`)"]


NO_MODEL = (
    "warning: no model is set, so deliveries are refused. Set ANTHROPIC_API_KEY or OPENAI_API_KEY, or BATON_MODEL and where it "
    "answers; then `baton down` and `baton up`. `baton demo` needs none"
)
"""Better said when a worker starts than at the first run."""

WIDTH = 80
"""Columns in which what is no command is printed whole."""


def _no_model(found: "Settings") -> list[str]:
    """That starts will be refused, where agents run here and no model is set."""
    from model_choice import endpoints

    return [] if found.role == "actions" or found.model or endpoints(found) else [NO_MODEL]


def _elsewhere(found: "Settings", ports: "Ports") -> list[str]:
    """What a user has to set for the other commands, where they would not speak to this server."""
    import connection
    from contracts.errors import Misconfigured

    try:
        told = connection.in_the_way(connection.profile(), ports.address)
    except Misconfigured as error:
        told = [str(error)]
    needed = f"export TEMPORAL_ADDRESS={ports.address} BATON_UI_URL={ports.ui_url}"
    if told in ([], [f"the address {connection.DEFAULT_ADDRESS}"]):
        same_page = not told and found.ui_url.rstrip("/") == ports.ui_url
        return [] if same_page else [f"Other commands need these addresses: {needed}"]
    add = f"baton context add local --temporal {quoted(ports.address)} --state {quoted(str(found.state.absolute()))}"
    return [
        f"Other commands do not use this server: Temporal's settings (TEMPORAL_* or temporal.toml) name {', '.join(told)}. "
        f"To use it: `{add}`, then `--context local` with each command"
    ]


def down(everywhere: Everywhere = False, as_json: Json = False) -> None:
    """Stop what `baton up` started and nothing else. All state is kept."""
    from commands import up as machine

    out = Out(as_json=as_json)
    stopped = asyncio.run(machine.down_everywhere() if everywhere else machine.down(settings()))
    out.document(stopped=stopped)
    out.line(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def demo(
    approve_as: Annotated[str | None, typer.Option("--approve-as", metavar="NAME", help="Approve every gate as NAME.")] = None,
    real_model: Annotated[
        bool, typer.Option("--real-model", help="Ask the model of your settings in place of the script. This costs money.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Do not print how to remove the demo's state.")] = False,
    as_json: Json = False,
) -> None:
    """Deliver a fix to a sample repository, from scratch to the push. Asks no model, and needs no key, without --real-model."""
    from commands.demo import demo as sample

    out, name = Out(as_json=as_json), None if approve_as is None else named("--approve-as", approve_as)
    say = out.note if as_json else _say
    code = asyncio.run(sample.demo(settings(), approve_as=name, real=real_model, keep=keep, say=say))
    out.document(code=code)
    raise typer.Exit(code)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
