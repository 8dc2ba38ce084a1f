"""`baton deliver`: ask for a change on a repository."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import START, Json, connect, open_ledger, settings, ui_link
from commands.errors import Code, NoWorker
from commands.output import Out, safe

if TYPE_CHECKING:
    from temporalio.client import Client

    from commands.start.start import Started
    from config import Settings
    from contracts.delivery.run import DeliveryInput
    from ledger.db import Connection, Ledger
    from ledger.figures.forecast import Expected

OTHER_LEDGER = (
    "a worker serves the queue and the run does not show in this ledger: it may be busy, or keep its record elsewhere "
    "(compare `ledger_url` and `state` of the worker with yours)"
)


def add_to(app: typer.Typer) -> None:
    """Add this command to the app."""
    app.command(rich_help_panel=START)(deliver)


def deliver(
    repository: Annotated[str, typer.Option("--repository", "-r", help="Path or URL of a git repository.")],
    instruction: Annotated[str, typer.Option("--instruction", "-i", help="What should change, in plain words.")],
    base: Annotated[str | None, typer.Option(help="Branch, tag or commit to start from; default: the main branch.")] = None,
    check: Annotated[str | None, typer.Option(help='Command that must pass, e.g. "pytest -q"; default: detected.')] = None,
    branch: Annotated[str | None, typer.Option(help="Branch to push; default: made from the change.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="DIR", help="Prepared interpreter for the checks.")] = None,
    owner: Annotated[str | None, typer.Option(help="The accountable person; default: the policy's.")] = None,
    project: Annotated[str | None, typer.Option("--project", "-p", help="Project that the run belongs to.")] = None,
    request_key: Annotated[str | None, typer.Option(help="Starts once: the same key gives back the first run.")] = None,
    ceiling_usd: Annotated[str | None, typer.Option(help="Most the run may cost, in US dollars.")] = None,
    risk: Annotated[str | None, typer.Option(help="What is at stake: low, medium or high; see routes.toml.")] = None,
    effort: Annotated[
        str | None, typer.Option(help="full, or auto: skip what it does not need; default: the policy's.")
    ] = None,
    rework: Annotated[int | None, typer.Option(help="Rounds after failed tests before a person is asked.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show what happens until the run has ended.")] = False,
    wait_for_gate: Annotated[bool, typer.Option("--wait-for-gate", help="Wait; exit with 4 when a person is needed.")] = False,
    as_json: Json = False,
) -> None:
    """Deliver a change: plan, write, test, push. A person approves the plan and the change."""
    typed = {name: value for name, value in locals().items() if name not in {"wait", "wait_for_gate", "as_json"}}
    from commands.start.start import checked

    asked, found, out = checked(typed), settings(), Out(as_json=as_json)
    with open_ledger(found, create=True) as ledger:
        code = asyncio.run(_deliver(out, found, ledger, asked, wait=wait or wait_for_gate, stop_at_gate=wait_for_gate))
    raise typer.Exit(int(code))


async def _deliver(
    out: Out, found: "Settings", ledger: "Ledger", asked: "DeliveryInput", *, wait: bool, stop_at_gate: bool
) -> Code:
    from commands.start import start

    client = await connect(asked.owner or "")
    started = await start.start(client, ledger, asked, found.task_queue)
    warning = ""
    if started.new:
        with out.waiting(f"{started.run}: waiting for a worker"):
            started, warning = await _admitted(client, ledger, started, asked, found.task_queue, must=wait)
    link = ui_link(found, client.namespace, started.run, started.run_id)
    expected = ledger.read_now(_expected, started, asked, found)
    _say(out, started, asked, link, warning, expected.text, told=wait)
    fields: dict[str, Any] = {"run": started.run, "trace": started.run_id, "new": started.new, "url": link}
    fields |= {"expected": {"runs": expected.runs, "p50_micros": expected.p50, "p90_micros": expected.p90}}
    code = Code.DONE
    if wait:
        from commands.look.watch import Follower

        handle = client.get_workflow_handle(started.run)
        follower = Follower(out, ledger, started.run, started.run_id, handle)
        code, more = await follower.until_end(stop_at_gate=stop_at_gate)
        fields |= more
    out.document(**fields, warning=warning, next=_next(started))
    return code


async def _admitted(
    client: "Client", ledger: "Ledger", started: "Started", asked: "DeliveryInput", queue: str, *, must: bool
) -> "tuple[Started, str]":
    """The run that counts, with a warning where nothing is known yet. Raises `NotAdmitted`, or `NoWorker` if it `must`."""
    from commands.start import start
    from commands.workers import has_worker
    from ledger import runs

    if await start.look(client, ledger, started, queue):
        return started, ""
    first = ledger.read_now(runs.by_request, asked.project, asked.request_key) if asked.request_key else None
    if first is not None:  # somebody started the same request a moment earlier
        return start.Started(first.workflow_id, first.trace, new=False), ""
    if await has_worker(client, queue):
        return started, OTHER_LEDGER
    text = f"no worker serves task queue {queue!r}: {started.run} waits in Temporal and begins as soon as one does (`baton up`)"
    if must:
        raise NoWorker(text)
    return started, text


def _expected(connection: "Connection", started: "Started", asked: "DeliveryInput", found: "Settings") -> "Expected":
    """What runs like this one cost. One that no worker has let in yet is taken to be played as these settings say."""
    from ledger.figures.forecast import expected, expected_of

    there = expected_of(connection, started.run_id)
    return there or expected(connection, "Delivery", asked.project, scripted=found.model.startswith("scripted:"))


def _say(out: Out, started: "Started", asked: "DeliveryInput", link: str, warning: str, cost: str, *, told: bool) -> None:
    """The run's id on stdout, unless the report will stand there; all else on stderr."""
    if not started.new:
        key = f"request key {asked.request_key!r} was used before in project {asked.project!r}"
        out.note(f"{key}; this is that run, nothing new was started")
    (out.note if told or out.as_json else out.line)(started.run)
    out.note(f"  asked   {safe(asked.instruction, 160)}")
    out.note(f"  cost    expected: {cost}")
    out.note(f"  web     {link}")
    if warning:
        out.note(f"  warning {warning}")
    if not told:
        out.note(f"  next    {_next(started)}   (`baton gates` shows what waits for a person)")


def _next(started: "Started") -> str:
    return f"baton feed {started.run} --follow"
