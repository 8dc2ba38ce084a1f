"""A step's resources: its workspace, and folders, logs and databases that the worker's settings declare."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.exceptions import ApplicationError

from activities.resources import Resources
from contracts.agents import AgentPin
from contracts.repositories import Workspace
from contracts.runs import RunRef
from contracts.step_resources import Database, Declared, FindResources, Folder, Logs
from workflows.kit.kit import Kit
from workflows.kit.options import WORK

StepResource = Workspace | Database | Folder | Logs


@dataclass(frozen=True)
class Given:
    """The resources of one step: at most one workspace, and those declared by name."""

    workspace: Workspace | None
    declared: Declared


def given(pin: AgentPin, resources: Sequence[StepResource]) -> Given:
    """Check a step's resources against what its agent's file declares.

    Raises a non-retryable `ApplicationError`, which ends the run as failed, if the story does not give the agent what its file
    declares, or gives two workspaces. No model has been called by then.
    """
    workspaces = [one for one in resources if isinstance(one, Workspace)]
    if len(workspaces) > 1:
        raise _wrong(pin, "was given two workspaces, but a step has at most one")
    access = [("workspace" if isinstance(one, Workspace) else one.kind, one.access) for one in resources]
    for kind, needed in pin.resources.items():
        if (kind, needed) not in access and (kind, "write") not in access:
            has = ", ".join(f"{name}: {how}" for name, how in access) or "nothing"
            raise _wrong(pin, f"needs `{kind}: {needed}`, but its step was given {has}; pass it in `resources`")
    declared = Declared(
        databases=tuple(one for one in resources if isinstance(one, Database)),
        folders=tuple(one for one in resources if isinstance(one, Folder)),
        logs=tuple(one for one in resources if isinstance(one, Logs)),
    )
    return Given(workspaces[0] if workspaces else None, declared)


async def find(kit: Kit, run: RunRef, declared: Declared) -> None:
    """Check that the worker's settings declare the resources, if there are any. A missing one is a refused input."""
    if declared.each:
        await kit.do(
            Resources.find_resources, FindResources(run=run, resources=declared), "find what the step works on", **WORK
        )


def _wrong(pin: AgentPin, problem: str) -> ApplicationError:
    return ApplicationError(f"{pin.label} {problem}", type="Misconfigured", non_retryable=True)
