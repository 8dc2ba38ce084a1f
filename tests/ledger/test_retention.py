"""Runs that ended long ago lose their conversations and the files that only they used. What happened stays on record."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from contracts.errors import NotFound
from contracts.runs import RunChange
from ledger import actions, artifacts, feed, gates, recent, retention, runs, turns
from ledger.db import Ledger, now_us
from ledger.tables import artifact, run
from tests.ledger.samples import begin, intent, note, opening, ref, result, turn, view

KEEP = timedelta(days=30)
DAY = 86_400_000_000


def ended(connection: Connection, trace: str, days: int) -> None:
    """A run that began and ended so many days ago."""
    runs.begin(connection, *begin(trace))
    assert runs.change(connection, ref(trace), RunChange(state="done")) is None
    connection.execute(update(run).where(run.c.trace == trace).values(ended_at=now_us() - days * DAY))


def keep(ledger: Ledger, data: bytes, *traces: str, days: int = 90) -> str:
    """Store bytes as these runs did so many days ago. Returns their digest."""

    def store(connection: Connection) -> str:
        kept = artifacts.put(connection, ledger.files, data)
        for trace in traces:
            artifacts.note_seen(connection, trace, "plan", kept.digest, "a file", untrusted=True)
        connection.execute(update(artifact).where(artifact.c.sha256 == kept.digest).values(at=now_us() - days * DAY))
        return kept.digest

    digest = ledger.tx_now(store)
    recent.forget(ledger.engine)  # a process does not know so long what it has stored
    return digest


def trim(ledger: Ledger, trace: str, days: timedelta = KEEP) -> retention.Trimmed | None:
    """Trim one run, as upkeep does."""
    return ledger.tx_now(retention.trim, ledger.files, trace, days)


def read(ledger: Ledger, digest: str) -> bytes:
    """The bytes of an artifact."""
    return ledger.read_now(artifacts.get, ledger.files, digest)


def is_there(ledger: Ledger, digest: str) -> bool:
    """Whether its bytes can be read."""
    try:
        return bool(read(ledger, digest))
    except NotFound:
        return False


def test_only_runs_that_ended_long_ago_are_trimmed(ledger: Ledger) -> None:
    """An open run, one that ended lately and one that was trimmed are none of them, nor one that was reset in between."""
    for trace, days in (("old", 31), ("older", 90), ("young", 29)):
        ledger.tx_now(ended, trace, days)
    ledger.tx_now(runs.begin, *begin("open"))
    assert ledger.read_now(retention.old_runs, KEEP) == ["older", "old"]
    assert [trim(ledger, trace) for trace in ("young", "open", "unknown")] == [None] * 3
    assert trim(ledger, "older") is not None
    assert trim(ledger, "older") is None
    assert ledger.tx_now(runs.follow, ref("old", run_id="again")) == "done"
    assert trim(ledger, "old") is None
    assert ledger.read_now(retention.old_runs, KEEP) == []


def test_a_conversation_is_removed_and_its_numbers_stay(ledger: Ledger) -> None:
    """A turn's tokens, money and place in the conversation are there; what it said is not, and who asks for it is told so."""
    for trace in ("old", "other"):
        ledger.tx_now(ended, trace, 31)
        ledger.tx_now(turns.insert, turn(1, trace=trace))
        ledger.tx_now(turns.insert_result, result(turn(1, trace=trace).id, 0, body='{"text": "a secret"}'))
    before, mine, theirs = ledger.read_now(runs.totals, "old"), turn(1, trace="old").id, turn(1, trace="other").id
    assert (trimmed := trim(ledger, "old")) is not None
    assert trimmed.size > len("reply 1")
    assert ledger.read_now(runs.totals, "old") == before != {"calls": 0, "tokens": 0, "usd_micros": 0}
    [row] = ledger.read_now(turns.chain, mine)
    with pytest.raises(NotFound, match="was removed: its run ended more than keep_days ago"):
        turns.reply_of(row)
    [kept] = ledger.read_now(turns.results, [mine])[mine]
    assert (kept.body, kept.name, kept.failed) == ("", "read_file", False)
    assert turns.reply_of(ledger.read_now(turns.get, theirs)).text == "reply 1"
    assert ledger.read_now(turns.results, [theirs])[theirs][0].body


@pytest.mark.parametrize("data", [b"small", b"\x00", b"", b"large" * 100_000])
def test_files_of_old_runs_alone_are_removed(ledger: Ledger, data: bytes) -> None:
    """Small ones from the database and large ones from the disk; a run that reads the same bytes again stores them again."""
    ledger.tx_now(ended, "old", 31)
    digest = keep(ledger, data, "old")
    assert trim(ledger, "old") is not None
    with pytest.raises(NotFound, match="were removed: the runs that used them ended more than keep_days ago"):
        read(ledger, digest)
    assert not artifacts.location(ledger.files, digest).exists()
    assert [name for _, name, _ in ledger.read_now(artifacts.seen_in, "old")] == ["a file"]
    ledger.tx_now(artifacts.put, ledger.files, data)
    assert read(ledger, digest) == data


@pytest.mark.parametrize("size", [1, artifacts.IN_ROW + 1])
@pytest.mark.parametrize("other", ["open", "young"])
def test_what_another_run_has_seen_stays_until_that_is_old(ledger: Ledger, other: str, size: int) -> None:
    """Runs share bytes by their digest. The last of them takes them along."""
    ledger.tx_now(ended, "old", 31)
    if other == "open":
        ledger.tx_now(runs.begin, *begin(other))
    else:
        ledger.tx_now(ended, other, 29)
    digest = keep(ledger, b"x" * size, "old", other)
    assert trim(ledger, "old") is not None
    assert is_there(ledger, digest), "another run needs it"
    if other == "young":
        assert trim(ledger, other, timedelta(days=20)) is not None
        with pytest.raises(NotFound):
            read(ledger, digest)


@pytest.mark.parametrize("data", [b"small", b"large" * 100_000])
def test_bytes_that_were_stored_again_lately_stay(ledger: Ledger, data: bytes) -> None:
    """Whoever has just stored them may not have said yet which run it is for."""
    ledger.tx_now(ended, "old", 31)
    digest = keep(ledger, data, "old")
    ledger.tx_now(artifacts.put, ledger.files, data)
    assert trim(ledger, "old") is not None
    assert read(ledger, digest) == data


def test_what_gates_and_actions_name_stays(ledger: Ledger) -> None:
    """What was approved can be shown years later, with the patch that it names, also after the next run that read it is old."""
    for trace in ("old", "reader"):
        ledger.tx_now(ended, trace, 31)
    patch, loose = keep(ledger, b"--- a\n+++ b\n", "old", "reader"), keep(ledger, b"notes", "old")
    subject = json.dumps({"patch": {"digest": patch, "size": 12}}).encode()

    def approved(connection: Connection) -> tuple[str, str]:
        named = artifacts.put(connection, ledger.files, subject, "application/json").digest
        said = artifacts.put(connection, ledger.files, json.dumps({"tree": "1" * 40}).encode(), "application/json").digest
        for one in (named, said):
            artifacts.note_seen(connection, "old", "", one, "subject", untrusted=False)
        gates.open_gate(connection, opening(view(trace="old", subject=named)))
        meant = intent().model_copy(update={"arguments": said})
        actions.propose(connection, meant, trace="old", gate="plan-1", state="approved")
        connection.execute(update(artifact).values(at=now_us() - 90 * DAY))
        return named, said

    named, said = ledger.tx_now(approved)
    for trace in ("old", "reader"):
        assert trim(ledger, trace) is not None
    assert (read(ledger, named), read(ledger, patch)) == (subject, b"--- a\n+++ b\n")
    assert read(ledger, said)
    with pytest.raises(NotFound):
        read(ledger, loose)


def test_the_feed_is_whole_and_says_so(ledger: Ledger) -> None:
    """The lines stay, chained by their hashes, with one more that says what was removed and why."""
    ledger.tx_now(ended, "old", 31)
    ledger.tx_now(feed.append, ref("old"), [note("old/plan")])
    assert trim(ledger, "old") is not None
    told: list[Any] = ledger.read_now(feed.after, 0, trace="old")
    assert [line.did for line in told][:1] == ["did old/plan"]
    assert "removed the conversations and files of this run" in told[-1].did
    assert "keep_days is 30" in told[-1].why
    assert ledger.read_now(lambda it: it.execute(select(run.c.trimmed_at)).scalar_one()) is not None
