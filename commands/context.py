"""What commands share: options, settings, the ledger, the Temporal connection, and the current user."""

import asyncio
import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

import contexts
import places
from commands.errors import NothingYet, Usage, Watched
from contracts.errors import BatonError
from contracts.printed import command, quoted

if TYPE_CHECKING:
    from temporalio.client import Client

    from activities.gates.policy import Policy
    from config import Settings
    from ledger.db import Connection, Ledger

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout and everything else to stderr.")]
Project = Annotated[str | None, typer.Option("--project", "-p", help="Show only this project.")]


def run_ids(incomplete: str) -> list[str]:
    """For completion by a shell: the newest runs whose id begins like this."""
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.runs import recent

            rows = ledger.read_now(recent, COMPLETED)
    except BatonError:
        return []  # there is nowhere to say it: the command itself will, once it is run
    # bash puts them onto the command line as they are: an id that a shell reads as more than a word is left out.
    return [name for row in rows if (name := row.run.workflow_id).startswith(incomplete) and quoted(name) == name]


COMPLETED = 500
"""How many of the newest runs a shell is offered."""

Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Run id as shown by `baton runs`, or a unique prefix of it.", autocompletion=run_ids),
]
WholeRun = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id as shown by `baton runs`, all of it.", autocompletion=run_ids)
]
"""Run is for what only looks or can be undone; WholeRun for what cannot be taken back."""

By = Annotated[str | None, typer.Option("--by", help="Who does this; default: the current user.")]
Why = Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")]

InContext = Annotated[str, typer.Option("--context", metavar="NAME", help="Use this context; `baton context list` shows them.")]

START, LOOK, DECIDE, CARE = "Start", "Look", "Decide", "Manage"
"""Command groups in the help."""


def in_context(work: Callable[..., None]) -> Callable[..., None]:
    """The same command with the option `--context`."""

    @functools.wraps(work)
    def called(*arguments: Any, in_context: str = "", **options: Any) -> None:
        if in_context:
            contexts.choose(in_context)
        work(*arguments, **options)

    # Typer builds the options from the signature and the annotations.
    signature, kind = inspect.signature(work), inspect.Parameter.KEYWORD_ONLY
    option = inspect.Parameter("in_context", kind, default="", annotation=InContext)
    called.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    called.__annotations__ = {**work.__annotations__, "in_context": InContext}
    return called


def add_option(app: typer.Typer) -> None:
    """Give every command of the app, in groups as well, the option `--context`."""
    for registered in app.registered_commands:
        if registered.callback is not None:
            registered.callback = in_context(registered.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_option(group.typer_instance)


def settings() -> "Settings":
    """Load the settings in force. Raises `Misconfigured`."""
    import config

    return config.load()


@contextmanager
def open_ledger(found: "Settings", *, create: bool = False) -> Iterator["Ledger"]:
    """Open the ledger and migrate it to this release. Raises `NothingYet` if its SQLite file is missing, unless `create`."""
    file = sqlite_file(found.database)
    if create or file is not None:
        places.usable(found.state.absolute(), make=create)
    if file is not None and not create and not file.exists():
        raise NothingYet(
            f"nothing has run here yet: no ledger at {file}. Start with `baton demo`, or `baton up` and `baton deliver`"
        )
    # Imported here, like everything slow: `baton --help` and usage errors must not wait for SQLAlchemy or the SDK.
    from ledger.db import Ledger
    from ledger.migrate import upgrade

    ledger = Ledger(found.database, found.artifacts)
    try:
        upgrade(ledger)
        yield ledger
    finally:
        ledger.close()


def policy_now(found: "Settings", ledger: "Ledger") -> "Policy":
    """The policy that counts: the one in force, with what the file here tightens. Raises `Misconfigured`."""
    return ledger.read_now(policy_in, found)


def policy_in(connection: "Connection", found: "Settings") -> "Policy":
    """As `policy_now`, within a transaction."""
    from activities.gates.policy import load_policy
    from activities.gates.standing import effective

    return effective(connection, load_policy(found.policy)).policy


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite ledger; None for a database server."""
    if not url.startswith("sqlite:///"):
        return None
    # As SQLAlchemy reads it: options behind a `?`, and escapes in the path.
    return Path(unquote(url.removeprefix("sqlite:///").partition("?")[0]))


async def connect(who: str = "", *, ledger: "Ledger | None" = None, bind: bool = False) -> "Client":
    """Connect to Temporal with an identity that names the caller. Raises `Unreachable` or `Misconfigured`.

    `ledger`: also raises `Misconfigured` if it belongs to another namespace than this one. `bind`: one that belongs to none
    yet belongs to this one from now on.
    """
    import connection

    try:
        client = await connection.connect(identity=f"cli/{who or os_user()}")
    except connection.Unreachable as error:
        raise connection.Unreachable(_plainer(str(error))) from None
    if ledger is not None:
        await connection.check_namespace(client, ledger, bind=bind)
    return client


def _plainer(text: str) -> str:
    """Replace the client library's wording of the two most common failures with plain English; keep all others."""
    for mark, reason in (("ConnectionRefused", "nothing listens there"), ("dns error", "its name is not known")):
        if mark in text:
            return re.sub(r"\(Failed client connect.*\)\. Start", f"({reason}). Start", text, flags=re.DOTALL)
    return text


def os_user() -> str:
    """The name of the user running this process, or `uid-N` if it has none."""
    # From the account and not from the variable USER, which anybody can set to another name.
    return places.name_of(os.getuid())


def can_ask() -> bool:
    """True if a prompt can be answered: stdin and stderr are terminals."""
    # Not stdout: prompts go to stderr, and stdout may be redirected while a person sits at the terminal.
    # None where the caller has closed it, as with `<&-`.
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def named(option: str, typed: str | None) -> str:
    """Who does this: the name typed, or the current user if there is none. Raises `Usage` for an empty one."""
    if typed is None:
        return os_user()
    if not typed.strip():
        raise Usage(f"{option} is empty: give a name, or leave it out to act as {os_user()}")
    return typed


def reason(why: str) -> str:
    """A reason that has to be given. Raises `Usage` for an empty one."""
    if not why.strip():
        raise Usage('-m is empty: say why, such as -m "the bill was checked"')
    return why


@contextmanager
def watching(run: str | None) -> Iterator[None]:
    """Turn Ctrl-C while a run (None: all of them) is watched into `Watched`, which says how to watch it again."""
    try:
        yield
    # Within a task asyncio turns the signal into its cancellation.
    except (asyncio.CancelledError, KeyboardInterrupt):
        if run is None:
            raise Watched("stopped watching; the runs go on. `baton feed --follow` watches them again") from None
        again, end = command("result", run, options="--wait"), command("cancel", run)
        raise Watched(f"stopped watching; {run} goes on. `{again}` watches it again, `{end}` ends it") from None


def ui_link(found: "Settings", namespace: str, workflow_id: str, run_id: str = "") -> str:
    """The URL of a workflow in Temporal's Web UI."""
    from urllib.parse import quote

    tail = f"/{run_id}/timeline" if run_id else ""
    return f"{found.ui_url.rstrip('/')}/namespaces/{quote(namespace)}/workflows/{quote(workflow_id, safe='')}{tail}"


def duration(text: str) -> timedelta:
    """Parse a duration such as 30s, 15m, 2h or 7d. Raises `Usage`."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    # `isdigit` alone takes digits such as ², which int() refuses.
    if unit not in units or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise Usage(f"--since {text!r} is not a duration; write a number and s, m, h or d, such as 2h")
    found = timedelta(**{units[unit]: int(number)})
    # Dates end at the year 1: no ledger is older than this, and a longer time would lead before it.
    if found > timedelta(days=36_500):
        raise Usage(f"--since {text!r} is more than a hundred years; write a shorter one, such as 2h, or leave it out")
    return found
