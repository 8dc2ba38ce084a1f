"""What a model call asks of other threads: its two transactions, the look for a pause, and nothing on its way."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from activities.turns import growth, health
from benchmarks.model_call import ModelCall
from benchmarks.statements import Stages
from contracts.conversation import ModelReply, Usage
from ledger.db import Ledger
from ledger.writer import Writer
from tests.wire.server import WireServer
from tests.wire.streams import SPEAKS, endpoint

WRITER = "the writer"
"""It is not always told: whoever comes while it is at work is taken along."""

LOOK, COMMITS = {"ledger-reader": 1}, {WRITER: 2}
ANSWER = '{"outcome": "done", "reason": "", "confidence": 900, "questions": [], "claims": [], "body": {"text": "all is done"}}'


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kind of thread was given something to do. What a worker reads each second or minute is not read again."""
    counted: Counter[str] = Counter()
    submit: Any = ThreadPoolExecutor.submit

    def counting(self: ThreadPoolExecutor, *args: Any, **kwargs: Any) -> Any:
        counted[str(self._thread_name_prefix)] += 1
        return submit(self, *args, **kwargs)

    run = Writer.run

    async def running(self: Writer, *args: Any, **kwargs: Any) -> Any:
        counted[WRITER] += 1
        return await run(self, *args, **kwargs)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", counting)
    monkeypatch.setattr(Writer, "run", running)
    monkeypatch.setattr(health, "FRESH", 1e9)
    monkeypatch.setattr(growth, "FRESH", 1e9)
    return counted


def _without_wakings(hops: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in hops.items() if name != "ledger-writer"}


async def test_a_step_goes_to_other_threads_three_times(sqlite_url: str, tmp_path: Path, hops: Counter[str]) -> None:
    """Once to see whether it is paused, and for what is committed before and after the call: whoever adds one to every call
    changes this number, and says why."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    found: list[dict[str, int]] = []

    def told(_: str) -> None:
        found.append(_without_wakings(hops))
        hops.clear()

    try:
        stages = Stages(ledger, tmp_path)
        await stages.run("warm")
        hops.clear()
        await stages.run("counted", told)
    finally:
        ledger.close()
    assert found[1:] == [LOOK | COMMITS] * 4


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("speaks", SPEAKS)
async def test_the_road_to_a_provider_needs_no_other_thread(
    sqlite_url: str, tmp_path: Path, hops: Counter[str], speaks: str, streams: bool
) -> None:
    """In every format, whole and streamed, once its connection is open."""
    ledger = Ledger(sqlite_url, tmp_path / "artifacts")
    reply = ModelReply(text=ANSWER, stop="end", model="bench", usage=Usage(input=400, output=60))
    try:
        async with WireServer() as server, endpoint(server, speaks, capabilities={"stream": streams}) as provider:
            call = ModelCall(ledger, tmp_path, provider)
            for number in range(4):
                server.play(reply)
                await call(number)
                counted = _without_wakings(hops)
                hops.clear()
            assert counted == COMMITS
            assert len(server.requests) == 4
    finally:
        ledger.close()
