"""One command per pipeline (`baton deliver`, …). Its options come from the pipeline's input contract."""

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_origin

import typer
import typer.main
from typer.core import TyperCommand

from commands.context import START, Json, connect, in_context, named, open_ledger, settings, ui_link, watching
from commands.decide import pausing
from commands.errors import Code, NoWorker, Usage
from commands.output import Out, safe
from commands.text import ONE_FORM, code_of
from contracts.pipelines import PIPELINES, PipelineSpec
from contracts.printed import command

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from temporalio.client import Client

    from commands.start.start import Started
    from config import Settings
    from contracts.inputs import PipelineInput, Typed
    from ledger.db import Connection, Ledger
    from ledger.figures.forecast import Expected

OURS = ("carried", "retry_of")
"""Fields of an input that nobody types."""

_HELP = {"by": "who starts it; default: the current user"}
"""Where the command line differs from the contract."""

BUSY = "a worker serves the queue, but has not admitted the run yet: it may be busy"


def add_to(app: typer.Typer) -> None:
    """Add one command for each pipeline."""
    for spec in PIPELINES:
        app.command(spec.command, help=spec.help, cls=_lazy(spec), rich_help_panel=START)(_never_called)


def _never_called() -> None:
    """Placeholder for Typer, which wants a function: `_lazy` builds the real one when the command is used."""


def _lazy(spec: PipelineSpec) -> type[TyperCommand]:
    """A command that reads its options from the input contract only when used: that takes half a second."""

    class Starting(TyperCommand):
        @functools.cached_property
        def real(self) -> Any:
            alone = typer.Typer(add_completion=False)
            alone.command(spec.command, help=spec.help)(starter_of(spec))
            return typer.main.get_command(alone)

        @property
        def params(self) -> Any:
            return self.real.params

        @params.setter
        def params(self, ignored: Any) -> None:
            del ignored  # Typer sets those of the placeholder

        def invoke(self, ctx: Any) -> Any:
            return self.real.invoke(ctx)

    return Starting


def starter_of(spec: PipelineSpec) -> Callable[..., None]:
    """The function of a pipeline's command. Its options are the input contract's fields, with their descriptions as help."""

    def begin(*, wait: bool, wait_for_gate: bool, as_json: bool, in_form: str | None = None, **typed: Any) -> None:
        from commands.start.start import checked

        if in_form is not None and (as_json or not (wait or wait_for_gate)):
            raise Usage(ONE_FORM if as_json else "--as prints the report, which there is once the run has ended. Add --wait")
        typed["by"] = named("--by", typed["by"])
        asked, found, out = checked(spec, typed), settings(), Out(as_json=as_json, form=in_form)
        # Made here if need be: the run's number comes from the ledger, before any worker has seen the run.
        with open_ledger(found, create=True) as ledger:
            code = asyncio.run(_begin(out, found, ledger, spec, asked, wait=wait or wait_for_gate, stop_at_gate=wait_for_gate))
        raise typer.Exit(int(code))

    # Typer builds the options from the signature, so it is put together from the contract's fields.
    begin.__doc__ = spec.help
    options = [*_fields(spec), *_COMMON[:-1], *_forms(spec), *_COMMON[-1:]]
    begin.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]  # Typer reads it
    begin.__annotations__ = {one.name: one.annotation for one in options}
    return in_context(begin)


def _about(name: str, field: "FieldInfo", mark: "Typed | None") -> str:
    """The help of an option: what the field is, and whether the option names a file that holds it."""
    about = _HELP.get(name, field.description or "").replace("None: ", "default: ").replace("None or blank: ", "default: ")
    held = " Give the path of a file that holds it." if mark is not None and mark.path == "content" else ""
    return f"{about[:1].upper()}{about[1:]}.{held}"


def _fields(spec: PipelineSpec) -> list[inspect.Parameter]:
    from commands.start.typed import flags_of, typed_fields
    from contracts.inputs import PipelineInput

    marks, options = typed_fields(spec.input), []
    fields = [(name, field) for name, field in spec.input.model_fields.items() if name not in OURS]
    # Required options first, then the pipeline's own, then those every pipeline has.
    shared = set(PipelineInput.model_fields)
    for name, field in sorted(fields, key=lambda one: (not one[1].is_required(), one[0] in shared)):
        flags = flags_of(name, marks.get(name))
        option = typer.Option(*flags, help=_about(name, field, marks.get(name)))
        # Everything else stays text: the contract parses it, and its errors name the field.
        kind: Any = int if field.annotation is int else list[str] if get_origin(field.annotation) is tuple else str
        wanted: Any = kind if field.is_required() else kind | None
        default = inspect.Parameter.empty if field.is_required() else None
        options.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[wanted, option])
        )
    return options


def _forms(spec: PipelineSpec) -> list[inspect.Parameter]:
    if not spec.report.forms:
        return []
    option = typer.Option("--as", help="With --wait: print the report in this form, and nothing else to stdout.")
    kind: Any = Literal[spec.report.forms]
    return [
        inspect.Parameter("in_form", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])
    ]


def _common(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)


_COMMON = (
    _common("wait", Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")]),
    _common(
        "wait_for_gate",
        Annotated[bool, typer.Option("--wait-for-gate", help="Wait until the run ends or needs a person (exit code 4).")],
    ),
    _common("as_json", Json),
)


async def _begin(
    out: Out, found: "Settings", ledger: "Ledger", spec: PipelineSpec, asked: "PipelineInput", *, wait: bool, stop_at_gate: bool
) -> Code:
    from commands.start import start

    client = await connect(asked.by or asked.owner or "", ledger=ledger, bind=True)
    await check_queue(client, ledger, found.task_queue)
    started = await start.start(client, ledger, spec, asked, found.task_queue)
    with watching(started.run):
        return await tell_start(out, found, ledger, client, spec, asked, started, wait=wait, stop_at_gate=stop_at_gate)


async def tell_start(
    out: Out,
    found: "Settings",
    ledger: "Ledger",
    client: "Client",
    spec: PipelineSpec,
    asked: "PipelineInput",
    started: "Started",
    *,
    wait: bool,
    stop_at_gate: bool,
) -> Code:
    """Say what was started, and with `wait` what becomes of it."""
    from commands.start import start
    from commands.workers import machine_problems, other_settings, workers_of
    from ledger.views.pauses import holding_new

    there = workers_of(ledger, found.task_queue)
    others, missing, warning = other_settings(found, ledger, there), machine_problems(there), ""
    if started.new:
        with out.waiting(f"{started.run}: waiting for a worker"):
            try:
                started, warning = await _admitted(client, ledger, started, asked, found.task_queue, must=wait)
            except start.NotAdmitted as error:
                # What is missing there may be set here: the worker does not see it.
                raise start.NotAdmitted(f"{error}. {others[:1].upper()}{others[1:]}" if others else str(error)) from None
    warning = "; ".join(part for part in (warning, others, missing) if part)
    note = start.uncommitted(asked) if started.new else ""
    held = ledger.read_now(holding_new, started.run_id, spec.workflow, asked.project) if started.new else []
    link = ui_link(found, client.namespace, started.run, started.run_id)
    expected = ledger.read_now(_expected, started, spec, asked, found)
    _say(out, started, asked, link, warning, expected.text, note, told=wait)
    for one in held:
        out.note(f"  paused  {pausing.line(one)}. The run has started, and waits where that holds it")
    fields: dict[str, Any] = {"run": started.run, "trace": started.run_id, "new": started.new, "url": link, "note": note}
    fields["paused"] = [pausing.as_json(one) for one in held]
    fields |= {"expected": {"runs": expected.runs, "p50_micros": expected.p50, "p90_micros": expected.p90}}
    code = Code.DONE if started.new else _code_of(out, ledger, started)
    if wait:
        from commands.look.watch import Follower

        handle = client.get_workflow_handle(started.run)
        follower = Follower(out, ledger, started.run, started.run_id, handle)
        code, more = await follower.until_end(stop_at_gate=stop_at_gate)
        fields |= more
    out.document(**fields, warning=warning, next=_next(started))
    return code


async def check_queue(client: "Client", ledger: "Ledger", queue: str) -> None:
    """Raise `Misconfigured` if only workers with another ledger serve the queue: the run would be recorded in theirs."""
    from commands.workers import workers_of
    from task_queues import check_task_queue

    if not workers_of(ledger, queue).working:
        await check_task_queue(client, queue, ledger)


async def _admitted(
    client: "Client", ledger: "Ledger", started: "Started", asked: "PipelineInput", queue: str, *, must: bool
) -> "tuple[Started, str]":
    """The run that counts, and a warning if it is not admitted yet. Raises `NotAdmitted`; if `must`, also `NoWorker`."""
    from commands.start import first_step, start
    from commands.workers import nobody
    from ledger import runs

    if await start.look(client, ledger, started, queue):
        return started, "" if must else await first_step.trouble(client, ledger, started, asked)
    first = ledger.read_now(runs.by_request, asked.project, asked.request_key) if asked.request_key else None
    if first is not None:  # somebody else started the same request a moment earlier
        return start.Started(first.workflow_id, first.trace, new=False), ""
    problem = await nobody(client, ledger, queue)
    if not problem:
        return started, BUSY
    text = f"{started.run} waits in Temporal until a worker starts: {problem}"
    if must:
        raise NoWorker(text)
    return started, text


def _expected(
    connection: "Connection", started: "Started", spec: PipelineSpec, asked: "PipelineInput", found: "Settings"
) -> "Expected":
    """What runs like this one cost. For a run not admitted yet, these settings say whether a script plays it."""
    from ledger.figures.forecast import expected, expected_of

    there = expected_of(connection, started.run_id)
    return there or expected(connection, spec.workflow, asked.project, scripted=found.model.startswith("scripted:"))


def _say(
    out: Out, started: "Started", asked: "PipelineInput", link: str, warning: str, cost: str, note: str, *, told: bool
) -> None:
    """Print the run id to stdout unless the report follows there, and everything else to stderr."""
    if not started.new:
        key = f"request key {asked.request_key!r} was already used in project {asked.project!r}"
        out.note(f"{key}; this is that run, no new run was started")
    (out.note if told or out.as_json else out.line)(started.run)
    out.note(f"  asked   {safe(asked.asks(), 160)}")
    out.note(f"  cost    expected: {cost}")
    out.note(f"  web     {link}")
    if note:
        out.note(f"  note    {safe(note, 600)}")
    if warning:
        out.note(f"  warning {warning}")
    if not told:
        out.note(f"  next    {_next(started)}   (`baton gates` lists what waits for a person)")


def _code_of(out: Out, ledger: "Ledger", started: "Started") -> Code:
    """For a run that was started earlier: one that ended without being done is no success for whoever asked for it again."""
    from ledger.views.runs import find_run

    run = ledger.read_now(find_run, started.run_id)
    if not run.has_ended or run.state == "done":
        return Code.DONE
    reason = str((run.report or {}).get("reason", ""))
    out.note(f"  note    {run.workflow_id} has ended as {run.state}: {safe(reason, 600)}. Another request key starts a new run")
    return code_of(run.state, reason)


def _next(started: "Started") -> str:
    return command("feed", started.run, options="--follow")
