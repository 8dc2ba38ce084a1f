"""`baton doctor`: check everything Baton needs and say how to fix what is wrong."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import CARE, Json
from commands.doctor.finding import Check, Finding, Level
from commands.errors import Code
from commands.output import Out, safe
from contracts.errors import BatonError
from contracts.text import amount

if TYPE_CHECKING:
    from config import Settings

STYLES: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=CARE)(doctor)


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the endpoints of models.")] = False,
    as_json: Json = False,
) -> None:
    """Check Python, Temporal, ledger, sandbox, git, keys, agents, prices, channels, workers, clock, what waits. Exit 0: well.

    Each configured endpoint is asked for a few tokens, which costs less than a thousandth of a dollar with most models.
    """
    out = Out(as_json=as_json)
    findings = asyncio.run(_examine(out, offline=offline))
    failed = [one for one in findings if one.level == "fail"]
    warned = [one for one in findings if one.level == "warn"]
    out.document(findings=[asdict(one) for one in findings], failed=len(failed), warned=len(warned))
    out.line(f"{amount(len(findings), 'check')}: {len(failed)} failed, {amount(len(warned), 'warning')}")
    raise typer.Exit(int(Code.FAILED if failed else Code.DONE))


async def _examine(out: Out, *, offline: bool) -> list[Finding]:
    from commands.doctor import causes, channels, host, models, prices, programs, temporal

    findings = [host.python()]
    _tell(out, findings[0])
    found, problem = host.settings()
    findings.append(problem)
    _tell(out, problem)
    asked = () if offline else models.CHECKS
    for check in (*host.CHECKS, *programs.CHECKS, *prices.CHECKS, *asked, *causes.CHECKS, *channels.CHECKS, *temporal.CHECKS):
        # One after the other, printed at once: a check that hangs shows which one it is.
        with out.waiting(f"checking {check.__name__.replace('_', ' ')}"):
            more = await _guarded(check, found)
        for one in more:
            _tell(out, one)
        findings += more
    return findings


async def _guarded(check: Check, found: "Settings") -> Sequence[Finding]:
    """Run one check. An exception becomes a finding, so the other checks still run."""
    name = check.__name__.replace("_", " ")
    try:
        result = check(found)
        if isinstance(result, Awaitable):
            result = await result
    except BatonError as error:
        return [Finding(name, "fail", str(error))]
    except Exception as error:  # noqa: BLE001 (one broken check must not hide the findings of the others)
        return [Finding(name, "fail", f"check failed unexpectedly: {type(error).__name__}: {safe(error)}")]
    return [result] if isinstance(result, Finding) else result


def _tell(out: Out, one: Finding) -> None:
    out.line(f"{one.level:<5} {one.name:<18} {safe(one.text, 1000)}", STYLES[one.level])
    if one.mend:
        out.line(f"{'':24} → {safe(one.mend, 1000)}")
