"""What a test leaves behind is that test's own affair: no later test fails for it. Imported by `conftest.py`."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import pytest

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a test that failed, collect at once what its traceback has kept alive: open files, connections, processes.

    Python complains of them when it frees them, which would be in the middle of a later test, and fail that one as well.
    """
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    if call.when == "teardown" and item.stash.get(_FAILED, False):
        with _complaints() as heard:
            for name in ("last_type", "last_value", "last_traceback"):
                if hasattr(sys, name):
                    delattr(sys, name)
            gc.collect()
        if heard:
            report.sections.append(("Left behind, found at teardown", "\n".join(heard)))
    return report


@contextmanager
def _complaints() -> Iterator[list[str]]:
    heard: list[str] = []
    before, sys.unraisablehook = sys.unraisablehook, lambda it: heard.append(f"{it.object!r}: {it.exc_value!r}")
    try:
        yield heard
    finally:
        sys.unraisablehook = before


_begun: ContextVar["WeakSet[asyncio.Task[Any]] | None"] = ContextVar("begun", default=None)
"""The tasks of the test that runs: those that it, or what it has begun, starts. Fixtures of a module have others."""


def _task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **more: Any) -> "asyncio.Task[Any]":
    """A task as the loop makes it, noted for the test."""
    task = asyncio.Task(coroutine, loop=loop, **more)
    if (begun := _begun.get()) is not None:
        begun.add(task)
    return task


@pytest.fixture(autouse=True)
async def no_task_outlives_its_test() -> AsyncIterator[None]:
    """All tests share one event loop: what a test has begun on it, and did not wait for, is cancelled with the test."""
    asyncio.get_running_loop().set_task_factory(_task)
    token = _begun.set(begun := WeakSet())
    yield
    _begun.reset(token)
    left = [task for task in begun if not task.done() and task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
