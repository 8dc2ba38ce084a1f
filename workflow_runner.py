"""The workflow runner of workers and of replays."""

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = (
    *("contracts", "converter", "search_attributes", "ledger", "activities", "workflows"),
    *("sqlalchemy", "structlog", "jinja2", "yaml", "genai_prices"),
)
"""Modules that Temporal's import sandbox passes through instead of reloading; workflow modules are thin and hold no state."""


def workflow_runner(*, sandboxed: bool) -> WorkflowRunner:
    """The workflow runner. Replay must use the same one: contracts are compared by class, and a sandbox reloads classes."""
    if not sandboxed:
        return UnsandboxedWorkflowRunner()
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))
