"""A worker whose disk is full: the record says so at once, and the step is begun again until there is room."""

from datetime import timedelta

from temporalio import workflow

from workflows.kit.asks import tell_wait
from workflows.kit.run import Run
from workflows.kit.standing import ROOM, Waits

LONGEST = 64
"""Most seconds between two attempts: a day of them stays far below what a history may hold."""


async def wait(run: Run, summary: str, why: str, tries: int) -> None:
    """Tell what the run waits for, once for each series of tries, and let some time pass: twice as long each time."""
    following = f"{summary} is begun again when there is room, by itself"
    if tries == 1:
        run.note(f"waits for {ROOM}: {summary}", why[:1000], following, alert="disk_full")
        if run.state == "working":
            run.move("working", waiting_for=ROOM, next=following)
        await run.flush()
        await tell_wait(run, Waits(path=run.ref.path, waiting_for=ROOM))
    run.tell(f"waits for {ROOM}: {summary}", why, following)
    await workflow.sleep(timedelta(seconds=min(2 ** (tries - 1), LONGEST)), summary=f"waits for {ROOM}")


async def over(run: Run, summary: str) -> None:
    """The step was done after all: the next activity commits that the run goes on."""
    run.note(f"there is {ROOM} again: {summary}", "the step was begun again and is done", "the run goes on")
    if run.newest is not None and run.newest.waiting_for == ROOM:
        run.move("working", next="the run goes on")
    await tell_wait(run, Waits(path=run.ref.path))
