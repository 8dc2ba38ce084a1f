"""Between the approval and the use the target has become another one: nothing happens there, by its own book."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from contracts.errors import BatonError
from tests.activities.actions import cases
from tests.activities.actions.cases import Outside, approved, deliver, wanted
from tests.activities.actions.conftest import World
from tests.repositories import plain

Change = Callable[[dict[str, Any]], Any]


def _without(name: str) -> Change:
    return lambda tables: tables.pop(name)


def _with(name: str, **other: Any) -> Change:
    return lambda tables: tables[name].update(other)


def _becomes(name: str, other: str) -> Change:
    return lambda tables: tables.update({name: tables[other]})


PAY = cases.PAY
TABLES: dict[str, tuple[str, Change]] = {
    "no target of this name": ("looked-up", _without("looked-up")),
    "a target of another kind": ("looked-up", _becomes("looked-up", "notices")),
    "no database of this name": ("sqlite", _without("books")),
    "no such statement": ("sqlite", _with("books", statements={"refund": cases.REFUND})),
    "a statement with other parameters": (
        "postgres",
        _with("accounts", statements={"pay": cases.REFUND | {"sql": "delete from account", "parameters": {}}}),
    ),
    "a statement that changes more": (
        "sqlite",
        _with("books", statements={"pay": PAY | {"rows": 2}, "refund": cases.REFUND}),
    ),
    "no folder": ("file", _with("notices", path="/nowhere/notices")),
    "other recipients": ("mail", _with("post", domains=["elsewhere.example"])),
    "no mail server": ("mail", _with("post", port=1)),
    "other repositories": ("pull", _with("host", repositories=["olga/other"])),
    "no repositories": ("comment", _with("host", repositories=["olga/none"])),
    "no such command": ("deploy", _with("machine", commands={"deployed": {"about": "?", "argv": ["true"]}})),
}
"""What `[targets]` says by then."""


@pytest.mark.parametrize("how", TABLES)
async def test_another_table_of_the_target_lets_nothing_happen(world: World, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's settings were changed since: what they do not declare any more is not done."""
    name, change = TABLES[how]
    shipped = cases.tables

    def changed(*given: Any) -> dict[str, Any]:
        made = shipped(*given)
        change(made)
        return made

    await _nothing_happens(world, name, how, lambda: monkeypatch.setattr(cases, "tables", changed))


@pytest.mark.parametrize("variable", ["SHOP_KEY", "SHOP_SECRET"])
@pytest.mark.parametrize("name", ["looked-up", "once", "blind"])
async def test_without_its_secret_nothing_happens(
    world: World, name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of the target, or what its posts are signed with, is not there any more."""
    await _nothing_happens(world, name, variable, lambda: monkeypatch.setitem(cases.VARIABLES, variable, ""))


@pytest.mark.parametrize(("name", "tip"), [("push", "main~1"), ("revert", "main")])
async def test_a_branch_that_is_somebody_elses_by_then_stays_as_it_is(world: World, name: str, tip: str) -> None:
    """Somebody pushed other files under this name between the approval and the push."""
    origin = world.outside.origin
    taken = f"tip/{wanted(origin)[name][1]['branch']}"
    await _nothing_happens(world, name, "tip", lambda: plain(origin, "branch", taken, tip), effects=False)
    assert plain(origin, "rev-parse", taken) == plain(origin, "rev-parse", tip)


@pytest.mark.parametrize("name", ["push", "revert"])
async def test_a_base_that_is_gone_lets_nothing_be_pushed(world: World, name: str, tmp_path: Path) -> None:
    """What was approved rests on a commit that the repository does not have any more, as after a forced push."""
    adapter, arguments = wanted(world.outside.origin)[name]
    gone = {"push": {"base": "f" * 40}, "revert": {"commit": "f" * 40, "onto": "f" * 40}}[name]
    meant = approved(world.ledger, adapter, arguments | gone | {"branch": f"gone/{arguments['branch']}"})
    before = world.effects()
    assert await _outcome(world.outside, world, meant) != "delivered"
    assert world.effects() == before


async def _nothing_happens(world: World, name: str, how: str, change: Callable[[], Any], *, effects: bool = True) -> None:
    adapter, arguments = wanted(world.outside.origin)[name]
    named = {"event", "branch", "path", "head"} & arguments.keys()
    own = {field: f"{how.replace(' ', '-')}/{arguments[field]}" for field in named}
    meant = approved(world.ledger, adapter, arguments | own)
    before = world.effects()
    change()
    assert await _outcome(world.outside, world, meant) != "delivered"
    if effects:
        assert world.effects() == before


async def _outcome(outside: Outside, world: World, meant: Any) -> str:
    try:
        return (await deliver(outside.actions(world.ledger), meant)).state
    except (ApplicationError, BatonError) as error:
        return str(error)
