"""Patches that are too large for a message: stored for one gate, named by digest, and taken back as they were."""

import pytest
from sqlalchemy import Connection, update

from contracts.errors import Refused
from contracts.gates import MESSAGE_LIMIT
from contracts.hand_in import PATCH_LIMIT, digest_in, naming
from ledger import artifacts
from ledger.artifacts import ArtifactDamaged
from ledger.db import Ledger
from ledger.handed_in import in_message, patch_of
from ledger.tables import artifact
from tests.ledger import samples

VIEW = samples.view("work-1")
LARGE = "+é\n" * (100 * 1024)


def test_a_large_patch_is_stored_and_a_small_one_stands_in_the_message(ledger: Ledger) -> None:
    """What is read for the decision is what was handed in, to the byte, also at the limit and handed in twice."""
    small = {"made": {"outcome": "done"}, "patch": "diff"}
    assert ledger.tx_now(in_message, ledger.files, VIEW, small) == small
    assert ledger.read_now(patch_of, ledger.files, VIEW, "diff") == "diff"
    for patch in (LARGE, LARGE, "x" * PATCH_LIMIT):
        more = ledger.tx_now(in_message, ledger.files, VIEW, {"made": {"outcome": "done"}, "patch": patch})
        assert len(str(more)) < MESSAGE_LIMIT // 2
        assert more["made"] == {"outcome": "done"}
        assert ledger.read_now(patch_of, ledger.files, VIEW, more["patch"]) == patch


def test_what_is_too_large_or_another_gates_is_refused(ledger: Ledger) -> None:
    """With the limit and what to do; of what was stored for another gate nothing is read, and nothing is stored in vain."""
    with pytest.raises(Refused, match=rf"{PATCH_LIMIT + 1} bytes, the limit is {PATCH_LIMIT}: hand in a part of it"):
        ledger.tx_now(in_message, ledger.files, VIEW, {"patch": "x" * (PATCH_LIMIT + 1)})
    named = ledger.tx_now(in_message, ledger.files, VIEW, {"patch": LARGE})["patch"]
    for other in (samples.view("work-2"), samples.view("work-1", trace="trace-2")):
        with pytest.raises(Refused, match=r"was stored for work-.: `baton answer --patch FILE` stores a large one"):
            ledger.read_now(patch_of, ledger.files, other, named)
    with pytest.raises(Refused, match="no patch abababababab… was stored"):
        ledger.read_now(patch_of, ledger.files, VIEW, naming("ab" * 32))


def test_a_stored_patch_that_was_changed_is_not_taken(ledger: Ledger) -> None:
    """In its file, where large ones are, and in its row."""
    for patch in (LARGE, LARGE[: MESSAGE_LIMIT // 2]):
        named = ledger.tx_now(in_message, ledger.files, VIEW, {"patch": patch})["patch"]
        digest = digest_in(named)
        assert digest is not None
        file = artifacts.location(ledger.files, digest)
        if file.exists():
            file.write_text("+evil\n")
        else:
            ledger.tx_now(_spoiled, digest)
        with pytest.raises(ArtifactDamaged, match="does not match its digest"):
            ledger.read_now(patch_of, ledger.files, VIEW, named)


def _spoiled(connection: Connection, digest: str) -> None:
    connection.execute(update(artifact).where(artifact.c.sha256 == digest).values(body=b"+evil\n"))
