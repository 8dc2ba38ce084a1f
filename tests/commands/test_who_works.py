"""Who works is what the ledger hears: a killed worker is missed, the others say with what they were started, and where."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import Client

import config
from activities.sandbox import find_bubblewrap
from ledger.db import Ledger
from ledger.tables import scope, worker
from ledger.views.workers import Workers, workers_of
from ledger.workers import ANSWERS, BEAT
from task_queues import pollers
from tests import ports, processes, scripts
from tests.commands.conftest import CONVERSATIONS, Baton, Ran, Serve, asking
from tests.depth import soak
from tests.ledger.conftest import empty_url
from tests.paid import copied
from tests.stack import until
from tests.wire.server import WireServer

__all__ = ["empty_url"]

SECRET = "sk-not-for-any-row"


@pytest.fixture(params=["sqlite", *soak("postgresql")])
def kind(request: pytest.FixtureRequest) -> str:
    """The ledger's database, which `empty_url` is of."""
    return str(request.param)


@contextmanager
def process(
    baton: Baton, client: Client, folder: Path, *, within: Sequence[str] = (), **settings: Any
) -> Iterator[processes.Worker]:
    """`python worker.py` with a task queue of its own, and a command line that talks to the same server and ledger."""
    queue = f"baton-{secrets.token_hex(4)}"
    values = {"state": baton.state, "task_queue": queue} | settings
    if "model" not in values and "openai_base_url" not in values:
        values |= {"model": "scripted:test", "script": scripts.save(folder / "script.yaml", *CONVERSATIONS)}
    address = client.service_client.config.target_host
    baton.set(TEMPORAL_ADDRESS=address, BATON_TASK_QUEUE=queue)
    if "ledger_url" in settings:
        baton.set(BATON_LEDGER_URL=settings["ledger_url"])
    with processes.Worker(client, config.Settings(**values), folder / "worker.log", within) as running:
        yield running


@asynccontextmanager
async def opened(baton: Baton, url: str = "") -> AsyncIterator[Ledger]:
    """The worker's ledger, once its worker is heard of."""
    ledger = Ledger(url or f"sqlite:///{baton.state / 'ledger.db'}", baton.state / "artifacts")
    try:
        yield ledger
    finally:
        ledger.close()


async def heard(baton: Baton, running: processes.Worker) -> None:
    """Wait until the worker is ready."""

    async def ready() -> bool | None:
        return True if b"worker_ready" in running.log.read_bytes() else None

    await until(ready, f"{running.log} says that the worker is ready")


def test_two_missed_heartbeats_are_within_the_promised_time() -> None:
    """A worker is missed after 15 s, which leaves room for two heartbeats that come late."""
    assert timedelta(seconds=15) >= ANSWERS > 2 * BEAT


async def test_a_killed_worker_is_missed_by_every_command(
    baton: Baton, client: Client, origin: Path, tmp_path: Path, kind: str, empty_url: str
) -> None:
    """After kill -9 Temporal still lists its polls; runs, show, gates, deliver, cancel and doctor know better."""
    url = {} if kind == "sqlite" else {"ledger_url": empty_url}
    with process(baton, client, tmp_path, **url) as running:
        await heard(baton, running)
        started = await baton.live(*asking(origin, "--wait-for-gate", "--json"))
        assert (started.code, started.json["gates"]) == (4, ["plan-1"])
        run = started.json["run"]
        assert (await baton.live("runs", "--json")).json["workers"]["problem"] == ""
        assert "no worker" not in (await baton.live("gates")).err
        place = (await baton.live("show", run, "--json")).json["workers"]["working"]
        assert [one.rpartition(":")[2] for one in place] == [str(running.pid)]
        running.kill()

        async def missed() -> str | None:
            return (await baton.live("runs", "--json")).json["workers"]["problem"] or None

        problem = await until(missed, "the killed worker is missed", every=1.0)
        queue = running.settings.task_queue
        assert problem.startswith(f"no worker answers on task queue {queue!r}: {place[0]} was heard of last ")
        assert await pollers(client, queue), "Temporal does not list it any more, so this test proves nothing"
        for command in (("runs",), ("show", run), ("gates",)):
            ran = await baton.live(*command)
            assert (ran.code, f"warning: no worker answers on task queue {queue!r}" in ran.err) == (0, True), command
        assert (await baton.live(*asking(origin))).code == 0
        waiting = await baton.live(*asking(origin, "--wait"))
        assert (waiting.code, "Start one: `baton up`" in waiting.err) == (7, True)
        paused = await baton.live("pause", run, "--timeout", "0.5")
        assert (paused.code, "nobody carries it out" in paused.err) == (7, True)
        cancelled = await baton.live("cancel", run, "--timeout", "0.5")
        assert (cancelled.code, place[0] in cancelled.err) == (7, True)
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert (found["workers"]["level"], place[0] in found["workers"]["text"]) == ("fail", True)


async def test_a_frozen_worker_is_missed_and_counts_again_when_it_thaws(
    baton: Baton, client: Client, origin: Path, tmp_path: Path
) -> None:
    """Its machine is suspended: it is missed as a dead one is, with all its connections; thawed, it does its work."""
    with process(baton, client, tmp_path) as running:
        await heard(baton, running)
        run = (await baton.live(*asking(origin, "--wait-for-gate", "--json"))).json["run"]

        async def problem() -> str:
            return str((await baton.live("runs", "--json")).json["workers"]["problem"])

        os.kill(running.pid, signal.SIGSTOP)
        try:

            async def missed() -> str | None:
                return await problem() or None

            assert f":{running.pid} was heard of last" in await until(missed, "the frozen worker is missed", every=1.0)
            cancelled = await baton.live("cancel", run, "--timeout", "0.5")
            assert (cancelled.code, f":{running.pid}" in cancelled.err) == (7, True), cancelled.err
            assert (await baton.live(*asking(origin, "--wait"))).code == 7
        finally:
            os.kill(running.pid, signal.SIGCONT)

        async def there() -> bool | None:
            return True if not await problem() else None

        await until(there, "it is heard again")
        ended = await baton.live("result", run, "--wait", "--json")
        assert ended.json["report"]["state"] == "cancelled", "what was sent meanwhile takes effect"


async def test_a_worker_that_was_stopped_counts_as_gone_at_once(baton: Baton, client: Client, tmp_path: Path) -> None:
    """SIGTERM: its end is on its row, so that nobody has to wait until it is missed."""
    with process(baton, client, tmp_path) as running:
        await heard(baton, running)
        queue = running.settings.task_queue
    async with opened(baton) as ledger:
        there: Workers = await ledger.read(workers_of, queue)
    assert (there.working, "stopped" in there.problem) == ((), True)
    assert there.last is not None
    assert there.last.silent < ANSWERS, "it would have been missed by now anyway: this machine is too slow to tell"


async def test_settings_that_the_worker_does_not_have_are_named(baton: Baton, serve: Serve, origin: Path) -> None:
    """A model, a key, an author: set after the worker was started, each command that speaks for it names them, and no value."""
    async with serve(model="") as running:
        baton.set(BATON_MODEL="openai:of-our-own", BATON_MODEL_FREE="true", OPENAI_API_KEY=SECRET)
        names = "BATON_MODEL, BATON_MODEL_FREE, OPENAI_API_KEY; restart it"
        refused = await baton.live(*asking(origin))
        assert refused.code == 2
        assert "no model is configured for planner" in refused.err
        assert f"was started with other settings: {names}" in refused.err
        assert names in (await baton.live("models", "--json")).json["warning"]
        found = {one["name"]: one for one in (await baton.live("doctor", "--json", "--offline")).json["findings"]}
        assert (found["worker settings"]["level"], names in found["worker settings"]["text"]) == ("warn", True)
        rows = await running.ledger.read(lambda connection: connection.execute(select(worker)).mappings().all())
        assert SECRET not in str([dict(row) for row in rows])


def test_up_names_what_its_running_worker_does_not_have(baton: Baton) -> None:
    """`up` again with the same settings says nothing; with another model's it says that the worker has other ones."""
    where = ports.reserved(), ports.reserved()
    command = ("up", "--port", str(where[0]), "--ui-port", str(where[1]), "--json")
    try:
        free = {"BATON_MODEL_FREE": "true", "BATON_OPENAI_BASE_URL": "http://127.0.0.1:1"}
        first = baton.process(*command, BATON_MODEL="openai:of-our-own", **free)
        assert (first.code, _others(first)) == (0, [])
        same = baton.process(*command, BATON_MODEL="openai:of-our-own", **free)
        assert (same.code, _others(same)) == (0, [])
        other = {"BATON_MODEL": "openai:another", "BATON_MODEL_FREE": "true", "BATON_OPENAI_BASE_URL": "http://127.0.0.1:2"}
        again = baton.process(*command, **other)
        assert again.code == 0
        assert ["other settings: BATON_MODEL, BATON_OPENAI_BASE_URL; restart it" in one for one in _others(again)] == [True]
    finally:
        baton.process("down")


def _others(ran: Ran) -> list[str]:
    return [note for note in ran.json["notes"] if "other settings" in note]


async def test_a_table_and_an_edited_file_are_compared_too(baton: Baton, serve: Serve, tmp_path: Path) -> None:
    """One key of a table, and a file of agents that was edited since the worker started: both named, nothing else."""
    agents = copied(tmp_path / "agents")
    levels = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000}
    async with serve(agents=agents, ceilings=levels) as running:
        script = running.settings.script
        baton.set(BATON_AGENTS=agents, BATON_SCRIPT=script, BATON_MODEL="scripted:test")
        baton.set(BATON_CEILINGS__RUN_USD="20", BATON_CEILINGS__AGENT_DAY_USD="100", BATON_CEILINGS__MONTH_USD="1000")
        # What stays of the shipped table is the same on both sides only if the worker has it, too.
        same = (await baton.live("models", "--json")).json["warning"]
        assert "BATON_AGENTS" not in same
        assert "BATON_MODEL" not in same
        (agents / "routes.toml").write_text((agents / "routes.toml").read_text() + "\n# edited\n")
        baton.set(BATON_PUSH_TRAILERS="false")
        said = (await baton.live("models", "--json")).json["warning"]
        assert "BATON_AGENTS" in said
        assert "BATON_PUSH_TRAILERS" in said


async def test_a_machine_that_only_sends_commands_is_not_told_to_have_keys(baton: Baton, serve: Serve) -> None:
    """The worker has a model and an endpoint, this shell has nothing: that is as it should be."""
    async with serve(openai_base_url="http://127.0.0.1:1/v1"):
        assert (await baton.live("models", "--json")).json["warning"] == ""
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert found["worker settings"]["level"] == "ok"


LATE = timedelta(days=40)
SHIFTED = """
import datetime, time
real, real_ns, real_time = datetime.datetime, time.time_ns, time.time
class Shifted(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(days=40)
datetime.datetime = Shifted
time.time_ns = lambda: real_ns() + 40 * 86_400 * 10**9
time.time = lambda: real_time() + 40 * 86_400
"""
"""For a Python that starts with it, it is 40 days later than for everybody else."""


async def test_a_worker_with_a_wrong_clock_counts_money_for_temporals_month(
    baton: Baton, client: Client, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is 40 days ahead: day and month of its calls are the server's, and doctor says how far off it is."""
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "sitecustomize.py").write_text(SHIFTED)
    before = datetime.now(UTC)
    levels = {"run_usd": 20, "agent_day_usd": 100, "month_usd": 1000}

    async def told() -> dict[str, Any] | None:
        findings = (await baton.live("doctor", "--json")).json["findings"]
        return next((one for one in findings if one["name"] == "worker clock"), None)

    async def begun() -> Ran | None:
        ran = await baton.live(*asking(origin, "--wait-for-gate", "--json"))
        return None if ran.code == 2 and "a run would be recorded in either" in ran.json["error"]["text"] else ran

    async with WireServer(script=scripts.save(tmp_path / "wire.yaml", *CONVERSATIONS)) as server:
        with monkeypatch.context() as patch:
            patch.setenv("PYTHONPATH", str(tmp_path / "late"))
            settings = {"openai_base_url": server.openai_url, "agents": copied(tmp_path / "agents"), "ceilings": levels}
            # Started and not forked: what sets its clock is read at Python's start.
            starting = process(baton, client, tmp_path, within=("env",), **settings)
            running = starting.__enter__()
        try:
            await heard(baton, running)
            # Its first heartbeat is by its own clock: until the next one it is a stranger, and no run is started.
            found = await until(told, "doctor says how far off its clock is")
            started = await until(begun, "the run was started: a refused start begins nothing")
            assert (started.code, started.json.get("gates")) == (4, ["plan-1"]), started.json
        finally:
            starting.__exit__(None, None, None)
    async with opened(baton) as ledger:
        ids = await ledger.read(lambda connection: connection.execute(select(scope.c.id)).scalars().all())
    days = {f"{when:%Y-%m-%d}" for when in (before, datetime.now(UTC))}
    assert {one for one in ids if one.startswith("month:")} <= {f"month:{day[:7]}" for day in days}
    assert {one.rpartition(":")[2] for one in ids if one.startswith("agent:planner:")} <= days
    assert any(one.startswith("month:") for one in ids)
    assert found["level"] == "warn"
    assert "s ahead of Temporal's" in found["text"]
    assert "does not say what time it is" not in running.log.read_text(), "its first poll told the time"


async def test_a_machine_without_namespaces_is_told_before_anything_is_paid(
    baton: Baton, client: Client, origin: Path, tmp_path: Path
) -> None:
    """No user namespaces can be made: on the worker's row, in doctor and at the start; the run asks before a model is."""
    bubblewrap = find_bubblewrap()
    inside = [str(bubblewrap), "--die-with-parent", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns"]
    with process(baton, client, tmp_path, within=inside) as running:
        await heard(baton, running)
        command = ("deliver", "-r", str(origin), "-i", "Say it clearer", "--check", "true", "--wait-for-gate", "--json")
        started = await baton.live(*command)
        assert (started.code, started.json["gates"]) == (4, ["stuck-1"])
        assert "bubblewrap could not make a sandbox" in started.json["warning"]
        assert "unprivileged user namespaces" in started.json["warning"]
        shown = (await baton.live("show", started.json["run"], "--json")).json
        assert (shown["calls"], shown["spent_micros"]) == (0, 0)
        assert "bubblewrap could not make a sandbox" in str(shown["gates"])
        found = {one["name"]: one for one in (await baton.live("doctor", "--json")).json["findings"]}
        assert found["worker machine"]["level"] == "fail"
        await baton.live("cancel", started.json["run"])


async def test_a_machine_with_an_old_git_starts_no_worker(baton: Baton, client: Client, tmp_path: Path) -> None:
    """git 2.30 cannot merge what writers did: said when the worker starts, and not after they are paid."""
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{old.parent}:{config.os.environ['PATH']}")
        with process(baton, client, tmp_path) as running:
            ended = await asyncio.to_thread(running.ended)
    assert ended == 2
    assert "git 2.38 or newer is needed" in running.log.read_text()
