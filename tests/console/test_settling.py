"""What the console settles beyond the ledger: breakers, agent versions, ended runs, duplicates, this machine's worker."""

import html
import re
import shutil
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, update

from config import HOME
from contracts.base import canonical
from contracts.runs import RunRef
from ledger import artifacts, breakers, duplicates, runs, workers
from ledger.breakers import Failure, Thresholds
from ledger.db import Ledger, now_us
from ledger.tables import agent_version, run
from ledger.views import feed
from ledger.views.feed import Filter
from ledger.views.models import noteworthy
from tests.console.serving import QUEUE, Served, Visitor, forms_of, served, settings_of
from tests.ledger.contents import begin

MODEL = "model:gateway:small"


async def _sent(visitor: Visitor, page: str, to: str, **fields: str) -> tuple[int, str]:
    """Send a form of this page; the answer's status and its words."""
    shown = (await visitor.get(page)).text
    answer = await visitor.post(to, None, **({"session": forms_of(shown), "why": "the key was changed"} | fields))
    return answer.status_code, html.unescape(answer.text)


def _fails(connection: Connection, name: str) -> None:
    hour = timedelta(hours=1)
    breakers.failed(connection, name, Failure("401", at_once=True), Thresholds(1, hour, hour, hour), now_us())


def _lines(ledger: Ledger, stage: str) -> list[tuple[str, str, str, str]]:
    found = ledger.read_now(feed.newest, Filter(stage=stage), 9, before=None, details=True)
    return [(one.actor, one.channel, one.did, one.why) for one in found]


async def test_a_breaker_is_closed_as_it_was_shown_with_who_and_why(console: Served) -> None:
    """Without Temporal as well: runs ask again by themselves then. One that is closed, or has opened again, is left alone."""
    console.ledger.tx_now(_fails, MODEL)
    olga = await console.signed_in()
    page = (await olga.get("/system")).text
    shown = re.search(rf'value="{MODEL}">\s*<input type="hidden" name="seen" value="([^"]+)"', page)
    assert shown is not None
    seen = html.unescape(shown[1])
    for wrong, why in (({"why": " "}, "say why"), ({"seen": "x"}, "has opened again"), ({"name": "model:x"}, "is not open")):
        status, text = await _sent(olga, "/system", "/system/close", **({"name": MODEL, "seen": seen} | wrong))
        assert (status, why in text) == (409, True), text
    assert [one.is_closed for one in console.ledger.read_now(noteworthy)] == [False]
    assert (await _sent(olga, "/system", "/system/close", name=MODEL, seen=seen))[0] == 303
    assert console.ledger.read_now(noteworthy) == []
    assert _lines(console.ledger, "models") == [
        ("olga", "console", f"closed the circuit breaker of {MODEL}", "the key was changed")
    ]
    status, text = await _sent(olga, "/system", "/system/close", name=MODEL, seen=seen)
    assert (status, "is not open any more" in text) == (409, True)


async def test_a_version_is_withdrawn_from_the_agent_files_of_this_machine(ledger: Ledger, tmp_path: Path) -> None:
    """Who and why stand in the file and on the feed. The last version, an unknown one and a withdrawn one are refused."""
    agents = Path(shutil.copytree(HOME / "agents", tmp_path / "agents"))
    text = (agents / "planner" / "v1.md").read_text()
    (agents / "planner" / "v2.md").write_text(text.replace("version: 1\n", "version: 2\n") + "\nBe quick.\n")
    machine = {"live": {"planner": "v2 0a1b"}, "role": "all"}
    ledger.tx_now(workers.beat, "one:1", "baton", workers.Serving(QUEUE, "host", machine=machine))
    ledger.tx_now(_knows_planner)
    async with served(ledger, settings=settings_of(ledger, agents=agents)) as console:
        olga = await console.signed_in()
        assert '<option value="planner@v2">' in (await olga.get("/agents")).text
        assert (await _sent(olga, "/agents", "/agents/withdraw", name="planner@v2"))[0] == 303
        line = (agents / "withdrawn.lock").read_text().splitlines()[-1]
        assert line == "planner@v2  # olga: the key was changed"
        assert _lines(ledger, "agents") == [("olga", "console", "withdrew planner@v2", "the key was changed")]
        for name, why in (
            ("planner@v2", "was withdrawn before"),
            ("planner@v1", "is the last version of planner"),
            ("planner@v9", "has no version"),
            ("planner", "name a version"),
        ):
            status, said = await _sent(olga, "/agents", "/agents/withdraw", name=name)
            assert (status, why in said) == (409, True), said
        assert len(_lines(ledger, "agents")) == 1


def _knows_planner(connection: Connection) -> None:

    row = {"name": "planner", "version": "v1", "digest": "d", "definition": "{}", "at": now_us()}
    connection.execute(insert(agent_version).values(row))


async def test_a_console_that_up_did_not_start_starts_no_worker(console: Served) -> None:
    """The page says so and has no form; one that is sent all the same is refused, and nothing is started."""
    olga = await console.signed_in()
    page = (await olga.get("/system")).text
    assert ("was not started by <code>baton up</code>" in page, 'action="/system/worker"' in page) == (True, False)
    status, text = await _sent(olga, "/system", "/system/worker", seen="")
    assert (status, "`baton up` has not started this console" in text) == (409, True)
    assert _lines(console.ledger, "workers") == []


async def test_an_open_run_is_not_done_again_and_an_ended_one_needs_temporal(console: Served) -> None:
    """Refused with the reason, on the run's own page; a page that is out of date as well."""
    begin(console.ledger, input={"instruction": "Fix it", "repository": "/r", "owner": "olga"})
    olga = await console.signed_in()
    page, to = "/runs/trace-1", "/runs/trace-1/retry"
    assert to not in (await olga.get(page)).text
    status, text = await _sent(olga, page, to, seen="0")
    assert (status, "has not ended" in text) == (409, True)
    console.ledger.tx_now(lambda connection: connection.execute(update(run).values(state="failed", ended_at=now_us())))
    assert to in (await olga.get(page)).text
    status, text = await _sent(olga, page, to, seen="1")
    assert (status, "done again since this page was shown" in text) == (409, True)
    status, text = await _sent(olga, page, to, seen="0")
    assert (status, "Temporal does not answer" in text) == (409, True)
    assert _lines(console.ledger, "retry") == []


async def test_what_a_duplicate_was_asked_for_is_shown_and_started_once(console: Served) -> None:
    """Its words are on the page of the run that has its key; a key that is used, none at all and a second start are refused."""
    ledger = console.ledger
    begin(ledger)
    first = ledger.read_now(runs.find, "delivery-trace-1")
    given = {"instruction": "Say what a cent is", "repository": "/r", "owner": "olga", "request_key": "ticket-1"}
    kept = ledger.tx_now(artifacts.put, ledger.files, canonical(given)).digest
    holder = RunRef(trace="trace-1", workflow_id=first.workflow_id, project=first.project)
    ended = RunRef(trace="trace-9", workflow_id="deliver-9", project=first.project)
    ledger.tx_now(duplicates.record, holder, ended, "Delivery", kept)
    olga = await console.signed_in()
    page, to = "/runs/trace-1", "/runs/trace-1/duplicates"
    assert "Say what a cent is" in (await olga.get(page)).text
    used = first.request_key
    for fields, why in (
        ({"duplicate": "trace-9", "key": " "}, "a request key of its own"),
        ({"duplicate": "trace-8", "key": "k"}, "no such run was ended as a duplicate"),
        ({"duplicate": "trace-9", "key": used}, "was used before, by delivery-trace-1"),
        ({"duplicate": "trace-9", "key": "k"}, "Temporal does not answer"),
    ):
        status, text = await _sent(olga, page, to, **fields)
        assert (status, why in text) == (409, True), text
    (one,) = ledger.read_now(duplicates.of, "trace-1")
    for name in ("deliver-10", "deliver-11"):
        ledger.tx_now(duplicates.started, holder, one, name, "erik", "another ticket", "console")
    assert ledger.read_now(duplicates.of, "trace-1") == [
        duplicates.Duplicate("trace-9", "deliver-9", "Delivery", kept, "deliver-10", "erik")
    ]
    status, text = await _sent(olga, page, to, duplicate="trace-9", key="k")
    assert (status, "erik has started it as deliver-10" in text) == (409, True)
    assert 'aria-label="Start deliver-9"' not in (await olga.get(page)).text
