"""What a process knows of its own words: only what is committed, for a while, and not of another database."""

import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from contracts.errors import NotFound
from ledger import artifacts, handoffs, recent, runs
from ledger.db import Ledger
from ledger.tables import artifact, handoff, run
from tests.ledger import samples
from tests.ledger.traced import traced


def bytes_there(ledger: Ledger, digest: str) -> bool:
    """Whether the database itself has these bytes."""
    try:
        return bool(ledger.read_now(artifacts.get, ledger.files, digest))
    except NotFound:
        return False


def test_what_was_rolled_back_is_not_known(ledger: Ledger) -> None:
    """Bytes of a transaction that failed are stored by the next one."""

    def fails(connection: Connection) -> None:
        artifacts.put(connection, ledger.files, b"words")
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        ledger.tx_now(fails)
    kept = ledger.tx_now(artifacts.put, ledger.files, b"words")
    assert bytes_there(ledger, kept.digest)


def test_what_is_known_is_not_stored_again_until_it_is_too_long_ago(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time nothing is written, whatever became of the row; after it everything is as if it was never known."""
    kept = ledger.tx_now(artifacts.put, ledger.files, b"words")
    ledger.tx_now(lambda connection: connection.execute(delete(artifact)))
    assert ledger.tx_now(artifacts.put, ledger.files, b"words") == kept
    assert not bytes_there(ledger, kept.digest)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + recent.KNOWN + 1)
    assert ledger.tx_now(artifacts.put, ledger.files, b"words") == kept
    assert bytes_there(ledger, kept.digest)


def test_a_new_connection_may_lead_to_another_database(ledger: Ledger) -> None:
    """A restored database is reached by new connections: what was known of the former one is stored again."""
    kept = ledger.tx_now(artifacts.put, ledger.files, b"words")
    ledger.tx_now(lambda connection: connection.execute(delete(artifact)))
    ledger.engine.dispose()
    ledger.tx_now(artifacts.put, ledger.files, b"words")
    assert bytes_there(ledger, kept.digest)


def test_another_process_knows_nothing_of_it(ledger: Ledger, url: str, tmp_path: Path) -> None:
    """What one has stored the other reads, and finds removed where it was removed."""
    id = ledger.tx_now(traced, ledger, "trace-1", "cents")
    other = Ledger(url, tmp_path / "artifacts")
    try:
        assert other.read_now(handoffs.get, id) == ledger.read_now(handoffs.get, id)
        ledger.tx_now(lambda connection: connection.execute(delete(handoff)))
        with pytest.raises(NotFound):
            other.read_now(handoffs.get, id)
    finally:
        other.close()


def test_of_two_handoffs_with_one_id_the_stored_one_is_known(ledger: Ledger) -> None:
    """A second attempt that makes the same body with other words around it does not replace the first, here as in the table."""
    id = ledger.tx_now(traced, ledger, "trace-1", "cents")
    recent.forget(ledger.engine)
    ledger.tx_now(traced, ledger, "trace-1", "cents")
    assert recent.of(ledger.engine, "handoff", id) is None
    assert ledger.read_now(handoffs.get, id).id == id


def test_no_more_is_known_than_has_room(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is forgotten at once where it would be too much."""
    monkeypatch.setattr(recent, "MOST", 3)
    digests = [ledger.tx_now(artifacts.put, ledger.files, f"{number}".encode()).digest for number in range(4)]
    known = [recent.of(ledger.engine, "artifact", one) is not None for one in digests]
    assert known == [False, False, False, True]


def test_a_pin_is_read_from_the_row(ledger: Ledger) -> None:
    """An approval is checked against what the row has: pins are not taken from what this process remembers."""
    asked, began = samples.begin("trace-1")
    ledger.tx_now(runs.begin, asked, began)
    assert recent.of(ledger.engine, runs.BEGUN, "trace-1") == began
    changed = began.model_copy(update={"owner": "nobody"})
    ledger.tx_now(
        lambda connection: connection.execute(update(run).values(pins=changed.model_dump_json(exclude_defaults=True)))
    )
    found = ledger.read_now(runs.find_pins, "trace-1")
    assert found is not None
    assert found.owner == "nobody"
