"""Workers that are forked on request: each start is told of its own worker, also after one that was given up."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.chaos.world import World
from tests.children import PATIENCE
from tests.stack import until


async def log_of(pid: int, names: set[str]) -> str:
    """Where a worker writes, once it has opened its log."""

    async def look() -> str | None:
        name = Path(os.readlink(f"/proc/{pid}/fd/1")).name
        return name if name in names else None

    return await until(look, "the worker has opened its log")


async def test_a_start_that_is_given_up_leaves_no_worker_and_no_pid_behind(outside: World, tmp_path: Path) -> None:
    """Its worker is killed, and the next start gets its own worker and hears of that one's end."""
    zygote, others = outside.zygote, list(outside.zygote._ends.values())
    async with asyncio.timeout(PATIENCE):
        given_up = asyncio.create_task(zygote.fork({}, tmp_path / "first.log", "shipped"))
        await asyncio.sleep(0)  # it has begun, and not heard yet
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        pid, ended = await zygote.fork({}, tmp_path / "second.log", "shipped")
        assert await log_of(pid, {"first.log", "second.log"}) == "second.log"
        os.kill(pid, signal.SIGKILL)
        assert os.WTERMSIG(await ended) == signal.SIGKILL
        ours = [one for one in zygote._ends.values() if one not in others]
        assert [os.WTERMSIG(one) for one in await asyncio.gather(*ours)] == [signal.SIGKILL] * 2
