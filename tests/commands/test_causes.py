"""One cause is one entry and one command, however many runs wait for it."""

import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from contracts.breakers import Breakers
from contracts.gates import GateView
from ledger import gates
from tests import scripts
from tests.commands.conftest import CONVERSATIONS, Baton
from tests.dates import well_before_midnight
from tests.depth import soak
from tests.paid import PRICE, copied
from tests.stack import Stack, result_of, sample, stack, until
from tests.wire.server import WireServer
from tests.workflows.reviewing import HAPPY, change
from tests.workflows.test_act import acting, started


@asynccontextmanager
async def served(
    client: Client, baton: Baton, folder: Path, *conversations: dict[str, Any], routes: str = "", **more: Any
) -> AsyncIterator[tuple[Stack, WireServer]]:
    """A worker whose model is asked over HTTP, and its server, which misbehaves on request. `routes`: others than one model."""
    script = scripts.save(folder / "wire.yaml", *CONVERSATIONS, *conversations)
    levels = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000} | more.pop("ceilings", {})
    async with WireServer(script=script) as server:
        options = {"openai_base_url": server.openai_url, "agents": copied(folder / "agents"), "ceilings": levels} | more
        if routes:
            (folder / "agents" / "routes.toml").write_text(routes)
        async with stack(client, baton.state, **options) as running:
            baton.use(running)
            baton.set(BATON_AGENTS=folder / "agents", BATON_OPENAI_BASE_URL=server.openai_url)
            yield running, server


@pytest.mark.parametrize("fault", ["authentication", *soak("permission")])
async def test_one_refused_key_in_three_runs_is_one_entry(baton: Baton, client: Client, tmp_path: Path, fault: Any) -> None:
    """In `gates`, `models` and `doctor`, each with all three; one `models close` has all of them go on, in one's own name."""
    async with served(client, baton, tmp_path) as (running, server):
        server.faults.set("test", fault)
        origin = sample(tmp_path / "sample")
        runs = [await running.deliver(origin, check="true") for _ in range(3)]
        for run in runs:
            await running.gate(run, "stuck")
        names = {run.id for run in runs}
        listed = (await baton.live("gates", "--json")).json
        (cause,) = listed["causes"]
        assert (set(cause["runs"]), len(listed["gates"])) == (names, 3)
        shown = (await baton.live("gates")).out
        assert "3 runs" in shown.splitlines()[1]
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


async def stuck_gates(running: Stack, runs: Sequence[WorkflowHandle[Any, Any]]) -> list[GateView]:
    """The open `stuck` gates of these runs and their children."""
    views = await running.ledger.read(gates.open_gates)
    return [view for view in views if view.kind == "stuck" and any(view.workflow_id.startswith(run.id) for run in runs)]


async def test_one_empty_account_met_by_children_and_another_run_is_one_entry(
    baton: Baton, client: Client, tmp_path: Path
) -> None:
    """Writers of two deliveries, and the planner of a third: one entry, one command, and all three go on by it."""
    origin, _ = change(tmp_path / "sample")
    async with served(client, baton, tmp_path, *HAPPY) as (running, server):
        runs: list[WorkflowHandle[Any, Any]] = [await running.deliver(origin, check="true") for _ in range(2)]
        views = [await running.gate(run, "plan") for run in runs]
        server.faults.set("test", "credit")
        for view in views:
            await running.decide(view)
        runs.append(await running.deliver(origin, check="true"))

        async def all_asked() -> bool | None:
            return len({view.trace for view in await stuck_gates(running, runs)}) == len(runs) or None

        await until(all_asked, "each of the three asks a person")
        listed = (await baton.live("gates", "--json")).json
        (cause,) = listed["causes"]
        assert set(cause["runs"]) == {run.id for run in runs}
        assert {one["gate"] for one in listed["gates"]} == {"write.1.fix.stuck-1", "stuck-1"}
        shown = (await baton.live("gates")).out
        assert [line.split()[:2] for line in shown.splitlines() if line.startswith("  baton ")] == [["baton", "models"]]
        server.faults.clear("test")
        command = [word for word in shlex.split(cause["command"]) if word != "why"]
        assert (command[:3], command[-1]) == (["baton", "models", "close"], "-m")
        closed = await baton.live(*command[1:], "topped up", "--by", "maria", "--json")
        assert (closed.code, set(closed.json["gates"].values())) == (0, {"confirmed"}), closed.err
        for run, gate in zip(runs, ("change-1", "change-1", "plan"), strict=True):
            await running.gate(run, gate)
            await run.cancel()
        assert (await baton.live("gates", "--json")).json["causes"] == []


async def test_two_causes_are_two_entries(baton: Baton, client: Client, tmp_path: Path) -> None:
    """Planners lack one model and writers another, of one provider: closing the one leaves the other's runs where they are."""
    one, other = (f'[{{ model = "openai:{name}", price = {PRICE} }}]' for name in ("plans", "writes"))
    classes = [f"{name} = {one}" for name in ("thinker", "planner", "router", "reviewer", "fast")]
    routes = "\n".join(["[classes]", *classes, *(f"{name} = {other}" for name in ("worker", "tester", "writer"))]) + "\n"
    async with served(client, baton, tmp_path, routes=routes) as (running, server):
        origin = sample(tmp_path / "sample")
        writing = [await running.deliver(origin, check="true") for _ in range(2)]
        views = [await running.gate(run, "plan") for run in writing]
        for name in ("plans", "writes"):
            server.faults.set(name, "not_found")
        planning = [await running.deliver(origin, check="true") for _ in range(2)]
        for view in views:
            await running.decide(view)

        async def all_asked() -> bool | None:
            return len({view.trace for view in await stuck_gates(running, [*writing, *planning])}) == 4 or None

        await until(all_asked, "each of the four asks a person")
        found = {tuple(one["names"]): set(one["runs"]) for one in (await baton.live("gates", "--json")).json["causes"]}
        assert found == {
            ("model:openai:plans",): {run.id for run in planning},
            ("model:openai:writes",): {run.id for run in writing},
        }
        waiting = [one for one in (await baton.live("doctor", "--json")).json["findings"] if one["name"] == "waiting"]
        assert len(waiting) == 2
        server.faults.clear()
        closed = await baton.live("models", "close", "model:openai:plans", "-m", "deployed", "--json")
        assert {name.split()[0] for name in closed.json["gates"]} == {run.id for run in planning}
        for run in planning:
            await running.gate(run, "plan-1")
        assert {view.workflow_id.partition(".")[0] for view in await stuck_gates(running, writing)} == {
            run.id for run in writing
        }
        models = (await baton.live("models")).out
        assert "model:openai:writes is unavailable until" in models
        assert "model:openai:plans" not in [line.split(" ")[0] for line in models.splitlines()]
        for run in (*writing, *planning):
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


async def test_closing_a_targets_breaker_has_its_actions_tried_now(baton: Baton, client: Client, tmp_path: Path) -> None:
    """A mail server that was away: its letters would be tried again in an hour, and are when its breaker is closed."""
    breakers = {"failures": 2, "cooldown": "PT1H", "longest": "PT1H"}
    async with acting(client, tmp_path, breakers=breakers) as (running, _, post):
        baton.use(running)
        post.refuses = {"MAIL": "451 later"}
        text = {"to": ["olga@example.org"], "subject": "Hello", "text": "We are closed."}
        letters = [{"event": f"hello/{number}", **text} for number in range(2)]
        runs = [
            await started(running, f"{number}", type="letter", target="post", arguments=one)
            for number, one in enumerate(letters)
        ]
        name = "target:email.send:post"

        async def both_wait() -> bool | None:
            told = [[line.did for line in await running.feed(run)] for run in runs]
            return all(any(did.startswith("waits: mail") for did in lines) for lines in told) or None

        await until(both_wait, "both letters wait for the target")
        assert [one["breaker"] for one in (await baton.live("models", "--json")).json["breakers"]] == [name]
        post.refuses = {}
        closed = await baton.live("models", "close", name, "-m", "it is back", "--json")
        assert (closed.code, set(closed.json["woken"])) == (0, {run.id for run in runs}), closed.err
        assert [(await result_of(run)).receipt.state for run in runs] == ["delivered"] * 2
        assert len(post.box) == 2


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
