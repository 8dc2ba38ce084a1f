"""What a green check is worth: changes that only look green are named as such, honest ones are not."""

import asyncio
from collections.abc import Iterator

import pytest

from ledger.db import Ledger
from ledger.migrate import upgrade
from tests.hostile.judging import Bench, Judgement
from tests.hostile.lies import BASE, HONEST, LIES, Lie

AT_ONCE = 3


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judgement]]:
    """All changes judged on one machine, a few at a time: each costs several runs of its check."""
    folder = tmp_path_factory.mktemp("lies")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", folder / "artifacts")
    upgrade(ledger)
    yield asyncio.run(_judged(Bench(folder, ledger)))
    ledger.close()


async def _judged(bench: Bench) -> dict[str, Judgement]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(lie: Lie) -> tuple[str, Judgement]:
        async with room:
            return lie.name, await bench.judge(BASE | lie.base, lie.change, lie.command, lie.declared)  # type: ignore[arg-type]

    return dict(await asyncio.gather(*(one(lie) for lie in (*LIES, *HONEST))))


@pytest.mark.parametrize("lie", LIES, ids=[lie.name for lie in LIES])
def test_no_lie_is_passed_without_a_fact_that_names_it(judged: dict[str, Judgement], lie: Lie) -> None:
    """The verdict is not plain `passed`, or the gate says what is wrong with it at a risk above low."""
    found = judged[lie.name]
    assert found.report.verdict in lie.verdicts, found.facts
    assert lie.said in found.facts
    assert found.risk != "low", found.facts


@pytest.mark.parametrize("honest", HONEST, ids=[lie.name for lie in HONEST])
def test_an_honest_change_is_judged_as_what_it_is(judged: dict[str, Judgement], honest: Lie) -> None:
    """Fixes, features, texts and failures have the verdict that they deserve, and no risk that they do not."""
    found = judged[honest.name]
    assert found.report.verdict in honest.verdicts, found.facts
    assert honest.said in found.facts
    if honest.low and found.report.verdict == "passed":
        assert found.risk == "low", found.facts
