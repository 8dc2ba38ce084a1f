"""One worker at a time looks after the ledger, and each clears its own disk."""

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update
from temporalio.client import Client

from activities.files.locks import locked
from activities.git import Mirrors
from activities.repositories.kept_environments import KeptEnvironments, used
from activities.repositories.preparing import MARKER, lock_of
from activities.repositories.workspaces import Workspaces
from activities.running.beside import beside
from activities.runs.disk import UNUSED, Disk
from activities.runs.upkeep import Upkeep
from contracts.runs import RunChange
from ledger import artifacts, feed, folding, gates, runs, turns, upkeep, workers
from ledger.db import Ledger, now_us
from ledger.tables import artifact, gate, run, worker
from ledger.tables import turn as turn_row
from ledger.tables import upkeep as lease
from ledger.workers import FORGOTTEN
from tests.ledger.samples import begin, opening, ref, turn, view
from tests.stack import sample, until

NOBODY = timedelta(0)
"""A lease that has run out as soon as it is given."""


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger, on each database."""
    opened = Ledger(request.getfixturevalue(request.param), tmp_path / "artifacts")
    yield opened
    opened.close()


def ended(connection: Connection, trace: str) -> None:
    """A run that is over."""
    runs.begin(connection, *begin(trace))
    assert runs.change(connection, ref(trace), RunChange(state="done")) is None


def leader(ledger: Ledger) -> str:
    """Who made the last round."""
    last = ledger.read_now(upkeep.last_round)
    assert last is not None
    return last.worker


async def test_of_two_workers_one_leads(ledger: Ledger) -> None:
    """The second makes no round while the first has the lease; it does as soon as the first has let go, or is gone."""
    first, second = Upkeep(ledger, "first", "test"), Upkeep(ledger, "second", "test")
    for one in (first, second, second, first):
        await one.round()
        assert leader(ledger) == "first"
    ledger.tx_now(upkeep.give_up, "second")  # not its own
    await second.round()
    assert leader(ledger) == "first"
    ledger.tx_now(upkeep.give_up, "first")
    await second.round()
    await first.round()
    assert leader(ledger) == "second"


async def test_a_worker_that_fails_lets_go_before_its_ledger_is_closed(ledger: Ledger) -> None:
    """Whatever ended the work, the lease is free at once, and nothing of upkeep is left that would use the ledger."""
    nobody = await Client.connect("localhost:1", lazy=True)  # a round that asks Temporal fails, and the next one is made

    async def leads() -> bool | None:
        held = await ledger.read(lambda connection: connection.execute(select(lease.c.worker)).scalar())
        return True if held == "fails" else None

    async def work() -> None:
        async with beside(Upkeep(ledger, "fails", "test", every=timedelta(milliseconds=10)).run(nobody)):
            await until(leads, "it leads")
            raise ValueError("what the work said")

    with pytest.raises(ValueError, match="what the work said"):
        await work()
    assert ledger.tx_now(upkeep.lead, "next")
    assert [task for task in asyncio.all_tasks() if "Upkeep" in repr(task.get_coro())] == []


async def test_a_leader_that_is_gone_is_replaced(ledger: Ledger) -> None:
    """Nobody lets go of the lease of a killed worker: it runs out."""
    killed = Upkeep(ledger, "killed", "test", lease=NOBODY)
    await killed.round()
    await Upkeep(ledger, "next", "test").round()
    assert leader(ledger) == "next"


async def test_only_the_leader_closes(ledger: Ledger) -> None:
    """A gate that was opened after its run had ended is closed once, and by the leader."""
    ledger.tx_now(ended, "trace-1")
    ledger.tx_now(gates.open_gate, opening(view()))
    first, second = Upkeep(ledger, "first", "test"), Upkeep(ledger, "second", "test")
    assert ledger.tx_now(upkeep.lead, "first")
    assert await second.round() == 0
    assert ledger.read_now(gates.open_gates)
    assert await first.round() == 1
    assert ledger.read_now(gates.open_gates) == []
    assert await first.round() == 0


async def test_the_gate_of_an_open_run_stays(ledger: Ledger) -> None:
    """Only an ended run has nobody at its gates."""
    ledger.tx_now(runs.begin, *begin())
    ledger.tx_now(gates.open_gate, opening(view()))
    assert await Upkeep(ledger, "one", "test").round() == 0
    assert ledger.read_now(lambda connection: connection.execute(select(gate.c.state)).scalar_one()) == "open"


async def test_workers_of_days_ago_are_forgotten(ledger: Ledger) -> None:
    """Their rows go with a line on the feed; one that was heard of since then stays."""
    old = now_us() - (FORGOTTEN + timedelta(minutes=1)) // timedelta(microseconds=1)
    ledger.tx_now(workers.beat, "yesterday's", "test")
    ledger.tx_now(lambda connection: connection.execute(update(worker).values(seen_at=old)).rowcount)
    ledger.tx_now(workers.beat, "today's", "test")
    assert await Upkeep(ledger, "one", "test").round() == 1
    left = ledger.read_now(lambda connection: list(connection.execute(select(worker.c.id)).scalars()))
    assert sorted(left) == ["one", "today's"]
    assert [line.did for line in ledger.read_now(feed.after)] == ["removed the records of 1 worker: yesterday's"]


async def test_old_runs_lose_their_conversations_where_that_is_set(ledger: Ledger) -> None:
    """Never without keep_days; with it once a run is that old, with a line that doctor shows, beside a run that goes on."""
    old = now_us() - timedelta(days=31) // timedelta(microseconds=1)
    for trace in ("old", "young"):
        ledger.tx_now(ended, trace)
        ledger.tx_now(turns.insert, turn(1, trace=trace))
    ledger.tx_now(runs.begin, *begin("open"))
    ledger.tx_now(lambda connection: connection.execute(update(run).where(run.c.trace == "old").values(ended_at=old)).rowcount)
    assert await Upkeep(ledger, "one", "test").round() == 0
    keeping = Upkeep(ledger, "one", "test", keep_days=30)
    assert [await keeping.round(), await keeping.round()] == [1, 0]
    replies = ledger.read_now(lambda connection: dict(connection.execute(select(turn_row.c.trace, turn_row.c.reply)).all()))
    assert (replies["old"], bool(replies["young"])) == ("", True)
    act = ledger.read_now(upkeep.last_act)
    assert act is not None
    assert act.did.startswith("removed the conversations and files of 1 run")
    assert act.did.endswith(": delivery-old")


async def test_files_that_cannot_be_removed_hold_up_nothing_else(ledger: Ledger, tmp_path: Path) -> None:
    """The round is made and says what it could not do; once it can, the run is trimmed."""
    old = now_us() - timedelta(days=31) // timedelta(microseconds=1)
    ledger.tx_now(ended, "old")

    def large(connection: Connection) -> str:
        digest = artifacts.put(connection, ledger.files, b"x" * (artifacts.IN_ROW + 1)).digest
        artifacts.note_seen(connection, "old", "plan", digest, "a file", untrusted=True)
        connection.execute(update(artifact).values(at=old))
        connection.execute(update(run).values(ended_at=old))
        return digest

    file = artifacts.location(ledger.files, ledger.tx_now(large))
    file.unlink()
    file.mkdir()  # what a file system answers that refuses, for root as well
    keeping = Upkeep(ledger, "one", "test", keep_days=30)
    assert await keeping.round() == 0
    last = ledger.read_now(upkeep.last_round)
    assert last is not None
    assert "old conversations and files could not be removed: the ledger's artifact folder" in last.problem
    file.rmdir()
    assert await keeping.round() == 1
    assert (last := ledger.read_now(upkeep.last_round)) is not None
    assert last.problem == ""


async def test_the_disk_loses_what_only_ended_runs_had(ledger: Ledger, tmp_path: Path) -> None:
    """Workspaces of ended runs go, except one that is held; those of open runs, and of runs that this ledger lacks, stay."""
    mirrors = Mirrors(tmp_path / "mirrors")
    workspaces = Workspaces(tmp_path / "workspaces", mirrors)
    ledger.tx_now(ended, "trace-1")
    ledger.tx_now(runs.begin, *begin("trace-2"))
    names = ("trace-1/write", "trace-1/held", "trace-2/write", "trace-3/write")
    for name in names:
        (tmp_path / "workspaces" / "files" / name.replace("/", "~")).mkdir(parents=True)
    one = Upkeep(ledger, "one", "test", Disk(workspaces, mirrors))
    with workspaces.lease("trace-1/held"):
        await one.round()
        assert workspaces.traces() == {"trace-1", "trace-2", "trace-3"}
    await one.round()
    assert workspaces.traces() == {"trace-2", "trace-3"}


async def test_a_mirror_that_nobody_uses_is_removed(ledger: Ledger, tmp_path: Path) -> None:
    """An old one goes, with a line; one that was opened lately, and one that an open run names, stay."""
    mirrors = Mirrors(tmp_path / "mirrors")
    origins = {name: sample(tmp_path / name) for name in ("old", "fresh", "waiting")}
    for origin in origins.values():
        mirrors.open(str(origin)).fetch()
    long_ago = time.time() - UNUSED.total_seconds() - 60
    for name in ("old", "waiting"):
        [folder] = mirrors.folders([str(origins[name])])
        os.utime(tmp_path / "mirrors" / folder / "ready", (long_ago, long_ago))
    ledger.tx_now(runs.begin, *begin("trace-1", input={"repository": str(origins["waiting"])}))
    one = Upkeep(ledger, "one", "test", Disk(Workspaces(tmp_path / "workspaces", mirrors), mirrors))
    await one.round()
    left = {path.name for path in (tmp_path / "mirrors").iterdir() if path.is_dir()}
    assert left == mirrors.folders([str(origins["fresh"]), str(origins["waiting"])])
    [line] = ledger.read_now(feed.after)
    assert line.did.startswith("removed the mirror ")
    assert mirrors.open(str(origins["old"])).fetch().commit  # and comes back when it is wanted


async def test_an_environment_that_no_check_uses_is_removed(ledger: Ledger, tmp_path: Path) -> None:
    """Old ones go, finished or not, with a line; what was used lately, is made just now, or an open run may want, stays."""
    root = tmp_path / "environments"
    stores = KeptEnvironments(root)
    long_ago = time.time() - UNUSED.total_seconds() - 60
    names = [f"{stem}-{number:012x}" for number, stem in enumerate(("old", "begun", "fresh", "held", "waiting", "named"))]
    for name in names:
        (root / name / "bin").mkdir(parents=True)
        if not name.startswith("begun"):
            (root / name / MARKER).write_text("{}")
            os.utime(root / name / MARKER, (long_ago, long_ago))
        os.utime(root / name, (long_ago, long_ago))
    (root / names[0] / "bin" / "python").symlink_to("/usr/bin/python3")
    (root / names[0] / "bin").chmod(0o500)
    asked = {"repository": "https://example.org/team/waiting.git", "environment": f"{root / names[5]}/"}
    ledger.tx_now(runs.begin, *begin("trace-1", input=asked))
    mirrors = Mirrors(tmp_path / "mirrors")
    one = Upkeep(ledger, "one", "test", Disk(Workspaces(tmp_path / "workspaces", mirrors), mirrors, stores))
    used(root / names[2])
    with locked(lock_of(root / names[3]), timedelta(0), "held"):
        await one.round()
    assert {path.name for path in root.iterdir() if path.is_dir()} == set(names[2:])
    said = [line.did for line in ledger.read_now(feed.after)]
    assert said == [f"removed the environment {name}, 0 MiB" for name in sorted(names[:2])]
    await one.round()
    assert {path.name for path in root.iterdir() if path.is_dir()} == {names[2], *names[4:]}


def test_a_check_that_begins_keeps_its_environment(tmp_path: Path) -> None:
    """Whoever removes it sees the use first or is done before: nothing is taken away from under a check."""
    environment, long_ago = tmp_path / "shop-000000000000", time.time() - UNUSED.total_seconds() - 60
    environment.mkdir()
    (environment / MARKER).write_text("{}")
    os.utime(environment / MARKER, (long_ago, long_ago))
    store = KeptEnvironments(tmp_path)
    assert store.unused(UNUSED) == [environment.name]
    used(environment)  # after the list was made, and before anything is removed
    assert store.remove(environment.name, UNUSED) is None
    assert environment.is_dir()
    os.utime(environment / MARKER, (long_ago, long_ago))
    assert store.remove(environment.name, UNUSED) is not None
    used(environment)  # gone: the check says so itself
    assert not environment.exists()
    (tmp_path / ".gone-left").mkdir()
    assert store.unused(UNUSED) == []


def test_folders_that_baton_did_not_make_are_not_marked(tmp_path: Path) -> None:
    """A venv of somebody's own is only read: nothing is written into it or beside it."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    used(tmp_path / "venv")
    used(tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bin", "venv"]


async def test_a_round_keeps_the_figures_of_what_is_quiet(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that have ended are kept, and a run that goes on is not; a round has an end, and the next one goes on from there."""
    for nth in range(5):
        ledger.tx_now(turns.insert, turn(1, trace=f"ended-{nth}"))
        ledger.tx_now(ended, f"ended-{nth}")
    ledger.tx_now(runs.begin, *begin("goes-on"))
    monkeypatch.setattr(folding, "ROUND", 1)
    monkeypatch.setattr(folding, "AT_ONCE", 1)
    rounds = Upkeep(ledger, "worker", "test")
    await rounds.round()
    assert len(ledger.read_now(folding.changed, "", 10)) == 4
    monkeypatch.setattr(folding, "ROUND", 100)
    await rounds.round()
    assert ledger.read_now(folding.changed, "", 10) == []
    assert ledger.read_now(folding.compare)[1:] == ([], 5, 1)
