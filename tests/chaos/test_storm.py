"""Deliveries while workers and server are killed: nothing is lost, nothing is done twice, and all goes on afterwards.

How soon is printed, and measured by `make bench NAME=recovery`.
"""

import pytest

from tests.chaos.audit import audit
from tests.chaos.faults import POINTS
from tests.chaos.scenario import scenario
from tests.chaos.storm import storm
from tests.chaos.world import World


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL database where one is asked for, else nothing: a SQLite file of the scenario's own."""
    if request.config.getoption("ledger") == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.mark.timeout(0)
async def test_nothing_is_lost_or_doubled_while_everything_is_killed(
    outside: World, ledger_url: str, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Processes die in the middle of work, at every point: each run is done, pushed once, and paid for."""
    kills, seed = pytestconfig.getoption("kills"), pytestconfig.getoption("seed")
    async with scenario(outside, "storm", ledger_url=ledger_url) as deliveries:
        weather = await storm(deliveries, kills, seed)
        drained = [*weather.drained, *await deliveries.fleet.end()]
        problems = audit(deliveries)
        done = len(deliveries.reports)
    with capsys.disabled():
        print(f"\nstorm (seed {seed}): {done} deliveries, {weather}")
    assert problems == []
    assert weather.faults.kills.total() >= kills > len(POINTS)
    assert all(weather.faults.kills[point] for point in POINTS)
    assert weather.faults.surprises == []
    assert drained == [0] * len(drained)
    assert weather.open > 0
