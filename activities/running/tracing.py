"""What every activity gets besides its request: the ids of workflow and run, and run, trace and span on its log lines."""

from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import ExecuteActivityInput

from activities.running.around import Around, Proceed
from contracts.ids import w3c_span_id, w3c_trace_id
from contracts.runs import Request


class Tracing(Around):
    """Completes the request, and binds the run's identity to log lines for the duration of one activity."""

    async def around(self, input: ExecuteActivityInput, proceed: Proceed) -> Any:
        """As `Around`."""
        request = input.args[0] if input.args else None
        if not isinstance(request, Request):
            return await proceed(input)
        run = request.run
        info = activity.info()
        # Not sent in the request: history would keep every byte, and the activity's own context has both.
        asks = {"workflow_id": run.workflow_id or info.workflow_id or "", "run_id": info.workflow_run_id or ""}
        run = run.model_copy(update=asks)
        input.args = [request.model_copy(update={"run": run})]
        step = getattr(request, "key", "") or getattr(request, "turn", "") or input.fn.__name__
        with structlog.contextvars.bound_contextvars(
            run=run.workflow_id,
            trace=run.trace,
            path=run.path,
            trace_id=w3c_trace_id(run.trace),
            span_id=w3c_span_id(run.trace, run.path, step),
        ):
            return await proceed(input)
