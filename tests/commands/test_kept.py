"""The commands that read, on a ledger that an earlier release wrote."""

import json

import pytest

from contracts.base import sha256
from tests.commands.conftest import Baton
from tests.ledger.releases import restore


@pytest.fixture
def kept(baton: Baton) -> Baton:
    """The command line beside a ledger of the first schema: one run has ended, one waits at its change."""
    baton.state.mkdir()
    restore("0001-deliveries", baton.state / "ledger.db")
    return baton


def test_both_runs_of_a_kept_ledger_are_shown(kept: Baton) -> None:
    """`baton runs` lists them, and `baton show` tells each with gates, decisions, handoffs, actions and its last lines."""
    waiting, ended = (one["run"] for one in kept("runs", "--json").json["runs"])
    page = kept("show", waiting).out
    assert f"{waiting}: waiting (change)" in page
    assert "baton approve" in page
    page = kept("show", ended).out
    assert f"{ended}: done" in page
    assert "request_changes by maria" in page
    assert "git.push     delivered" in page
    assert kept("result", ended, "--json").json["report"]["state"] == "done"


def test_what_a_kept_gate_decides_on_is_shown(kept: Baton) -> None:
    """The diff that the waiting run asks about is the one that was frozen then."""
    waiting = kept("runs", "--json").json["runs"][0]["run"]
    assert "+    return (cents * (100 - percent) + 50) // 100" in kept("show", waiting, "--gate", "change").out


def test_a_change_is_printed_before_its_approval_is_asked_for(kept: Baton) -> None:
    """`baton approve` at a terminal: the diff, the facts, the digest, then the question; a no sends nothing."""
    waiting = kept("runs", "--json").json["runs"][0]["run"]
    subject = kept("show", waiting, "--gate", "change", "--json").json["gate"]["subject"]
    ran = kept.process("approve", waiting, typed=[("[y/N]", "n\n")])
    parts = ["+    return (cents * (100 - percent) + 50) // 100", "GATE change-1", "- tests:", f"subject {subject}", "[y/N]"]
    places = [ran.out.index(part) for part in parts]
    assert (ran.code, places) == (1, sorted(places))


def test_a_kept_plan_is_shown_as_a_plan_and_kept_as_it_was(kept: Baton) -> None:
    """It was made as `plan/1`: a person reads it like today's, and what was approved are still its own bytes."""
    ended = kept("runs", "--json").json["runs"][1]["run"]
    page = kept("show", ended, "--gate", "plan-1").out
    assert "accepted   discounted(999, 50) is 500" in page
    document = kept("show", ended, "--gate", "plan-1", "--json").json
    assert '"acceptance":["discounted(999, 50) is 500",' in document["subject"]
    assert sha256(document["subject"].encode()) == document["gate"]["subject"]


def test_the_feed_of_a_kept_ledger_is_told(kept: Baton) -> None:
    """All lines of both runs, without a gap in their numbers."""
    lines = [json.loads(line) for line in kept("feed", "--after", "0", "--jsonl").out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({line["run"].split(".")[0] for line in lines}) == 2
    assert "delivered: push" in kept("feed", "--after", "0").out


def test_where_a_kept_push_came_from_is_told(kept: Baton) -> None:
    """`baton why` walks from the ended run back to the approval, the tester's handoff and the writers'."""
    ended = kept("runs", "--json").json["runs"][1]["run"]
    told = kept("why", ended).out
    for part in ("change-1", "approve", "git.push", "writer@v1", "tester@v1", "planner@v1"):
        assert part in told


def test_a_kept_ledger_of_an_older_schema_is_migrated_by_the_first_command(kept: Baton) -> None:
    """`baton doctor` names both revisions and changes nothing; after the first command the schema is current."""
    before = next(one for one in kept("doctor", "--json").json["findings"] if one["name"] == "ledger")
    assert "has schema 0001" in before["text"]
    assert kept("runs").code == 0
    after = next(one for one in kept("doctor", "--json").json["findings"] if one["name"] == "ledger")
    assert after["level"] == "ok"
