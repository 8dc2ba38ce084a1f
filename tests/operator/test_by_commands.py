"""Eleven anomalies in an installation that runs, each found and settled by `baton` commands that are in the operator's book."""

import asyncio
import re
from collections.abc import Mapping

import pytest

from tests import depth
from tests.operator.anomalies import ANOMALIES, IN_THE_BROWSER, Planted
from tests.operator.book import filled, proven, steps
from tests.operator.house import House
from tests.stack import until

BESIDE: Mapping[str, tuple[str, ...]] = {"alert-condemned": ("gate-held",)}
"""The runbooks to which a runbook sends its reader for a part of what is to be done."""


async def seen(running: House, planted: Planted, runbook: str) -> str:
    """What the three commands of the daily round say, once they show the anomaly and the name of its runbook."""

    async def look() -> str | None:
        said = await running.shell("baton status\nbaton gates 2>&1\nbaton feed --alerts --since 1h")
        return said if planted.shown in said and f"baton runbook {runbook}" in said else None

    return await until(look, f"{planted.shown!r} was shown with `baton runbook {runbook}`", every=1.0)


@pytest.mark.parametrize("name", [name for name in ANOMALIES if depth.SOAK or name not in IN_THE_BROWSER])
async def test_an_operator_finds_and_settles_it_by_the_book(home: House, name: str) -> None:
    """It is shown with its runbook; the runbook's own commands, with what is seen filled in, settle it."""
    anomaly = ANOMALIES[name]
    planted = await anomaly.plant(home)
    await seen(home, planted, anomaly.runbook)
    for runbook in (anomaly.runbook, *BESIDE.get(anomaly.runbook, ())):
        assert "Do now" in await home.baton("runbook", runbook)
        for number, block in enumerate(steps(runbook)):
            if number == 1:
                planted.mend()
            await asyncio.to_thread(home.machine.run, filled(block, planted.values))
    await anomaly.settled(home, planted)
    await home.clear()


def test_every_tested_block_of_the_book_is_run_here() -> None:
    """No runbook says that its commands are tested, and is followed by nobody."""
    followed = {runbook for one in ANOMALIES.values() for runbook in (one.runbook, *BESIDE.get(one.runbook, ()))}
    run = {block.where for runbook in followed for block in steps(runbook)}
    assert run == {block.where for block in proven()}


def test_a_word_that_nobody_can_fill_in_is_found() -> None:
    """A runbook cannot ask for what an operator does not see."""
    [block, *_] = steps("gate-stuck")
    with pytest.raises(AssertionError, match="gives no GATE"):
        filled(block, {"RUN": "r"})
    assert re.search(r"show r --gate stuck-1", filled(block, {"RUN": "r", "GATE": "stuck-1"}).text)
