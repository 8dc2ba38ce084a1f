"""Artifacts: bytes by their digest, and never other bytes than these."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, update

from contracts.base import sha256
from contracts.errors import LedgerUnavailable, NotFound
from ledger import artifacts
from ledger.artifacts import IN_ROW, ArtifactDamaged
from ledger.db import Ledger
from ledger.tables import artifact
from tests.depth import count
from tests.ledger.racing import at_once

SMALL = b"a\x00b\xff h\xc3\xb6her"
LARGE = b"0123456789abcdef" * (IN_ROW // 16) + b"!"


def put(ledger: Ledger, data: bytes) -> str:
    """Keep some bytes; gives back their digest."""
    return ledger.tx_now(artifacts.put, ledger.files, data).digest


def get(ledger: Ledger, digest: str) -> bytes:
    """The bytes again."""
    return ledger.read_now(artifacts.get, ledger.files, digest)


def rows(ledger: Ledger) -> int:
    """How many artifacts there are."""
    return int(ledger.read_now(lambda connection: connection.execute(select(func.count()).select_from(artifact)).scalar_one()))


def files(ledger: Ledger) -> list[Path]:
    """Every file in the artifact folder."""
    return [path for path in ledger.files.rglob("*") if path.is_file()]


@pytest.mark.parametrize("data", [b"", SMALL, LARGE[:IN_ROW], LARGE], ids=["empty", "small", "limit", "large"])
def test_bytes_come_back_as_they_were(ledger: Ledger, data: bytes) -> None:
    """Nothing, any bytes, the largest that fit a row, and more than that."""
    kept = ledger.tx_now(artifacts.put, ledger.files, data, "application/x")
    assert (kept.digest, kept.size, kept.media_type) == (sha256(data), len(data), "application/x")
    assert get(ledger, kept.digest) == data


def test_large_bytes_lie_in_a_file_and_small_ones_in_the_row(ledger: Ledger) -> None:
    """The database stays small; a file is named by its digest."""
    put(ledger, LARGE[:IN_ROW])
    assert files(ledger) == []
    digest = put(ledger, LARGE)
    assert files(ledger) == [artifacts.location(ledger.files, digest)]


def test_equal_bytes_are_kept_once(ledger: Ledger) -> None:
    """Keeping them again, at once or later, adds neither row nor file."""
    for data in (SMALL, LARGE):
        assert set(at_once(lambda one: put(ledger, one), [data] * 6)) == {sha256(data)}
    assert rows(ledger) == 2
    assert len(files(ledger)) == 1


@settings(max_examples=count(10, soak=200))
@given(data=st.binary(max_size=200))
def test_any_bytes_survive(ledger: Ledger, data: bytes) -> None:
    """There are no bytes that a database or a driver changes."""
    assert get(ledger, put(ledger, data)) == data


@pytest.mark.parametrize("damage", [b"", LARGE[:-1], LARGE[:-1] + b"?"], ids=["empty", "cut", "changed"])
def test_a_damaged_file_is_noticed(ledger: Ledger, damage: bytes) -> None:
    """Bytes that do not have their digest are never handed out, and the message says what to do."""
    digest = put(ledger, LARGE)
    files(ledger)[0].write_bytes(damage)
    with pytest.raises(ArtifactDamaged, match=rf"artifact {digest[:12]}… does not match its digest.*backup"):
        get(ledger, digest)


def test_a_damaged_row_is_noticed(ledger: Ledger) -> None:
    """The same for bytes that lie in the database."""
    digest = put(ledger, SMALL)
    ledger.tx_now(lambda connection: connection.execute(update(artifact).values(body=b"other")))
    with pytest.raises(ArtifactDamaged):
        get(ledger, digest)


def test_a_missing_file_is_named(ledger: Ledger) -> None:
    """Where the artifact folder was lost the message says which folder, and what to do."""
    digest = put(ledger, LARGE)
    files(ledger)[0].unlink()
    with pytest.raises(ArtifactDamaged, match=rf"file of artifact {digest[:12]}… is missing under .*artifacts; restore it"):
        get(ledger, digest)


@pytest.mark.parametrize("left", [None, b"", b"half of it"], ids=["missing", "empty", "damaged"])
def test_the_right_bytes_mend_a_file(ledger: Ledger, left: bytes | None) -> None:
    """Keeping the bytes again puts back a file that was lost or damaged."""
    digest = put(ledger, LARGE)
    path = files(ledger)[0]
    path.unlink() if left is None else path.write_bytes(left)
    assert put(ledger, LARGE) == digest
    assert get(ledger, digest) == LARGE


def test_an_unknown_digest_is_not_found(ledger: Ledger) -> None:
    """Nothing is made up for a digest that nobody kept."""
    with pytest.raises(NotFound, match="no artifact 000000000000…"):
        get(ledger, "0" * 64)


def test_a_crash_between_file_and_row_loses_nothing(ledger: Ledger) -> None:
    """A file whose row was never committed is no artifact yet; keeping the bytes again makes it one."""

    def crash(connection: Connection) -> None:
        artifacts.put(connection, ledger.files, LARGE)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        ledger.tx_now(crash)
    assert len(files(ledger)) == 1
    with pytest.raises(NotFound):
        get(ledger, sha256(LARGE))
    assert get(ledger, put(ledger, LARGE)) == LARGE
    assert len(files(ledger)) == 1


def test_a_full_disk_leaves_no_half_file(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file appears whole under its name or not at all, nothing else stays behind, and the error says what to do."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerUnavailable, match=r"artifact folder .*No space left.*make room"):
        put(ledger, LARGE)
    assert files(ledger) == []
    assert rows(ledger) == 0


def test_transactions_that_keep_the_same_bytes_in_another_order_both_commit(ledger: Ledger) -> None:
    """Two workers whose tools read the same files at the same time must not block each other for good."""

    def keep(connection: Connection, *data: bytes) -> int:
        return len([artifacts.put(connection, ledger.files, one) for one in data])

    for number in range(4):
        one, two = f"one {number}".encode(), f"two {number}".encode()
        assert at_once(lambda order: ledger.tx_now(keep, *order), [(one, two), (two, one)] * 2) == [2] * 4
    assert rows(ledger) == 8


def test_what_a_run_has_seen_is_listed_once(ledger: Ledger) -> None:
    """Path, name and digest of all that a run family read or made, oldest first, other runs' left out."""
    digest = put(ledger, SMALL)
    for trace, path, name in (("t", "plan", "b.py"), ("t", "plan", "b.py"), ("t", "write", "a.py"), ("other", "plan", "c.py")):
        ledger.tx_now(
            lambda connection, *what: artifacts.note_seen(connection, *what, untrusted=True), trace, path, digest, name
        )
    assert ledger.read_now(artifacts.seen_in, "t") == [("plan", "b.py", digest), ("write", "a.py", digest)]
