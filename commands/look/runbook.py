"""`baton runbook`: what to do about an alert or at a gate, from the page that comes with the installation."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.context import LOOK, Json
from commands.output import Out, safe
from contracts.errors import NotFound
from contracts.printed import command


@dataclass(frozen=True)
class Part:
    """A paragraph of a runbook, an entry of a list, or the commands of a block, one in each line."""

    kind: Literal["text", "entry", "commands"]
    text: str


@dataclass(frozen=True)
class Runbook:
    """One runbook: its name, its heading, and its parts in their order."""

    name: str
    heading: str
    parts: tuple[Part, ...]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=LOOK)(runbook)


def runbook(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="As alerts and gates name it, such as gate-plan; default: list all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what to do about an alert or at a gate: what it means, the commands, what happens if you do nothing."""
    from contracts.runbooks import runbooks

    out = Out(as_json=as_json)
    if name is None:
        out.document(runbooks=[{"name": one, "heading": heading} for one, heading in runbooks().items()])
        for one in runbooks():
            out.line(command("runbook", one))
        return
    found = find(name)
    out.document(name=found.name, heading=found.heading, parts=[{"kind": one.kind, "text": one.text} for one in found.parts])
    out.line(found.heading, "bold")
    for part in found.parts:
        out.line()
        for line in _lines(part):
            out.line(line)


def _lines(part: Part) -> list[str]:
    if part.kind == "commands":
        return [f"    {line}" for line in part.text.splitlines()]
    plain = re.sub(r"\*\*|`", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", part.text))
    return [f"- {plain}" if part.kind == "entry" else plain]


def find(name: str) -> Runbook:
    """The runbook of this name. Raises `NotFound` if there is none."""
    from contracts.runbooks import runbooks

    heading = runbooks().get(name)
    if heading is None:
        raise NotFound(f"there is no runbook {safe(name, 80)!r}; `baton runbook` lists those there are")
    section = sections().get(heading)
    if section is None:
        raise NotFound(f"{page()} has no runbook {heading!r}; the installation is not complete: install it again")
    return Runbook(name, heading, tuple(parts(section)))


def page() -> Path:
    """The page, as it is installed."""
    from config import HOME

    return HOME / "docs" / "runbooks.md"


def sections() -> dict[str, str]:
    """The text below each heading of a runbook, by the heading."""
    try:
        text = page().read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"the runbooks cannot be read: {error}. Install Baton again") from None
    found = re.split(r"^### (.+)$", re.sub(r"^## .*$", "### ", text, flags=re.MULTILINE), flags=re.MULTILINE)
    return {heading.strip(): below for heading, below in zip(found[1::2], found[2::2], strict=True)}


def parts(section: str) -> list[Part]:
    """What stands in a section of the page, without its marks for tests."""
    found: list[Part] = []
    for commands, text in re.findall(r"^```sh\n(.*?)^```$|((?:^(?!```)[^\n]+\n)+)", section, re.DOTALL | re.MULTILINE):
        if commands:
            found.append(Part("commands", commands.rstrip("\n")))
            continue
        kept = "\n".join(line for line in text.splitlines() if not line.startswith("<!--"))
        entries = (" ".join(entry.split()) for entry in re.split(r"^(?=- )", kept, flags=re.MULTILINE))
        found += [Part("entry" if said[:2] == "- " else "text", said.removeprefix("- ")) for said in entries if said]
    return found
