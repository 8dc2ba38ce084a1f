"""Actions that a person does: `baton done` and `baton declined`, with a note and a reference, and where both are found."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from commands.decide.decision import compose
from commands.decide.verbs import _REFERRING
from commands.errors import Usage
from config import HOME
from contracts.gates import OFFERED, TAKES_REFERENCE, VERBS, Decision
from ledger import artifacts, gates
from ledger.db import Ledger
from ledger.figures.approvals import approvals_of
from tests.commands.conftest import Baton, Begin, Serve
from tests.ledger import samples
from tests.workflows.test_act import POLICY, result_of, started

RUN = "delivery-trace-1"
BACK = {"repository": "/srv/git/shop", "commit": "a" * 40, "onto": "b" * 40, "branch": "back"}


async def test_what_a_person_did_is_found_by_its_reference(baton: Baton, serve: Serve, client: Client, tmp_path: Path) -> None:
    """One done with note and reference, one declined: show, why, read, actions, feed, result and figures tell; it is sealed."""
    policy = tmp_path / "policy.toml"
    policy.write_text((HOME / "policy.toml").read_text() + POLICY)
    async with serve(policy=policy) as running:
        run = await started(running, "done", type="revert", arguments=BACK)
        view = await running.gate(run, "draft-1")
        assert f"baton done {run.id} draft-1 [--reference ID]" in (await baton.live("gates")).err
        # A reference elsewhere is refused by the run, whatever client sends it; the gate stays open.
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await running.decide(view, "declined", reference="MR!7")
        assert "declined takes no reference: only done and happened do" in str(refused.value.cause)
        said = ("-m", "taken back by hand", "--reference", " MR!7 ", "--by", "maria", "--yes")
        assert (await baton.live("done", run.id, "draft-1", *said)).code == 0
        report = await result_of(run)
        other = await started(running, "declined", type="revert", arguments=BACK | {"branch": "other"})
        await running.gate(other, "draft-1")
        assert (await baton.live("declined", other.id, "-m", "not needed", "--by", "maria", "--yes")).code == 0
        await result_of_declined(baton, other.id)
        receipt = report.receipt
        assert (receipt.state, receipt.reference, receipt.note) == ("done_by_person", "MR!7", "taken back by hand")
        for command in (
            *(("show", run.id), ("why", "MR!7"), ("why", run.id), ("read", receipt.key), ("read", "mr!7"), ("feed", run.id)),
            *(("actions", "show", receipt.key[:12]), ("result", run.id)),
        ):
            ran = await baton.live(*command)
            assert (ran.code, "MR!7" in ran.out) == (0, True), f"{command}: {ran.out}{ran.err}"
        assert "taken back by hand" in (await baton.live("actions", "show", receipt.key)).out
        *_, decided = (await baton.live("show", run.id, "--json")).json["decisions"]
        assert (decided["verb"], decided["reference"]) == ("done", "MR!7")
    [figures] = running.ledger.read_now(approvals_of, ["revert"], 90)
    assert (figures.by_hand, figures.referred, figures.declined, figures.rejected, figures.unchanged) == (1, 1, 1, 0, 0)
    assert "people did 1 themselves (1 with a reference) and declined 1" in figures.told(90)
    altered_is_found(baton, run.id, tmp_path)


async def result_of_declined(baton: Baton, run: str) -> None:
    """The run ends as could_not, with who declined and why."""
    ran = await baton.live("result", run, "--wait")
    assert ran.code == 1
    assert "declined at draft-1 by maria: not needed" in ran.out


def altered_is_found(baton: Baton, run: str, folder: Path) -> None:
    """The reference is sealed: another one in the ledger, or none, is found by `baton verify`."""
    bundle = folder / "run.baton"
    assert baton("export", run, "-o", str(bundle)).code == 0
    assert baton("verify", "--bundle", str(bundle)).code == 0
    for number, other in enumerate(("MR!8", "")):
        copy = folder / f"altered-{number}.baton"
        shutil.copy(bundle, copy)
        with sqlite3.connect(copy) as connection:
            assert connection.execute("UPDATE decision SET reference = ? WHERE reference != ''", (other,)).rowcount == 1
        ran = baton("verify", "--bundle", str(copy))
        assert (ran.code, "was altered" in ran.out) == (1, True), ran.out


@pytest.fixture
def draft(ledger: Ledger, begin: Begin) -> None:
    """A run that waits at draft-1."""
    begin()
    view = samples.view("draft-1", kind="draft", verbs=VERBS["draft"], deadline=datetime.now(UTC) + timedelta(hours=5))
    ledger.tx_now(artifacts.put, ledger.files, samples.SUBJECT.encode())
    ledger.tx_now(gates.open_gate, samples.opening(view))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("", "--reference is empty"),
        (" \t", "--reference is empty"),
        ("a\nb", "--reference reference: "),
        ("a\x1b[2Jb", "--reference reference: "),
        ("x" * 1001, "--reference reference: "),
    ],
)
def test_a_reference_that_cannot_be_one_is_a_usage_error(baton: Baton, draft: None, reference: str, said: str) -> None:
    """Empty, several lines, control characters, too long: exit 2, and nothing is sent."""
    ran = baton("done", RUN, "--reference", reference, "--yes")
    assert (ran.code, said in ran.err) == (2, True), ran.err


@pytest.mark.parametrize("verb", [one for one in OFFERED if one not in (*TAKES_REFERENCE, "raise_ceiling", "stop")])
def test_only_what_was_done_has_a_reference(baton: Baton, draft: None, verb: str) -> None:
    """The other commands do not know the option; the two that do are those of the contracts."""
    assert set(_REFERRING) == TAKES_REFERENCE
    ran = baton(verb.replace("_", "-"), RUN, "--reference", "MR!7", "--yes")
    assert (ran.code, "No such option: --reference" in ran.err) == (2, True), ran.err


def test_a_reference_makes_another_decision() -> None:
    """Another reference is another decision; without one the decision is what it was, with no field for it."""
    view = samples.view("draft-1", kind="draft", verbs=VERBS["draft"])
    ids = {compose(view, "done", "maria", "", {}, 0, reference)[0] for reference in ("", "a", "b", "a")}
    assert len(ids) == 3
    assert "reference" not in compose(view, "done", "maria", "", {}, 0)[1]
    assert b"reference" not in Decision(gate="draft-1", by="maria").stored()
    with pytest.raises(Usage, match="--reference"):
        compose(view, "done", "maria", "", {}, 0, "two\nlines")
