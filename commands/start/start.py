"""Start a run: validate the input, take a number, start the workflow, and watch whether it is admitted."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.errors import Usage
from commands.start.typed import PATHS, content, flags_of, longest, typed_fields
from commands.workers import workers_of
from contracts.base import BODY_LIMIT, canonical
from contracts.errors import INPUT_WAS_REFUSED, BatonError, ContractViolation, Misconfigured
from contracts.inputs import PipelineInput
from contracts.pipelines import PipelineSpec

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle
    from temporalio.service import RPCError

    from ledger.db import Ledger

ADMITTED_WITHIN = 5.0
"""Seconds to watch a start. A running worker answers within a fraction of one."""

NOBODY_THERE = 1.0
"""Seconds to watch a start if no worker polls: one may just be starting."""

NUMBERS_TRIED = 200
"""Run numbers to try if Temporal already has runs of these names."""

MAY_BE_BLANK = ("check", "focus")
"""Inputs for which an empty text means something: that there is none."""

REFUSALS = ("NotAdmitted", "InputRefused")
"""Failure types of a refused start: the run was not admitted, or its input cannot be used."""

_SUMMARY_BYTES, _DETAILS_BYTES = 300, 4000


class NotAdmitted(BatonError):
    """The run was refused at its start; the message says why. Fix that and start again."""


@dataclass(frozen=True)
class Started:
    """A run that was started now (`new`), or earlier with the same request key."""

    run: str
    run_id: str
    new: bool = True


def _instead(spec: PipelineSpec, name: str) -> str:
    """What to do about an empty value."""
    field = spec.input.model_fields.get(name)
    return "it has to say something" if field is not None and field.is_required() else "give it a value, or leave it out"


def checked(spec: PipelineSpec, values: Mapping[str, Any]) -> PipelineInput:
    """Validate the typed values. Raises `Usage` naming each wrong flag. Local paths must exist and become absolute."""
    given = {name: value for name, value in values.items() if value is not None}
    blank = [name for name, value in given.items() if isinstance(value, str) and not value.strip() and name not in MAY_BE_BLANK]
    if blank:
        raise Usage("; ".join(f"{_flag(spec, name)} is empty: {_instead(spec, name)}" for name in blank))
    for name, how in typed_fields(spec.input).items():
        if how.path == "content" and given.get(name):
            given[name] = content(_flag(spec, name), given[name], longest(spec.input.model_fields[name]))
        elif how.path and given.get(name):
            given[name] = PATHS[how.path](_flag(spec, name), given[name])
    try:
        asked = spec.input.read_typed_by_people(given)
    except ContractViolation as error:
        raise Usage("; ".join(_with_flag(spec, problem) for problem in error.problems)) from None
    size = len(canonical(asked.model_dump(mode="json")))
    if size > BODY_LIMIT:
        widest = max(given, key=lambda name: len(str(given[name])))
        raise Usage(
            f"the input has {size} bytes, the limit is {BODY_LIMIT}; shorten {_flag(spec, widest)} and put the rest where "
            "the agents can read it"
        )
    return asked


def _flag(spec: PipelineSpec, name: str) -> str:
    return flags_of(name, typed_fields(spec.input).get(name))[0]


def _with_flag(spec: PipelineSpec, problem: str) -> str:
    if problem.startswith("(whole): "):
        return problem.removeprefix("(whole): ").partition(" (got {")[0]
    field, _, wrong = problem.partition(": ")
    name, dot, within = field.partition(".")
    return f"{_flag(spec, name)}{dot}{within}: {wrong}"


def uncommitted(asked: PipelineInput) -> str:
    """What lies uncommitted in a repository on this machine that the input names, as a note; "" for nothing.

    Where that cannot be seen it is "", too: what is wrong with the repository is said by the worker that fetches it.
    """
    from activities.git import source
    from activities.git.command import Git

    for name, how in typed_fields(type(asked)).items():
        repository = getattr(asked, name)
        if how.path != "repository" or not repository:
            continue
        with tempfile.TemporaryDirectory(prefix="baton-") as folder, contextlib.suppress(BatonError, OSError):
            found = source.uncommitted(source.parse(repository), Git(Path(folder)))
            if found is not None and (said := found.told(repository)):
                return said
    return ""


async def start(client: "Client", ledger: "Ledger", spec: PipelineSpec, asked: PipelineInput, task_queue: str) -> Started:
    """Start the run under the next free number. Safe to repeat with a request key: it returns the run that has the key."""
    from temporalio.exceptions import WorkflowAlreadyStartedError
    from temporalio.service import RPCError

    from activities.runs.gone import close_gone
    from ledger import gone, runs

    if asked.request_key is not None:
        # Only saves a start: two commands at once are sorted out by the ledger when the run is admitted.
        first = ledger.read_now(runs.by_request, asked.project, asked.request_key)
        if first is not None:
            await close_gone(client, ledger, await ledger.read(gone.known, [first.trace]))
            return Started(first.workflow_id, first.trace, new=False)
    name = f"{spec.command}-{asked.label()}"
    for _ in range(NUMBERS_TRIED):
        run = f"{name}-{ledger.tx_now(runs.next_number, spec.command):04d}"
        try:
            handle = await _start(client, spec, asked, run, task_queue)
        except WorkflowAlreadyStartedError:
            continue  # the server outlived an earlier ledger, so this number is taken
        except RPCError as error:
            await _explain(client, error)
            raise
        return Started(run, handle.first_execution_run_id or handle.result_run_id or "")
    raise Misconfigured(
        f"Temporal has {NUMBERS_TRIED} runs {name}-… that this ledger does not know. Use the ledger they were started with"
    )


async def _explain(client: "Client", error: "RPCError") -> None:
    """Raise `Misconfigured` if the server refused a start because of its search attributes."""
    from temporalio.service import RPCStatusCode

    from connection import compared_attributes

    if error.status is not RPCStatusCode.INVALID_ARGUMENT or "search attribute" not in str(error).lower():
        return
    missing, wrong = await compared_attributes(client)
    if wrong:
        raise Misconfigured(f"the run cannot be started: search attributes have other types: {wrong.text}. {wrong.mend}")
    if missing:
        raise Misconfigured(
            f"the run cannot be started: the search attributes {', '.join(missing)} are missing. The first worker adds them; "
            "`baton doctor` has the command that does"
        )


async def _start(
    client: "Client", spec: PipelineSpec, asked: PipelineInput, run: str, task_queue: str
) -> "WorkflowHandle[Any, Any]":
    from temporalio.common import WorkflowIDReusePolicy

    from search_attributes import start_attributes

    return await client.start_workflow(
        spec.workflow,
        asked,
        id=run,
        task_queue=task_queue,
        # By default Temporal starts an id again once its run has ended, and the ledger would have two runs of one name.
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=start_attributes(asked.project, asked.owner) if asked.owner else None,
        static_summary=_cut(f"{spec.command}: {asked.asks()}", _SUMMARY_BYTES, one_line=True),
        static_details=_cut("\n- ".join([f"{asked.asks()}\n", *asked.about()]), _DETAILS_BYTES),
    )


async def look(client: "Client", ledger: "Ledger", started: Started, task_queue: str) -> bool:
    """Wait until the run is in the ledger. False if it is not there in time, or ended without being recorded.

    Raises `NotAdmitted` with the reason if the run was refused.
    """
    from activities.runs.gone import describe, goes_on
    from ledger.views.runs import is_there

    handle = client.get_workflow_handle(started.run, run_id=started.run_id)
    ends = time.monotonic() + (ADMITTED_WITHIN if workers_of(ledger, task_queue).working else NOBODY_THERE)
    while time.monotonic() < ends:
        # Check Temporal before the ledger: a run whose first activity refuses its input is in the ledger, too.
        described = await describe(client, started.run, started.run_id)
        if described is None or not goes_on(described):
            if (refusal := await refusal_of(handle)) is not None:
                raise NotAdmitted(f"{started.run} was refused: {refusal.removeprefix(INPUT_WAS_REFUSED)}")
            return ledger.read_now(is_there, started.run_id)
        if ledger.read_now(is_there, started.run_id):
            return True
        await asyncio.sleep(0.1)
    return False


async def refusal_of(handle: "WorkflowHandle[Any, Any]") -> str | None:
    """Why a closed workflow was refused; None if it was admitted."""
    from temporalio.client import WorkflowFailureError
    from temporalio.exceptions import ApplicationError

    try:
        # Not followed: a run that has continued as new would be waited for until its end.
        await handle.result(follow_runs=False)
    except WorkflowFailureError as error:
        cause = error.cause
        return cause.message if isinstance(cause, ApplicationError) and cause.type in REFUSALS else None
    return None


def _cut(text: str, limit: int, *, one_line: bool = False) -> str:
    """Cut to `limit` bytes of UTF-8: the server limits bytes, not characters."""
    whole = " ".join(text.split()) if one_line else text
    raw = whole.encode()
    # `…` takes three bytes; a character that the cut leaves in half is dropped.
    return whole if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"
