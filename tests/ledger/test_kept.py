"""A ledger that an earlier release wrote: it opens, migrates, and says what it said then."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, select, text

from contracts.delivery.run import DeliveryReport
from contracts.gates import GateView
from contracts.handoff import Handoff
from ledger import actions, artifacts, feed, gates, handoffs, runs, turns
from ledger.db import Ledger
from ledger.migrate import standing, upgrade
from ledger.tables import artifact
from ledger.tables import feed as feed_table
from ledger.tables import turn as turn_table
from ledger.views.runs import recent
from tests.ledger import samples
from tests.ledger.releases import KEPT, copied, restore, to_revision

NAMES = sorted(path.name.removesuffix(".sql.gz") for path in KEPT.glob("*.sql.gz"))


@pytest.fixture(params=NAMES)
def kept(request: pytest.FixtureRequest, kind: str, empty_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """Each kept ledger on each database, as its release left it."""
    file = tmp_path / "kept.db"
    restore(request.param, file)
    opened = Ledger(f"sqlite:///{file}" if kind == "sqlite" else empty_url, tmp_path / "artifacts")
    if kind != "sqlite":
        to_revision(opened, request.param.split("-")[0])
        copied(file, opened)
    yield opened
    opened.close()


def test_there_is_a_ledger_of_the_first_schema() -> None:
    """The tests below have something to open, and it is small."""
    assert "0001-deliveries" in NAMES
    assert sum(path.stat().st_size for path in KEPT.iterdir()) < 200_000


def test_a_kept_ledger_migrates_and_keeps_its_rows(kept: Ledger) -> None:
    """It is of an older schema, becomes this release's, and no table has lost or won a row but edges, which it gets more of."""
    before = kept.read_now(counts)
    assert standing(kept).state == "older"
    upgrade(kept)
    assert standing(kept).state == "current"
    after = kept.read_now(counts)
    assert after["edge"] > before["edge"]
    assert {name: after[name] for name in before} == before | {"edge": after["edge"], "counter": before["counter"] + 2}
    assert before["turn"] > 20


def counts(connection: Connection) -> dict[str, int]:
    """Rows of each table but Alembic's own."""
    names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    return {name: connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


def test_the_chains_of_a_kept_ledger_hold(kept: Ledger) -> None:
    """Every line's hash is what this release computes, each follows the one before it, and the run's row has the last."""
    upgrade(kept)
    rows = kept.read_now(lambda connection: connection.execute(select(feed_table).order_by(feed_table.c.seq)).mappings().all())
    ends: dict[str, str] = {}
    for row in rows:
        assert row["previous_hash"] == ends.get(row["trace"], "")
        assert row["hash"] == feed.chained(row)
        ends[row["trace"]] = row["hash"]
    assert len(ends) == 2
    assert [kept.read_now(runs.find, trace).feed_hash for trace in ends] == list(ends.values())


def test_what_a_kept_ledger_holds_is_read_by_todays_contracts(kept: Ledger) -> None:
    """Runs, gates, decisions, handoffs, turns, actions and artifacts: each is read as what it is, whole."""
    upgrade(kept)
    newest = kept.read_now(recent)
    assert [(one.run.state, one.money.held) for one in newest[1:]] == [("done", 0)]
    waiting, ended = (one.run for one in newest)
    assert waiting.state == "waiting"
    assert DeliveryReport.model_validate(ended.report).state == "done"
    [open_gate] = kept.read_now(gates.open_gates)
    assert (open_gate.gate, open_gate.trace) == ("change-1", waiting.trace)
    decided = kept.read_now(gates.decisions, ended.trace)
    assert [(one["gate"], one["verb"]) for one in decided] == [
        ("plan-1", "request_changes"),
        ("plan-2", "approve"),
        ("change-1", "approve"),
    ]
    [pushed] = kept.read_now(actions.of_trace, ended.trace)
    assert (pushed.state, json.loads(pushed.receipt)["how"]) == ("delivered", "sent")
    for run in (waiting, ended):
        found = [kept.read_now(handoffs.get, row.id) for row in kept.read_now(handoffs.of_trace, run.trace)]
        assert found
        assert all(isinstance(one, Handoff) for one in found)
    heads = kept.read_now(lambda connection: connection.execute(select(turn_table.c.id)).scalars().all())
    assert all(turns.reply_of(row) for one in heads for row in kept.read_now(turns.chain, one))
    digests = kept.read_now(lambda connection: connection.execute(select(artifact.c.sha256)).scalars().all())
    assert all(kept.read_now(artifacts.get, kept.files, one) is not None for one in digests)
    assert isinstance(open_gate, GateView)


def test_a_kept_ledger_is_written_on(kept: Ledger) -> None:
    """The record goes on where it stopped: the next line has the next number, and follows the run's last."""
    upgrade(kept)
    waiting = kept.read_now(recent)[0].run
    last = kept.read_now(feed.after, 0, limit=10_000)[-1].seq
    ref = samples.ref(waiting.trace, workflow_id=waiting.workflow_id)
    kept.tx_now(feed.append, ref, [samples.note("after the upgrade")])
    [line] = kept.read_now(feed.after, last)
    assert line.seq == last + 1
    assert kept.read_now(runs.find, waiting.trace).feed_hash == kept.read_now(
        lambda connection: connection.execute(select(feed_table.c.hash).where(feed_table.c.seq == line.seq)).scalar_one()
    )


def test_a_changed_line_of_a_kept_ledger_is_seen(kept: Ledger) -> None:
    """The check of the chains can fail: one changed word breaks the hash of its line."""
    upgrade(kept)
    kept.tx_now(lambda connection: connection.execute(feed_table.update().where(feed_table.c.seq == 3).values(did="nothing")))
    row = kept.read_now(lambda connection: connection.execute(select(feed_table).where(feed_table.c.seq == 3)).mappings().one())
    assert row["hash"] != feed.chained(row)


def test_restoring_gives_an_sqlite_file(tmp_path: Path) -> None:
    """The dump is a whole database: its integrity check says ok."""
    restore("0001-deliveries", tmp_path / "one.db")
    connection = sqlite3.connect(tmp_path / "one.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
