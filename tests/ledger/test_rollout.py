"""Releases beside each other: a newer schema under an older worker, a migration that dies, a ledger that is only half there."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, inspect, text

from contracts.errors import LedgerUnavailable, Misconfigured
from ledger import feed, migrate, runs
from ledger.db import Ledger
from ledger.migrate import Standing, standing, upgrade
from tests import forks
from tests.children import PATIENCE
from tests.ledger import samples
from tests.ledger.releases import config, newer_release, to_revision


@pytest.fixture
def own(empty_url: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger without tables, on a database that no other test uses."""
    opened = Ledger(empty_url, tmp_path)
    yield opened
    opened.close()


def test_an_older_release_works_on_a_schema_that_allows_it(own: Ledger) -> None:
    """Beside newer workers an older one starts and works; it migrates nothing, and what it does not know stays as it is."""
    upgrade(own)
    own.tx_now(newer_release, "0001")
    upgrade(own)
    assert standing(own) == Standing("9999", standing(own).head, "newer")
    own.tx_now(runs.begin, *samples.begin())
    own.tx_now(feed.append, samples.ref(), [samples.note("a")])
    assert own.read_now(runs.find, "trace-1").state == "admitted"
    assert own.read_now(lambda connection: connection.execute(text("SELECT tenant FROM run")).scalar()) == "none"


def test_an_older_release_refuses_a_schema_that_it_cannot_use(own: Ledger) -> None:
    """The message names both revisions and the two ways out, and nothing is touched."""
    upgrade(own)
    own.tx_now(newer_release, "9999")
    head = ScriptDirectory.from_config(migrate._config()).get_current_head()
    with pytest.raises(Misconfigured, match=rf"schema is 9999.*knows {head} .*Start that release.*backup"):
        upgrade(own)
    assert standing(own).state == "too_new"


def test_a_newer_schema_that_says_nothing_is_refused(own: Ledger) -> None:
    """A revision that nobody here knows, without a word on who may use it: not guessed at."""
    upgrade(own)
    own.tx_now(newer_release, "0001")
    own.tx_now(lambda connection: connection.execute(text("DROP TABLE compatibility")))
    with pytest.raises(Misconfigured, match=r"schema is 9999"):
        upgrade(own)


def test_going_back_is_refused_with_what_to_do(own: Ledger) -> None:
    """Alembic's own downgrade does nothing to our tables: it names the backup and the release."""
    upgrade(own)
    with pytest.raises(Misconfigured, match=r"only moves forward.*backup"), own.engine.begin() as connection:
        command.downgrade(config(connection), "base")
    assert standing(own).state == "current"


def test_a_ledger_restored_in_part_is_named(own: Ledger) -> None:
    """The revision is there and a table is not: no worker starts on it, and the message says which and what to do."""
    upgrade(own)
    own.tx_now(lambda connection: connection.execute(text("DROP TABLE edge")))
    with pytest.raises(Misconfigured, match=r"no table edge: .*Restore all of it"):
        upgrade(own)


def test_tables_without_a_revision_are_not_migrated_over(own: Ledger) -> None:
    """A database with tables of our names and no revision stays as it is, and the message asks how it came to be."""
    own.tx_now(lambda connection: connection.execute(text("CREATE TABLE run (mine INTEGER)")))
    with pytest.raises(Misconfigured, match=r"could not be migrated from nothing to .* as it was.*restored in part"):
        upgrade(own)
    assert own.read_now(lambda connection: inspect(connection).get_table_names()) == ["run"]


def die_migrating(url: str, files: Path, table: str) -> None:
    """Migrate in a process of its own that is killed by force when it is about to make this table."""
    ledger = Ledger(url, files)

    @event.listens_for(ledger.engine, "before_cursor_execute")
    def _kill(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.strip().startswith((f"CREATE TABLE {table}", f'CREATE TABLE "{table}"')):
            os.kill(os.getpid(), signal.SIGKILL)

    upgrade(ledger)


@pytest.mark.parametrize(("at", "table"), [(None, "gate"), ("0001", "compatibility")])
def test_a_migration_that_is_killed_leaves_nothing_and_is_done_again(
    own: Ledger, tmp_path: Path, at: str | None, table: str
) -> None:
    """SIGKILL in the middle, of the first migration or of a later one: the ledger is as before, and the next start migrates."""
    if at is not None:
        to_revision(own, at)
    before = own.read_now(shapes).keys()
    process = forks.crowd().Process(daemon=True, target=die_migrating, args=(own.url, tmp_path, table))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    assert own.read_now(shapes).keys() == before
    assert standing(own).at == at
    upgrade(own)
    assert standing(own).state == "current"


def test_a_full_disk_ends_a_migration_with_its_reason(tmp_path: Path) -> None:
    """No room for the tables: the reason and what to do, nothing half made; with room it goes on."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'small.db'}", tmp_path)
    pages = [20]

    @event.listens_for(ledger.engine, "connect")
    def _small(connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[0]}")  # type: ignore[attr-defined]

    with pytest.raises(LedgerUnavailable, match=r"full; make room"):
        upgrade(ledger)
    assert standing(ledger).state == "empty"
    pages[0] = 1000
    ledger.engine.dispose()
    upgrade(ledger)
    assert standing(ledger).state == "current"
    ledger.close()


@dataclass
class Shape:
    """A table as an older release sees it: its columns, and the indexes that refuse equal rows."""

    columns: dict[str, Any]
    unique: set[str]


def shapes(connection: Connection) -> dict[str, Shape]:
    """All tables that there are."""
    looks = inspect(connection)
    indexes = looks.get_multi_indexes()
    return {
        key[1]: Shape({one["name"]: one for one in columns}, {str(one["name"]) for one in indexes[key] if one["unique"]})
        for key, columns in looks.get_multi_columns().items()
    }


def takes_away(before: dict[str, Shape], after: dict[str, Shape]) -> list[str]:
    """What an older release would miss, or trip over, after a migration."""
    found = [f"table {table} is gone" for table in before.keys() - after.keys()]
    for table in before.keys() & after.keys():
        old, new = before[table].columns, after[table].columns
        found += [f"{table}.{name} is gone" for name in old.keys() - new.keys()]
        both = old.keys() & new.keys()
        found += [f"{table}.{name} has another type" for name in both if str(old[name]["type"]) != str(new[name]["type"])]
        added = [new[name] for name in new.keys() - old.keys()]
        needed = [one["name"] for one in added if not one["nullable"] and one["default"] is None]
        found += [f"{table}.{name} is needed and has no default" for name in needed]
        found += [f"{name} refuses what was allowed" for name in after[table].unique - before[table].unique]
    return sorted(found)


def test_a_migration_only_adds_or_says_who_it_leaves_behind(own: Ledger) -> None:
    """Each migration, one after the other: where it takes something away, it has raised the oldest schema that may be used."""
    scripts = [one.revision for one in reversed(list(ScriptDirectory.from_config(migrate._config()).walk_revisions()))]
    assert scripts == list(migrate.revisions())  # which are known by the names of their files
    assert {len(one) for one in scripts} == {4}
    to_revision(own, scripts[0])
    for revision in scripts[1:]:
        was = own.read_now(shapes)
        to_revision(own, revision)
        lost = takes_away(was, own.read_now(shapes))
        assert not lost or own.read_now(oldest) == revision, f"{revision}: {lost}"


def oldest(connection: Connection) -> str:
    """The oldest schema whose release may use this ledger."""
    return str(connection.execute(text("SELECT oldest FROM compatibility")).scalar_one())


def test_what_a_migration_takes_away_is_seen(own: Ledger) -> None:
    """The rule above can fail: each of these would stop an older worker, and is named."""
    upgrade(own)
    was = own.read_now(shapes)

    def damage(connection: Connection) -> None:
        for statement in (
            "DROP TABLE counter",
            "CREATE TABLE counter (name TEXT PRIMARY KEY, kind TEXT NOT NULL)",
            "DROP TABLE edge",
            "CREATE UNIQUE INDEX uq_turn_task ON turn (task)",
        ):
            connection.execute(text(statement))

    own.tx_now(damage)
    assert takes_away(was, own.read_now(shapes)) == [
        "counter.kind is needed and has no default",
        "counter.value is gone",
        "table edge is gone",
        "uq_turn_task refuses what was allowed",
    ]


def test_the_ledger_says_itself_who_may_use_it(own: Ledger) -> None:
    """The row that older releases read is there, and names a revision that there is."""
    upgrade(own)
    revisions = {one.revision for one in ScriptDirectory.from_config(migrate._config()).walk_revisions()}
    assert own.read_now(oldest) in revisions
