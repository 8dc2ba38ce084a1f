"""What has to hold of the record of a delivery that was pushed: where it came from, what came from it, and that it is whole."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from ledger import manifest
from ledger.db import Ledger
from ledger.tables import metadata
from tests.commands.conftest import Baton
from tests.depth import of_each_kind

ALTERED = (
    "UPDATE feed SET did = did || ' twice' WHERE seq = (SELECT min(seq) + 2 FROM feed)",
    "UPDATE feed SET authenticated = 1 WHERE key LIKE '%/gate/plan-1/%' AND did LIKE 'approve%'",
    "UPDATE feed SET outputs = '[]' WHERE outputs LIKE '%seal:%'",
    "DELETE FROM feed WHERE seq = (SELECT min(seq) + 3 FROM feed)",
    "DELETE FROM feed WHERE seq = (SELECT max(seq) FROM feed)",
    "UPDATE feed SET seq = -seq WHERE seq = (SELECT min(seq) + 4 FROM feed)",
    "UPDATE decision SET by = 'mallory' WHERE gate = 'plan-1'",
    "UPDATE decision SET note = note || ' and more'",
    "UPDATE decision SET authenticated = 1",
    "UPDATE decision SET reference = 'elsewhere'",
    "UPDATE decision SET at = at - 1",
    "DELETE FROM decision WHERE gate = 'change-1'",
    "INSERT INTO decision "
    "(id, trace, gate, verb, by, note, answers, subject, outcome, reason, via, channel, authenticated, at) "
    "SELECT 'more', trace, 'change-9', verb, 'mallory', note, answers, subject, 'won', '', via, channel, authenticated, at "
    "FROM decision LIMIT 1",
    "UPDATE decision SET id = 'older', at = 1 WHERE gate = 'plan-1'",
    "UPDATE gate SET state = 'open' WHERE gate = 'plan-1'",
    "UPDATE gate SET subject = policy_digest WHERE gate = 'change-1'",
    "UPDATE gate SET view = replace(view, 'change-1', 'change-2')",
    "UPDATE gate SET deadline = deadline + 1",
    "DELETE FROM gate WHERE gate = 'plan-1'",
    "UPDATE action SET state = 'failed'",
    "UPDATE action SET receipt = replace(receipt, '\"sent\"', '\"found\"')",
    "UPDATE action SET arguments_digest = arguments",
    "UPDATE action SET gate = ''",
    "DELETE FROM action",
    "UPDATE artifact SET body = body || x'20' WHERE sha256 = (SELECT subject FROM gate WHERE gate = 'change-1')",
    "UPDATE artifact SET body = NULL WHERE sha256 = (SELECT arguments FROM action)",
    "DELETE FROM artifact WHERE sha256 = (SELECT artifact FROM seen WHERE name = 'the change')",
    "UPDATE handoff SET body = replace(body, '\"summary\":\"', '\"summary\":\"not: ') WHERE path LIKE 'plan%'",
)
"""One hand's work each: every one has to be found."""


def the_record_is_whole(baton: Baton, run: str, folder: Path) -> None:
    """`verify` finds nothing, also in the exported file; whatever is changed in a copy of it is found."""
    whole = baton("verify", run, "--json")
    assert whole.code == 0, whole.out
    looked = whole.json["runs"][0]
    assert looked["lines"] > 10
    assert looked["rows"] > 6
    assert looked["artifacts"] > 5
    assert baton("verify", run, "--head", looked["head"][:20]).code == 0
    assert baton("verify", run, "--head", "0" * 64).code == 1
    short = baton("verify", run, "--head", looked["head"][:15])
    assert (short.code, "too short" in short.err) == (2, True)
    everything = baton("verify", "--all")
    assert everything.code == 0, everything.out
    bundle = folder / "run.baton"
    made = baton("export", run, "-o", str(bundle), "--json")
    assert made.code == 0
    with_digest = baton("verify", "--bundle", str(bundle), "--digest", made.json["digest"], "--json")
    assert (with_digest.code, with_digest.json["digest"]) == (0, made.json["digest"])
    other = baton("verify", "--bundle", str(bundle), "--digest", "0" * 64)
    assert (other.code, "it is not the file that was exported" in other.out) == (1, True)
    assert baton("verify", run, "--digest", "0" * 64).code == 2
    assert "is there already" in baton("export", run, "-o", str(bundle)).err
    assert baton("verify", "--bundle", str(bundle)).code == 0
    alone = of_each_kind(ALTERED, lambda statement: statement.split()[0])
    for statement in ALTERED:
        copy = folder / "altered.baton"
        shutil.copy(bundle, copy)
        with sqlite3.connect(copy) as connection:
            assert connection.execute(statement).rowcount > 0, f"nothing was altered by: {statement}"
        if statement in alone:
            found = baton("verify", "--bundle", str(copy))
            assert found.code == 1, f"not found: {statement}\n{found.out}"
        _say_that_it_is_so(copy)
        found = baton("verify", "--bundle", str(copy))
        assert found.code == 1, f"not found with a manifest of its own: {statement}\n{found.out}"


def _say_that_it_is_so(bundle: Path) -> None:
    """Make the bundle's manifest anew, as whoever altered a row would: then only the record's own seals are left."""
    opened = Ledger(f"sqlite:///{bundle}", bundle.with_suffix(".files"))

    def make(connection: Connection) -> None:
        told = json.loads(connection.execute(text("SELECT said FROM manifest")).scalar_one())
        connection.execute(text("DROP TABLE manifest"))
        tables = [metadata.tables[one["name"]] for one in told["tables"]]
        manifest.write(connection, told["trace"], tables, manifest.Chain(**told["condemnations"]))

    opened.tx_now(make)
    opened.close()


def it_is_known_where_it_came_from(baton: Baton, run: str) -> None:
    """From the push up to the plan's gate and the planner's task; from that task down to the push."""
    why = baton("why", run).out
    for part in ("action git.push: delivered", "gate change-1: approve", "gate plan-1: approve", "patch of ", "test report"):
        assert part in why, f"{part!r} is not in\n{why}"
    nodes: list[dict[str, Any]] = baton("why", run, "--json").json["nodes"]
    source = next(one for one in nodes if one["label"].startswith("task at plan/1"))
    impact = baton("impact", source["id"], "--json").json
    assert [one["run"] for one in impact["runs"]] == [run]
    assert [(one["type"], one["state"]) for one in impact["effects"]] == [("git.push", "delivered")]
    assert impact["complete"]
    told = baton("impact", source["id"])
    assert f"effect   delivered: {impact['effects'][0]['summary']}" in told.out
    patch = next(one for one in nodes if one["label"].startswith("patch of "))
    assert baton("read", patch["id"], "--raw").code == 0
    found = baton("find", "--source", source["id"], "--agent", "planner@v1", "--json").json["handoffs"]
    assert [one["run"] for one in found] == [run]
    assert baton("find", "--source", source["id"], "--agent", "planner@v99", "--json").json["handoffs"] == []
    for node in nodes:
        read = baton("read", node["id"])
        assert read.code == 0, f"{node}: {read.err}"
        assert len(read.out.splitlines()) > 2, node
