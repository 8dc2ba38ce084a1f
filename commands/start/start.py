"""Starting a delivery: what is typed becomes a checked input, a number, a workflow; then a look whether it was admitted."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.errors import Usage
from commands.workers import has_worker
from contracts.base import BODY_LIMIT, canonical
from contracts.delivery.run import DeliveryInput
from contracts.errors import BatonError, ContractViolation, Misconfigured
from contracts.ids import repository_name

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from ledger.db import Ledger

FLAGS = {"ceiling_usd": "--ceiling-usd", "request_key": "--request-key"}
"""Fields whose flag is not simply `--` and the field's name."""

ADMITTED_WITHIN = 5.0
"""Seconds that a start is watched. A worker that is there answers within a fraction of one."""

NOBODY_THERE = 1.0
"""Seconds that a start is watched where no worker polls: one may be starting just now."""

NUMBERS_TRIED = 200

REFUSALS = ("NotAdmitted", "InputRefused")
"""Types of failure with which a workflow ends that was never let in."""

_SUMMARY_BYTES, _DETAILS_BYTES = 300, 4000


class NotAdmitted(BatonError):
    """The run was refused when it started; the text says why. Correct that and start again."""


@dataclass(frozen=True)
class Started:
    """A run that was started here, or that an earlier start with the same request key had started."""

    run: str
    run_id: str
    new: bool = True


def checked(values: Mapping[str, Any]) -> DeliveryInput:
    """The input, or `Usage` that names each wrong field with its flag. A local path becomes absolute and must be there."""
    given = {name: value for name, value in values.items() if value is not None}
    if "repository" in given:
        given["repository"] = _repository(given["repository"])
    if given.get("environment"):
        given["environment"] = _environment(given["environment"])
    try:
        asked = DeliveryInput.read_typed_by_people(given)
    except ContractViolation as error:
        raise Usage("; ".join(_with_flag(problem) for problem in error.problems)) from None
    size = len(canonical(asked.model_dump(mode="json")))
    if size > BODY_LIMIT:
        raise Usage(
            f"the input has {size} bytes and may have {BODY_LIMIT}; shorten --instruction and put the rest into the repository"
        )
    return asked


def _with_flag(problem: str) -> str:
    field = problem.split(":", 1)[0]
    return f"{FLAGS.get(field, '--' + field.replace('_', '-'))}: {problem}"


def _repository(typed: str) -> str:
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", typed) or (":" in typed.split("/", 1)[0] and not Path(typed).exists()):
        return typed
    path = Path(typed).expanduser().absolute()
    if not path.exists():
        raise Usage(f"--repository: there is no folder {path}. Give the path of a git repository on this machine, or its URL")
    if not ((path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())):
        raise Usage(
            f"--repository: {path} is not a git repository. Give its top folder, or make it one with `git init` and a commit"
        )
    return str(path)


def _environment(typed: str) -> str:
    path = Path(typed).expanduser().absolute()
    if not path.is_dir():
        raise Usage(f"--environment: there is no folder {path}. Give the folder of a prepared interpreter, such as .venv")
    return str(path)


async def start(client: "Client", ledger: "Ledger", asked: DeliveryInput, task_queue: str) -> Started:
    """Start the delivery under the next free number, or give back the run that has its request key already."""
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from ledger import runs

    if asked.request_key is not None:
        first = ledger.read_now(runs.by_request, asked.project, asked.request_key)
        if first is not None:
            return Started(first.workflow_id, first.trace, new=False)
    name = f"deliver-{repository_name(asked.repository)}"
    for _ in range(NUMBERS_TRIED):
        run = f"{name}-{ledger.tx_now(runs.next_number, 'deliver'):04d}"
        try:
            handle = await _start(client, asked, run, task_queue)
        except WorkflowAlreadyStartedError:
            continue  # the server is older than this ledger: that number is taken
        return Started(run, handle.first_execution_run_id or handle.result_run_id or "")
    raise Misconfigured(
        f"Temporal knows {NUMBERS_TRIED} runs {name}-… that this ledger does not. Use the ledger they were started with"
    )


async def _start(client: "Client", asked: DeliveryInput, run: str, task_queue: str) -> "WorkflowHandle[Any, Any]":
    from temporalio.common import WorkflowIDReusePolicy

    from workflows.kit.attributes import start_attributes

    return await client.start_workflow(
        "Delivery",
        asked,
        id=run,
        task_queue=task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=start_attributes(asked.project, asked.owner) if asked.owner else None,
        static_summary=_cut(f"deliver: {asked.instruction}", _SUMMARY_BYTES, one_line=True),
        static_details=_cut(_details(asked), _DETAILS_BYTES),
    )


async def look(client: "Client", ledger: "Ledger", started: Started, task_queue: str) -> bool:
    """True as soon as the run stands in the ledger, False when it does not in time, or ended without it.

    Raises `NotAdmitted` with the reason for a run that was refused.
    """
    from temporalio.client import WorkflowExecutionStatus

    from ledger.views.runs import is_there

    handle = client.get_workflow_handle(started.run, run_id=started.run_id)
    ends = time.monotonic() + (ADMITTED_WITHIN if await has_worker(client, task_queue) else NOBODY_THERE)
    while time.monotonic() < ends:
        if ledger.read_now(is_there, started.run_id):
            return True
        if (await handle.describe()).status != WorkflowExecutionStatus.RUNNING:
            if (refusal := await refusal_of(handle)) is not None:
                raise NotAdmitted(f"{started.run} was refused: {refusal}")
            return ledger.read_now(is_there, started.run_id)
        await asyncio.sleep(0.1)
    return False


async def refusal_of(handle: "WorkflowHandle[Any, Any]") -> str | None:
    """Why a closed workflow was not let in; None if it was."""
    from temporalio.client import WorkflowFailureError
    from temporalio.exceptions import ApplicationError

    try:
        await handle.result(follow_runs=False)
    except WorkflowFailureError as error:
        cause = error.cause
        return cause.message if isinstance(cause, ApplicationError) and cause.type in REFUSALS else None
    return None


def _details(asked: DeliveryInput) -> str:
    return f"{asked.instruction}\n\n- repository: {asked.repository}\n- base: {asked.base or 'its main branch'}"


def _cut(text: str, limit: int, *, one_line: bool = False) -> str:
    """At most so many bytes: the server counts those."""
    whole = " ".join(text.split()) if one_line else text
    raw = whole.encode()
    return whole if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"
