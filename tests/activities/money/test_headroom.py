"""A run is not let in where a month, the project's or everybody's, is heading past its ceiling."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.money.headroom import Problem, problem
from contracts.agents import AgentPin
from contracts.money import Ceilings
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import Scope

NOW = datetime(2026, 11, 11, tzinfo=UTC)
"""A third of the month has passed."""

NAMED = {"name": "helper", "version": "1", "digest": "0" * 64, "takes": "plan_task/1", "returns": "plan/1"}
SHOP, ALL = "project:shop:month:2026-11", "month:2026-11"


def asked(url: str, folder: Path, spent: dict[str, int], project: str = "shop", **more: Any) -> Problem | None:
    """What speaks against one more run, where so many dollars of hundred are spent."""
    levels = {"run_usd": 10, "agent_day_usd": 100, "month_usd": 100}
    ceilings = Ceilings(**levels, projects={"shop": {"month_usd": 100}, "other": {"run_usd": 5}}, **more)
    ledger = Ledger(url, folder / "artifacts")
    for name, dollars in spent.items():
        scopes = [Scope(name, 100_000_000)]
        ledger.tx_now(spend.reserve, name, scopes, dollars * 1_000_000, price_version="test", worker="w")
    pin = AgentPin.model_validate({**NAMED, "choices": [{"model": "openai:test"}]})
    found = ledger.read_now(problem, ceilings, project, [pin], NOW)
    ledger.close()
    return found


@pytest.mark.parametrize(
    ("spent", "project", "scope"),
    [
        ({SHOP: 34, ALL: 33}, "shop", SHOP),
        ({SHOP: 33, ALL: 34}, "shop", ALL),
        ({SHOP: 34, ALL: 34}, "shop", SHOP),
        ({SHOP: 34, ALL: 33}, "other", None),
        ({SHOP: 33, ALL: 33}, "shop", None),
    ],
    ids=["the project's", "everybody's", "both", "another project's", "neither"],
)
def test_a_month_that_is_heading_past_its_ceiling_lets_no_run_in(
    sqlite_url: str, tmp_path: Path, spent: dict[str, int], project: str, scope: str | None
) -> None:
    """The project's month counts for its own runs, everybody's for all; the refusal names the month and how to raise it."""
    found = asked(sqlite_url, tmp_path, spent, project)
    assert (None if found is None else found.scope) == scope
    if found is not None:
        assert f"the month will cost $102.00; no new run is admitted. `baton budget raise {scope} --to USD" in found.text


@pytest.mark.parametrize(("projection", "refuses"), [("alert", False), ("off", None)])
def test_the_setting_counts_for_a_projects_month_too(
    sqlite_url: str, tmp_path: Path, projection: str, refuses: bool | None
) -> None:
    """`alert` only says so, `off` looks away."""
    found = asked(sqlite_url, tmp_path, {SHOP: 34}, projection=projection)
    assert (None if found is None else found.refuses) == refuses
