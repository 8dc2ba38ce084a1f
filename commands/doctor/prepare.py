"""`baton prepare`: an environment for a repository's check, made from what the repository declares."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import CARE, Json, can_ask, settings
from commands.errors import Code, Usage
from commands.output import Out, safe
from commands.questions import confirmed
from contracts.printed import command, quoted
from contracts.text import amount

if TYPE_CHECKING:
    from activities.repositories.declared import Declared

Repository = Annotated[str, typer.Argument(metavar="PATH", help="A git repository: its top folder, or its URL.")]
Into = Annotated[Path | None, typer.Option("--into", help="Folder to make; default: one below the state folder.")]
Base = Annotated[str | None, typer.Option("--base", help="Branch, tag or commit to look at; default: the main branch.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Install without asking.")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=CARE)(prepare)


def prepare(
    repository: Repository = ".", into: Into = None, base: Base = None, yes: Yes = False, as_json: Json = False
) -> None:
    """Make an environment for a repository's check: install what the repository declares, once you have seen the list.

    Uses pip and npm as you have set them up. Runs nothing of the repository, and no package's own code. Give the folder to
    `baton deliver --environment`, or to a `stuck` gate. Exit code 3: nothing is declared, 5: it could not be installed.
    """
    from activities.repositories import preparing
    from activities.repositories.declared import declared
    from activities.repositories.kept_environments import used
    from activities.repositories.project_files import Files
    from commands.doctor.repository import checkout
    from commands.start import typed

    out, found = Out(as_json=as_json), settings()
    named = typed.repository("PATH", repository)
    with (
        tempfile.TemporaryDirectory(prefix="baton-prepare-") as place,
        checkout(found, named, base, Path(place)) as (_, directory),
    ):
        wanted = declared(Files(directory))
    own = preparing.place_of(found.environments, named, wanted)
    folder = typed.path("--into", str(into)) if into else own
    there = preparing.finished(folder) and folder == own
    for line in _lines(wanted):
        out.line(line)
    if there:
        used(folder)
    if wanted.anything and not there:
        if not yes and (as_json or not can_ask()):
            raise Usage("this is not a terminal, so nobody can confirm: add --yes to install without asking")
        for line in _lines(wanted) if not yes and not sys.stdout.isatty() else ():
            out.note(line)  # the list went somewhere else, and the question is about it
        if not yes and not confirmed(f"Install these into {safe(str(folder))}?"):
            raise typer.Exit(int(Code.REFUSED))
        with out.waiting("installing"):
            make = preparing.ensure if folder == own else preparing.prepare
            make(wanted, folder, found.environment_like(preparing.PASSED_ON))
    out.document(
        repository=named,
        folder=str(folder) if wanted.anything else None,
        made=wanted.anything and not there,
        python=wanted.python,
        pinned=len(wanted.pinned),
        npm=wanted.npm,
        left_out=wanted.left_out,
        sources=wanted.sources,
    )
    if not wanted.anything:
        raise typer.Exit(int(Code.NOT_FOUND))
    out.line(f"{'was there' if there else 'made':<11} {safe(str(folder))}")
    out.line(f"{'next':<11} {safe(command('checks', repository, options=f'--environment {quoted(str(folder))}'))}")


def _lines(wanted: "Declared") -> Iterator[str]:
    from activities.repositories.declared import NOTHING

    if not wanted.anything:
        yield NOTHING
    for kind, lines in (("Python", wanted.packages), ("npm", wanted.npm)):
        for at, line in enumerate(lines):
            yield f"{kind if at == 0 else '':<11} {safe(line)}"
    if wanted.pinned:
        yield f"{'pinned':<11} {amount(len(wanted.pinned), 'version')} by the lock file"
    for at, source in enumerate(wanted.sources):
        yield f"{'named in' if at == 0 else '':<11} {safe(source)}"
    for line in wanted.left_out:
        yield f"{'left out':<11} {safe(line)} (no plain name and version)"
