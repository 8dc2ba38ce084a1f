"""What a step works on: its workspace, and the folders, logs and databases that the worker's settings declare."""

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
    """What one step was given: at most one workspace, and what is declared by name."""

    workspace: Workspace | None
    declared: Declared


def given(pin: AgentPin, resources: Sequence[StepResource]) -> Given:
    """The resources of a step, after a look at what its agent needs.

    Raises an error that ends the run as failed where the story does not give the agent what its file declares, or gives
    two workspaces: no retry would help, and no model has been asked yet.
    """
    workspaces = [one for one in resources if isinstance(one, Workspace)]
    if len(workspaces) > 1:
        raise _wrong(pin, "was given two workspaces, and a step has one")
    access = [("workspace" if isinstance(one, Workspace) else one.kind, one.access) for one in resources]
    for kind, needed in pin.resources.items():
        if (kind, needed) not in access and (kind, "write") not in access:
            has = ", ".join(f"{name}: {how}" for name, how in access) or "nothing"
            raise _wrong(pin, f"works on `{kind}: {needed}`, and its step was given {has}; pass it as one of `resources`")
    declared = Declared(
        databases=tuple(one for one in resources if isinstance(one, Database)),
        folders=tuple(one for one in resources if isinstance(one, Folder)),
        logs=tuple(one for one in resources if isinstance(one, Logs)),
    )
    return Given(workspaces[0] if workspaces else None, declared)


async def find(kit: Kit, run: RunRef, declared: Declared) -> None:
    """Ask a worker whether it has them, where there are any. One that it has not is a refused input."""
    if declared.each:
        await kit.do(
            Resources.find_resources, FindResources(run=run, resources=declared), "find what the step works on", **WORK
        )


def _wrong(pin: AgentPin, problem: str) -> ApplicationError:
    return ApplicationError(f"{pin.label} {problem}", type="Misconfigured", non_retryable=True)
