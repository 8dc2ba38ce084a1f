"""`baton console`: the operator's pages, and links and passwords that sign people in."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, By, Json, connect, named, open_ledger, settings
from commands.errors import Usage
from commands.links import HOST, PORT, address, link_for, running_port
from commands.output import Out, safe
from console.password_command import password

if TYPE_CHECKING:
    from socket import socket

    from temporalio.client import Client

    from config import Settings
    from console.place import Place
    from ledger.db import Ledger

Port = Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the console.")]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="Address to listen at; beyond loopback it takes TLS or a proxy, see [console]."
    ),
]


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
    group.command()(password)
    app.add_typer(group, name="console", rich_help_panel=LOOK)


def console(context: typer.Context, port: Port = PORT, host: Host = HOST, by: By = None) -> None:
    """Show the operator's pages in a browser, until Ctrl-C: what needs you, what runs do, and why."""
    if context.invoked_subcommand is not None:
        return
    import logs
    from console.place import place_of
    from console.server import check_certificate, listening

    found, out, person = settings(), Out(), named("--by", by)
    logs.configure(found.log_format, found.log_level)
    place = place_of(found, _listened_at(host), port)
    check_certificate(found.console)
    with open_ledger(found, create=True) as ledger:
        link = link_for(found, ledger, person, port, host)
        at = listening(port, host)
        out.line(f"Console    {address(found, port, host)}")
        out.line(f"Sign in    {link}")
        out.note(f"as {safe(person)}, once, within 15 minutes. `baton console link` makes another; Ctrl-C ends the console")
        asyncio.run(_serve(ledger, found, place, at))


def _listened_at(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise Usage(
            f"--host {host!r} is no address of this machine; write one, such as 127.0.0.1, 10.0.0.5 or 0.0.0.0"
        ) from None


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
    from console.place import place_of
    from console.server import check_certificate, listening

    del state
    found = settings()
    logs.configure(found.log_format, found.log_level)
    place = place_of(found, HOST, port)
    check_certificate(found.console)
    with open_ledger(found, create=True) as ledger:
        asyncio.run(_serve(ledger, found, place, listening(port, HOST)))


async def _serve(ledger: "Ledger", found: "Settings", place: "Place", listening: "socket") -> None:
    import connection
    from activities.gates.policy import load_policy
    from activities.gates.standing import Onlooker
    from console.application import application
    from console.server import server

    async def client() -> "Client":
        return await connect("console", ledger=ledger)

    place = replace(place, namespace=str(connection.profile().get("namespace") or connection.DEFAULT_NAMESPACE))
    policy = Onlooker(load_policy(found.policy))
    await server(application(ledger, place, client, policy), found.console).serve([listening])
