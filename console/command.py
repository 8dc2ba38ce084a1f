"""`baton console`: the operator's pages on this machine, and links that sign people in."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, By, Json, connect, named, open_ledger, policy_now, settings
from commands.output import Out, safe
from contracts.errors import Misconfigured

if TYPE_CHECKING:
    from socket import socket

    from temporalio.client import Client

    from activities.gates.policy import Policy
    from config import Settings
    from ledger.db import Ledger

PORT = 8234

Port = Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port of the console, on loopback.")]


def add_to(app: typer.Typer) -> None:
    """Add this command and its group to the app."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(console)
    group.command()(link)
    app.add_typer(group, name="console", rich_help_panel=LOOK)


def console(context: typer.Context, port: Port = PORT, by: By = None) -> None:
    """Show the operator's pages in a browser on this machine, until Ctrl-C: what needs you, what runs do, and why."""
    if context.invoked_subcommand is not None:
        return
    from console.server import listening

    found, out, person = settings(), Out(), named("--by", by)
    with open_ledger(found, create=True) as ledger:
        check_person(policy_now(found, ledger), person)
        at = listening(port)
        out.line(f"Console    {_address(port)}")
        out.line(f"Sign in    {_link(ledger, person, port)}")
        out.note(f"as {safe(person)}, once, within 15 minutes. `baton console link` makes another; Ctrl-C ends the console")
        asyncio.run(_serve(ledger, found, port, at))


def link(port: Port = PORT, by: By = None, as_json: Json = False) -> None:
    """Print a link that signs somebody in to the console, once, within 15 minutes."""
    found, out, person = settings(), Out(as_json=as_json), named("--by", by)
    with open_ledger(found) as ledger:
        check_person(policy_now(found, ledger), person)
        made = _link(ledger, person, port)
    out.document(link=made, person=person)
    out.line(made)


def check_person(policy: "Policy", person: str) -> None:
    """Raise `Misconfigured` for somebody whom the policy does not know, where it says who there is."""
    if policy.identity != "any" and person not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise Misconfigured(
            f"{safe(person)!r} is not one of the people in policy.toml ({known}), and identity is {policy.identity!r}. "
            "Name one of them with --by, or add this one to the policy"
        )


def _link(ledger: "Ledger", person: str, port: int) -> str:
    from ledger import signed_in

    ledger.tx_now(signed_in.sweep)
    return f"{_address(port)}/sign-in?link={ledger.tx_now(signed_in.make_link, person)}"


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


async def _serve(ledger: "Ledger", found: "Settings", port: int, listening: "socket") -> None:
    import connection
    from console.answers import Place
    from console.application import application
    from console.server import server

    hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
    namespace = str(connection.profile().get("namespace") or connection.DEFAULT_NAMESPACE)
    place = Place(hosts, frozenset(f"http://{host}" for host in hosts), found.task_queue, found.ui_url, namespace)

    async def client() -> "Client":
        return await connect("console", ledger=ledger)

    await server(application(ledger, place, client)).serve([listening])
