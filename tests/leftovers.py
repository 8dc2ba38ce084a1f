"""What a test leaves behind is that test's own affair: no later test fails for it. Imported by `conftest.py`."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

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


@pytest.fixture(autouse=True)
async def no_task_outlives_its_test() -> AsyncIterator[None]:
    """All tests share one event loop: what a test has begun on it, and did not wait for, is cancelled with the test."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
