"""One cause is one entry and one command, however many runs wait for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.breakers import Breakers
from tests import scripts
from tests.commands.conftest import CONVERSATIONS, Baton
from tests.dates import well_before_midnight
from tests.depth import soak
from tests.paid import copied
from tests.stack import Stack, sample, stack, until
from tests.wire.server import WireServer


@asynccontextmanager
async def served(client: Client, baton: Baton, folder: Path, **more: Any) -> AsyncIterator[tuple[Stack, WireServer]]:
    """A worker whose model is asked over HTTP, and its server, which misbehaves on request."""
    script = scripts.save(folder / "wire.yaml", *CONVERSATIONS)
    levels = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000} | more.pop("ceilings", {})
    async with WireServer(script=script) as server:
        options = {"openai_base_url": server.openai_url, "agents": copied(folder / "agents"), "ceilings": levels} | more
        async with stack(client, baton.state, **options) as running:
            baton.use(running)
            baton.set(BATON_AGENTS=folder / "agents", BATON_OPENAI_BASE_URL=server.openai_url)
            yield running, server


@pytest.mark.parametrize("fault", ["authentication", *soak("permission")])
async def test_one_refused_key_in_five_runs_is_one_entry(baton: Baton, client: Client, tmp_path: Path, fault: Any) -> None:
    """In `gates`, `models` and `doctor`, each with all five; one `models close` has all of them go on, in one's own name."""
    async with served(client, baton, tmp_path) as (running, server):
        server.faults.set("test", fault)
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(5)]
        for run in runs:
            await running.gate(run, "stuck")
        names = {run.id for run in runs}
        listed = (await baton.live("gates", "--json")).json
        (cause,) = listed["causes"]
        assert (set(cause["runs"]), len(listed["gates"])) == (names, 5)
        shown = (await baton.live("gates")).out
        assert "5 runs" in shown.splitlines()[1]
        assert len([line for line in shown.splitlines() if line.startswith("  baton ")]) == 1
        models = await baton.live("models", "--json")
        (breaker,) = [one for one in models.json["breakers"] if one["breaker"] in cause["names"]]
        assert (set(breaker["runs"]), breaker["state"]) == (names, "unavailable")
        found = [one for one in (await baton.live("doctor", "--json")).json["findings"] if one["name"] == "waiting"]
        assert [one["level"] for one in found] == ["warn"]
        assert all(name in found[0]["text"] for name in names)
        assert found[0]["mend"] == cause["command"]
        server.faults.clear("test")
        closing = ("models", "close", *cause["names"], "-m", "the key was renewed", "--by", "maria", "--json")
        closed = await baton.live(*closing)
        assert (closed.code, set(closed.json["gates"].values())) == (0, {"confirmed"}), closed.err
        assert {name.split()[0] for name in closed.json["gates"]} == names
        for run in runs:
            assert (await running.gate(run, "plan")).gate == "plan-1"
            decisions = (await baton.live("show", run.id, "--json")).json["decisions"]
            assert [(one["by"], one["note"]) for one in decisions] == [("maria", "the key was renewed")]
            await run.cancel()


async def test_closing_a_breaker_wakes_the_runs_that_wait_on_a_timer(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A model that was overloaded: the run would ask again in an hour, and does so at once when the breaker is closed."""
    away = Breakers(failures=1, cooldown=timedelta(hours=1), longest=timedelta(hours=1), patience=timedelta(hours=8))
    async with served(client, baton, tmp_path, breakers=away) as (running, server):
        server.faults.set("test", "overloaded")
        run = await running.deliver(sample(tmp_path / "sample"), check="true")

        async def waits() -> bool | None:
            row = (await baton.live("show", run.id, "--json")).json
            return True if row.get("waiting_for") == "a model" else None  # not on record before it is admitted

        await until(waits, "the run waits for a model")
        breakers = (await baton.live("models", "--json")).json["breakers"]
        server.faults.clear("test")
        closed = await baton.live("models", "close", *(one["breaker"] for one in breakers), "-m", "it is back", "--json")
        assert (closed.code, closed.json["woken"]) == (0, [run.id]), closed.err
        assert (await running.gate(run, "plan")).gate == "plan-1"
        await run.cancel()


async def test_a_run_says_that_its_child_waits_for_a_model(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A writer's model is overloaded: the run's row says so, and closing the breaker has the writer ask at once."""
    away = Breakers(failures=1, cooldown=timedelta(hours=1), longest=timedelta(hours=1), patience=timedelta(hours=8))
    async with served(client, baton, tmp_path, breakers=away) as (running, server):
        run = await running.deliver(sample(tmp_path / "sample"), check="true")
        await running.gate(run, "plan-1")
        server.faults.set("test", "overloaded")
        await running.approve(run, "plan-1")

        async def waits() -> dict[str, Any] | None:
            row = (await baton.live("show", run.id, "--json")).json
            return row if row["waiting_for"] == "a model" else None

        row = await until(waits, "the run says that a child waits for a model")
        assert (row["state"], row["stage"]) == ("working", "write")
        assert row["next"].startswith("write/")
        assert f"{run.id} waits for a model; next: write/" in (await baton.live("gates")).err
        breakers = (await baton.live("models", "--json")).json["breakers"]
        server.faults.clear("test")
        closed = await baton.live("models", "close", *(one["breaker"] for one in breakers), "-m", "it is back", "--json")
        assert (closed.code, closed.json["woken"]) == (0, [run.id]), closed.err
        await running.gate(run, "change-1")
        after = (await baton.live("show", run.id, "--json")).json
        assert (after["state"], after["waiting_for"]) == ("waiting", "change-1")
        await run.cancel()


async def test_one_shared_ceiling_is_one_entry(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Runs at the month's ceiling: one row, and the command that raises it for all."""
    await well_before_midnight(timedelta(minutes=5))
    async with served(client, baton, tmp_path, ceilings={"month_usd": "0.0001"}) as (running, _):
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(2)]
        for run in runs:
            await running.gate(run, "ceiling")
        (cause,) = (await baton.live("gates", "--json")).json["causes"]
        assert set(cause["runs"]) == {run.id for run in runs}
        assert cause["command"].startswith(f"baton budget raise {cause['names'][0]} --to")
        for run in runs:
            await run.cancel()


async def test_a_run_alone_at_its_gate_keeps_its_own_row(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Plans of two runs are two decisions, and no cause is named."""
    async with served(client, baton, tmp_path) as (running, _):
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(2)]
        for run in runs:
            await running.gate(run, "plan")
        assert (await baton.live("gates", "--json")).json["causes"] == []
        shown = (await baton.live("gates")).out
        assert all(run.id in shown for run in runs)
        for run in runs:
            await run.cancel()
