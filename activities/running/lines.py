"""Texts of the feed lines of this room, in one place."""

from temporalio.activity import Info

from contracts.base import digest_of
from contracts.runs import WHEN_WRITTEN, Note, Request, RunRef, RunState


def run_reset(run: RunRef, ended: RunState) -> Note:
    """A run that had ended was reset and continues."""
    return Note(
        key=f"{run.trace}/reset/{run.run_id}",
        at=WHEN_WRITTEN,
        stage="reset",
        actor="operator",
        did=f"went back to an earlier point; the run had ended as {ended}",
        why=f"it was reset, and run {run.run_id} replaces it",
        next="what was done and paid for before is reused, not repeated",
    )


def run_found(run: RunRef, ended: RunState) -> Note:
    """A run that was closed as lost is there and continues."""
    return Note(
        key=f"{run.trace}/found/{run.run_id}/{ended}",
        at=WHEN_WRITTEN,
        stage="reset",
        actor="temporal",
        did=f"is there after all; the record had it as {ended}",
        why="it was closed as one that Temporal does not have, and Temporal runs it",
        next="its gates are open again",
    )


def tried_again(run: RunRef, info: Info, reason: str) -> Note:
    """An activity has failed several times and is tried again."""
    most = info.retry_policy.maximum_attempts if info.retry_policy is not None else 0
    attempt = f"attempt {info.attempt}{f' of {most}' if most else ''}"
    return Note(
        key=digest_of("tried-again", run.trace, run.path, info.workflow_run_id or "", info.activity_id, str(info.attempt)),
        at=WHEN_WRITTEN,
        stage="retry",
        actor="worker",
        did=f"{info.activity_type} has failed again, {attempt}",
        why=reason[:1000],
        next="it is tried again; `baton show` says when",
    )


def move_refused(request: Request, reason: str) -> Note:
    """The run's state may not change like this; nothing was undone."""
    return Note(
        key=digest_of("forbidden-move", request.run.trace, request.run.path, reason),
        at=WHEN_WRITTEN,
        stage=(request.change.stage if request.change else None) or "",
        actor="ledger",
        did="refused to change the run's state",
        why=reason,
        importance="detail",
    )
