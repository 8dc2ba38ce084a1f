"""`baton read`: the bytes behind an id."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import LOOK, Json, open_ledger, settings
from commands.errors import Usage
from commands.look.why import Id
from commands.output import Out, safe, safe_text

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.db import Connection
    from ledger.views.contents import Content

Raw = Annotated[bool, typer.Option("--raw", help="Write the thing's own bytes to stdout, unchanged; refused on a terminal.")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(read)


def read(identity: Id, raw: Raw = False, as_json: Json = False) -> None:
    """Print what stands behind an id: a turn with its messages, a tool's result, a handoff, a gate's subject, an artifact."""
    if raw and as_json:
        raise Usage("--raw writes bytes and --json a document; give one of them")
    if raw and sys.stdout.isatty():
        raise Usage("--raw writes bytes as they are, which could control the terminal; write them to a file: `> FILE`")
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        label, found = ledger.read_now(_read, ledger.files, identity)
    if raw:
        sys.stdout.buffer.write(found.parts[0].data)
        return
    parts = [{"label": one.label, "bytes": len(one.data), "text": one.data.decode(errors="replace")} for one in found.parts]
    out.document(id=found.node.id, kind=found.node.kind, label=label, parts=parts)
    out.line(safe(label, 400), "bold")
    for one in found.parts:
        out.line()
        out.line(f"-- {safe(one.label, 200)}", "bold")
        out.line(safe_text(_readable(one.data), limit=LONGEST))


def _readable(data: bytes) -> str:
    """The bytes as text, and JSON with a line for each field."""
    text = data.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return json.dumps(found, ensure_ascii=False, indent=2) if isinstance(found, dict | list) else text


LONGEST = 200_000
"""Most characters of one part that are printed; `--raw` writes all of the first, `--json` all of each."""


def _read(connection: "Connection", files: "Path", identity: str) -> "tuple[str, Content]":
    from ledger.views.contents import Contents
    from ledger.views.origins import find_start

    origins, start = find_start(connection, identity)
    return origins.label(start), Contents(connection, files).of(start)
