"""`baton console`: the operator's pages on this machine, and links that sign people in."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, By, Json, connect, named, open_ledger, settings
from commands.links import PORT, address, link_for, running_port
from commands.output import Out, safe

if TYPE_CHECKING:
    from socket import socket

    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger

Port = Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the console, on loopback.")]


LinkPort = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65_535, help="Port of the console; default: that of `baton up`, or 8234."),
]


def add_to(app: typer.Typer) -> None:
    """Add this command and its group to the app."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(console)
    group.command()(link)
    group.command(hidden=True)(serve)
    app.add_typer(group, name="console", rich_help_panel=LOOK)


def console(context: typer.Context, port: Port = PORT, by: By = None) -> None:
    """Show the operator's pages in a browser on this machine, until Ctrl-C: what needs you, what runs do, and why."""
    if context.invoked_subcommand is not None:
        return
    import logs
    from console.server import listening

    found, out, person = settings(), Out(), named("--by", by)
    logs.configure(found.log_format, found.log_level)
    with open_ledger(found, create=True) as ledger:
        link = link_for(found, ledger, person, port)
        at = listening(port)
        out.line(f"Console    {address(port)}")
        out.line(f"Sign in    {link}")
        out.note(f"as {safe(person)}, once, within 15 minutes. `baton console link` makes another; Ctrl-C ends the console")
        asyncio.run(_serve(ledger, found, port, at))


def link(port: LinkPort = None, by: By = None, as_json: Json = False) -> None:
    """Print a link that signs somebody in to the console, once, within 15 minutes."""
    found, out, person = settings(), Out(as_json=as_json), named("--by", by)
    with open_ledger(found) as ledger:
        made = link_for(found, ledger, person, port or running_port(found))
    out.document(link=made, person=person)
    out.line(made)


def serve(
    state: Annotated[str, typer.Option("--state", help="The state folder, by which it is known.")], port: Port = PORT
) -> None:
    """Show the pages until this process is ended. What `baton up` and `baton demo` start; links come from elsewhere."""
    import logs
    from console.server import listening

    del state
    found = settings()
    logs.configure(found.log_format, found.log_level)
    with open_ledger(found, create=True) as ledger:
        asyncio.run(_serve(ledger, found, port, listening(port)))


async def _serve(ledger: "Ledger", found: "Settings", port: int, listening: "socket") -> None:
    from console.answers import Place
    from console.application import application
    from console.server import server

    hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
    place = Place(hosts, frozenset(f"http://{host}" for host in hosts), found.task_queue, found.ui_url)

    async def client() -> "Client":
        return await connect("console", ledger=ledger)

    await server(application(ledger, place, client)).serve([listening])
