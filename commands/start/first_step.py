"""Whether a run that has just been started gets to its repository."""

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.start.start import ADMITTED_WITHIN, Started
from commands.start.typed import typed_fields
from contracts.inputs import PipelineInput

if TYPE_CHECKING:
    from temporalio.client import Client

    from ledger.db import Ledger

FIRST_STEP = "prepare_repository"
"""The activity that a run begins with: it fetches the repository, and fails while that cannot be reached."""


async def trouble(client: "Client", ledger: "Ledger", started: Started, asked: PipelineInput) -> str:
    """Why the first step of an admitted run fails, where it has failed within a few seconds; "" otherwise.

    Waits only for a repository on another machine: what can be seen from here was looked at before the start.
    """
    from activities.runs.gone import describe
    from commands.look.pending import pending
    from ledger import gates

    named = [str(getattr(asked, name) or "") for name, how in typed_fields(type(asked)).items() if how.path == "repository"]
    if all(one.startswith("/") for one in named):
        return ""
    ends = time.monotonic() + ADMITTED_WITHIN
    while time.monotonic() < ends:
        described = await describe(client, started.run, started.run_id)
        under_way = await pending(client, started.run, described)
        failing = next((one for one in under_way if one.failed), None)
        if failing is not None:
            return failing.line(datetime.now(UTC))
        waits = await ledger.read(gates.open_gates, None, started.run_id)
        ended = described is None or described.workflow_execution_info.HasField("close_time")
        if ended or waits or any(one.activity != FIRST_STEP for one in under_way):
            return ""
        await asyncio.sleep(0.1)
    return ""
