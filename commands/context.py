"""What commands share: options, settings, the ledger, the connection to Temporal, and who is asking."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.errors import NothingYet, Usage

if TYPE_CHECKING:
    from temporalio.client import Client

    from config import Settings
    from ledger.db import Ledger

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, everything else on stderr.")]
Project = Annotated[str | None, typer.Option("--project", "-p", help="Only this project.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, as `baton runs` shows it, or its beginning.")]

START, LOOK, DECIDE, CARE = "Start", "Look", "Decide", "Look after"
"""Groups of commands in the help."""


def settings() -> "Settings":
    """The settings in force. Raises `Misconfigured`."""
    import config

    return config.load()


@contextmanager
def open_ledger(found: "Settings", *, create: bool = False) -> Iterator["Ledger"]:
    """The ledger with this release's schema. An SQLite file that is not there is only made with `create`: `NothingYet`."""
    file = sqlite_file(found.database)
    if file is not None and not create and not file.exists():
        raise NothingYet(
            f"nothing ran here yet: there is no ledger at {file}. Start with `baton demo`, or `baton up` and `baton deliver`"
        )
    from ledger.db import Ledger
    from ledger.migrate import upgrade

    ledger = Ledger(found.database, found.artifacts)
    try:
        upgrade(ledger)
        yield ledger
    finally:
        ledger.close()


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite ledger, None for a database server."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


async def connect(who: str = "") -> "Client":
    """A client that names who is asking. Raises `Unreachable` or `Misconfigured`."""
    import connection

    try:
        return await connection.connect(identity=f"cli/{who or os_user()}")
    except connection.Unreachable as error:
        raise connection.Unreachable(_plainer(str(error))) from None


def _plainer(text: str) -> str:
    """The client library's own words for the two usual reasons say nothing to a person; others are kept."""
    for mark, reason in (("ConnectionRefused", "nothing listens there"), ("dns error", "its name is not known")):
        if mark in text:
            return re.sub(r"\(Failed client connect.*\)\. Start", f"({reason}). Start", text, flags=re.DOTALL)
    return text


def os_user() -> str:
    """The name of the user that runs this process."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def can_ask() -> bool:
    """True if somebody can answer a prompt: stdin and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ui_link(found: "Settings", namespace: str, workflow_id: str, run_id: str = "") -> str:
    """Where Temporal's Web UI shows a workflow."""
    from urllib.parse import quote

    tail = f"/{run_id}/timeline" if run_id else ""
    return f"{found.ui_url.rstrip('/')}/namespaces/{quote(namespace)}/workflows/{quote(workflow_id, safe='')}{tail}"


def duration(text: str) -> timedelta:
    """A length of time as people type it: 30s, 15m, 2h, 7d. Raises `Usage`."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise Usage(f"--since {text!r} is not a length of time; write a number and s, m, h or d, such as 2h")
    return timedelta(**{units[unit]: int(number)})
