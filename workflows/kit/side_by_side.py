"""Parallel agent steps. If one fails, the others still finish."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from contracts.base import Contract
from contracts.handoff import Handoff
from workflows.kit.ends import Stopped, cause_of
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.step import B, Step

Asked = Coroutine[Any, Any, Step[B]]


async def side_by_side(kit: Kit, **steps: Asked[Any]) -> dict[str, Step[Any]]:
    """Run steps (`bugs=ask(…), security=ask(…)`) in parallel and return them by name.

    A step whose activity fails, such as a tool's, is `could_not` with the reason; the others run to their end. Raises
    `Stopped` once all have ended if the run stopped at a ceiling meanwhile. Cancelling the run cancels all steps and waits for
    them. The run does not continue as new before all have ended.
    """
    tasks = {name: asyncio.create_task(_ended(kit, name, step)) for name, step in steps.items()}
    try:
        with kit.chain.under_way():
            await asyncio.gather(*tasks.values())
    except (asyncio.CancelledError, FailureError):
        # Not GeneratorExit: it means eviction from the worker's cache, after which nothing may be awaited.
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        raise
    kit.check_stopped()
    return {name: task.result() for name, task in tasks.items()}


async def _ended(kit: Kit, name: str, step: Asked[Any]) -> Step[Any]:
    try:
        return await step
    except Stopped as stopped:
        return _could_not(kit, name, stopped.reason)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return _could_not(kit, name, cause_of(error))


def _could_not(kit: Kit, name: str, reason: str) -> Step[Any]:
    handoff: Handoff[Contract] = kit.keep(made_by_us(kit.at(name), "coordinator", "could_not", reason))
    return Step(handoff, None, "null")
