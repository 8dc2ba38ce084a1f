"""`baton checks`: which check a delivery would take in a repository, why, and whether it runs there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import CARE, Json, settings
from commands.errors import Usage
from commands.output import Out, box, safe
from contracts.check_shapes import hides

if TYPE_CHECKING:
    from commands.doctor.repository import Looked

Repository = Annotated[str, typer.Argument(metavar="PATH", help="A git repository: its top folder, or its URL.")]
Named = Annotated[str | None, typer.Option("--check", help="Try this command instead of the one that is found.")]
Environment = Annotated[str | None, typer.Option("--environment", help="Prepared interpreter folder for the check.")]
Base = Annotated[str | None, typer.Option("--base", help="Branch, tag or commit to look at; default: the main branch.")]
Run = Annotated[bool | None, typer.Option("--run/--no-run", help="Run the check once; default: where there is a sandbox.")]


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=CARE)(checks)


def checks(
    repository: Repository = ".",
    check: Named = None,
    environment: Environment = None,
    base: Base = None,
    run: Run = None,
    as_json: Json = False,
) -> None:
    """Show which check a delivery would take here, and prove it by one run on the last commit. Changes nothing.

    Exit code 0: it can prove a change (or was not run), 1: it cannot, 3: no file names a check.
    """
    from commands.doctor.repository import Asked, look
    from commands.start import typed

    out, found = Out(as_json=as_json), settings()
    if check is not None and not check.strip():
        raise Usage("--check is empty; name a command, such as --check 'pytest -q'")
    prepared = Path(typed.folder("--environment", environment)) if environment is not None else None
    asked = Asked(typed.repository("PATH", repository), base, check, prepared, run)
    with tempfile.TemporaryDirectory(prefix="baton-checks-") as place, out.waiting("looking, and running the check"):
        looked = look(found, asked, Path(place))
    for line in _lines(looked):
        out.line(line)
    out.document(**_fields(looked))
    raise typer.Exit(int(looked.code))


def _lines(looked: "Looked") -> Iterator[str]:
    def row(name: str, text: str) -> str:
        return f"{name:<11} {safe(text, 1500)}"

    yield row("repository", f"{looked.repository} at {looked.commit[:12]}")
    if looked.command is None:
        yield row("check", "none: no file says how this project is tested")
        yield row("", "→ name the command with --check, here and with `baton deliver`; the plan gate would ask for it")
    else:
        yield row("check", looked.command)
        yield row("found in", looked.source)
        for said in hides(looked.command):
            yield row("", f"it can hide failures: {said}")
    for one in looked.detected.candidates:
        if one.command != looked.command:
            yield row("other", f"{one.command} ({one.source})")
    for line in looked.detected.layout:
        yield row("layout", line)
    for line in looked.detected.needs:
        yield row("needs", line)
    yield from _proof(looked, row)


def _proof(looked: "Looked", row: Any) -> Iterator[str]:
    from activities.repositories.usability import counted

    if looked.unproven:
        yield row("proof", f"not run: {looked.unproven}")
    if looked.ran is None:
        return
    code = "none: it was stopped" if looked.ran.exit_code is None else str(looked.ran.exit_code)
    yield row("exit code", f"{code} ({looked.ran.stopped})" if looked.ran.stopped else code)
    yield row("tests", f"{counted(looked.ran)}, in {looked.ran.seconds} s")
    for name in looked.ran.failures[:10]:
        yield row("", f"failed: {name}")
    if looked.ran.tail.strip():
        yield from box("the end of its output", looked.ran.tail)
    if looked.trouble is None:
        yield row("proof", "this check can prove a change: it ran here, and not everything failed")
        return
    yield row("proof", f"this check proves nothing here: {looked.trouble.why}")
    yield row("", f"→ {looked.trouble.mend}")


def _fields(looked: "Looked") -> dict[str, Any]:
    ran, trouble = looked.ran, looked.trouble
    return {
        "repository": looked.repository,
        "commit": looked.commit,
        "check": looked.command,
        "source": looked.source,
        "hides": list(hides(looked.command or "")),
        **looked.detected.model_dump(mode="json"),
        "ran": ran.model_dump(mode="json", exclude={"output", "tree"}) if ran else None,
        "not_run": looked.unproven,
        "usable": trouble is None if ran else None,
        "problem": trouble.why if trouble else "",
        "mend": trouble.mend if trouble else "",
    }
