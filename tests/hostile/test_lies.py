"""What a green check is worth: changes that only look green are named as such, honest ones are not."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.db import Ledger
from ledger.migrate import upgrade
from tests.depth import of_all_shown
from tests.hostile.false_greens import FALSE_GREENS
from tests.hostile.families import FAMILIES
from tests.hostile.judging import Bench, Judgement
from tests.hostile.lies import BASE, HONEST, LIES, Lie
from tests.hostile.more_lies import ELSEWHERE, HONEST_ELSEWHERE, OWN

AT_ONCE = 3
NAMES = re.compile(r"\b[\w./-]*[/.]\w[\w./]*|\btest_\w+(\[\d+\])?|line \d+|^(added|modified|deleted) |:.*")
"""What is different in what is said of changes of one kind: files, tests, lines."""


FAMILY = {name: family for family, lies in FAMILIES.items() for name in lies.values()}


def shows(lie: Lie) -> set[tuple[str, str]]:
    """Its family, what is said of it, what runs its check, and, of an honest change, the verdict that it deserves."""
    found = {("said", NAMES.sub("", lie.said)), ("runner", lie.command.split()[0]), ("family", FAMILY.get(lie.name, ""))}
    return found | ({("honest", lie.verdicts[0])} if lie in ALL_RIGHT else set())


ALL_RIGHT = (*HONEST, *HONEST_ELSEWHERE)
JUDGED = of_all_shown((*LIES, *ELSEWHERE, *OWN, *FALSE_GREENS, *ALL_RIGHT), shows)
GREEN = tuple(lie for lie in JUDGED if lie in FALSE_GREENS)
RIGHT = tuple(lie for lie in JUDGED if lie in ALL_RIGHT)
TOLD = tuple(lie for lie in JUDGED if lie not in (*GREEN, *RIGHT))


def test_every_lie_of_the_families_is_told_once() -> None:
    """Each that is named has one of its own; names are not used twice, or one would be judged for another."""
    told = [name for family in FAMILIES.values() for name in family.values()]
    assert len(told) == len(set(told)) == 40
    assert set(told) <= {lie.name for lie in (*LIES, *ELSEWHERE)}
    names = [lie.name for lie in (*LIES, *ELSEWHERE, *OWN, *FALSE_GREENS, *HONEST, *HONEST_ELSEWHERE)]
    assert len(names) == len(set(names))
    assert (len(LIES) + len(ELSEWHERE) >= 49, len(OWN) >= 20, len(FALSE_GREENS) >= 20) == (True, True, True)


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
            declared: Any = lie.declared
            return lie.name, await bench.judge(BASE | lie.base, lie.change, lie.command, declared, lie.environment)

    return dict(await asyncio.gather(*(one(lie) for lie in JUDGED)))


@pytest.mark.parametrize("lie", TOLD, ids=[lie.name for lie in TOLD])
def test_no_lie_is_passed_without_a_fact_that_names_it(judged: dict[str, Judgement], lie: Lie) -> None:
    """The verdict is not plain `passed`, or the gate says what is wrong with it at a risk above low."""
    found = judged[lie.name]
    assert found.report.verdict in lie.verdicts, found.facts
    assert lie.said in found.facts
    assert found.risk != "low", found.facts


@pytest.mark.parametrize("green", GREEN, ids=[lie.name for lie in GREEN])
def test_a_check_that_passes_without_the_change_being_run_says_so(judged: dict[str, Judgement], green: Lie) -> None:
    """No such change is `passed` without a fact that names it, or, for texts alone, the files that no check reads."""
    found = judged[green.name]
    assert found.report.verdict in green.verdicts, found.facts
    assert green.said in found.facts
    assert found.risk != "low" or green.low, found.facts


@pytest.mark.parametrize("honest", RIGHT, ids=[lie.name for lie in RIGHT])
def test_an_honest_change_is_judged_as_what_it_is(judged: dict[str, Judgement], honest: Lie) -> None:
    """Fixes, features, texts and failures have the verdict that they deserve, and no risk that they do not."""
    found = judged[honest.name]
    assert found.report.verdict in honest.verdicts, found.facts
    assert honest.said in found.facts
    if honest.low and found.report.verdict == "passed":
        assert found.risk == "low", found.facts
