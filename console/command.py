"""`baton console`: the operator's pages, and links and passwords that sign people in."""

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, By, Json, connect, named, open_ledger, policy_now, settings
from commands.errors import Usage
from commands.output import Out, safe
from console.password_command import password
from console.people import check_person

if TYPE_CHECKING:
    from socket import socket

    from temporalio.client import Client

    from config import Settings
    from console.place import Place
    from ledger.db import Ledger

PORT, HOST = 8234, "127.0.0.1"

Port = Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the console.")]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", help="Address to listen at; beyond loopback it takes TLS or a proxy, see [console]."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this command and its group to the app."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(console)
    group.command()(link)
    group.command()(password)
    app.add_typer(group, name="console", rich_help_panel=LOOK)


def console(context: typer.Context, port: Port = PORT, host: Host = HOST, by: By = None) -> None:
    """Show the operator's pages in a browser, until Ctrl-C: what needs you, what runs do, and why."""
    if context.invoked_subcommand is not None:
        return
    from console.place import place_of
    from console.server import check_certificate, listening

    found, out, person = settings(), Out(), named("--by", by)
    place = place_of(found.console, _listened_at(host), port, found.task_queue, found.ui_url)
    check_certificate(found.console)
    with open_ledger(found, create=True) as ledger:
        check_person(policy_now(found, ledger), person)
        at = listening(port, host)
        out.line(f"Console    {_address(found, port, host)}")
        out.line(f"Sign in    {_link(ledger, person, _address(found, port, host))}")
        out.note(f"as {safe(person)}, once, within 15 minutes. `baton console link` makes another; Ctrl-C ends the console")
        asyncio.run(_serve(ledger, found, place, at))


def _listened_at(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        raise Usage(
            f"--host {host!r} is no address of this machine; write one, such as 127.0.0.1, 10.0.0.5 or 0.0.0.0"
        ) from None


def link(port: Port = PORT, by: By = None, as_json: Json = False) -> None:
    """Print a link that signs somebody in to the console, once, within 15 minutes."""
    found, out, person = settings(), Out(as_json=as_json), named("--by", by)
    with open_ledger(found) as ledger:
        check_person(policy_now(found, ledger), person)
        made = _link(ledger, person, _address(found, port))
    out.document(link=made, person=person)
    out.line(made)


def _link(ledger: "Ledger", person: str, address: str) -> str:
    from ledger import signed_in

    ledger.tx_now(signed_in.sweep)
    return f"{address}/sign-in?link={ledger.tx_now(signed_in.make_link, person)}"


def _address(found: "Settings", port: int, host: str = HOST) -> str:
    if found.console.address:
        return found.console.address
    at = ip_address(host)
    return f"{'https' if found.console.certificate else 'http'}://{f'[{at}]' if at.version == 6 else at}:{port}"


async def _serve(ledger: "Ledger", found: "Settings", place: "Place", listening: "socket") -> None:
    from activities.gates.policy import load_policy
    from activities.gates.standing import Onlooker
    from console.application import application
    from console.server import server

    async def client() -> "Client":
        return await connect("console", ledger=ledger)

    policy = Onlooker(load_policy(found.policy))
    await server(application(ledger, place, client, policy), found.console).serve([listening])
