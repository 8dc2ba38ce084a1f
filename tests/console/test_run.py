"""A run's page: its steps in time, what is under way, what it cost, and how it was at one line of its feed."""

import dataclasses
import html
from datetime import timedelta

from contracts.base import digest_of
from contracts.handoff import Handoff, Producer
from ledger import feed, gates, handoffs, progress, runs, turns
from ledger.db import Ledger
from ledger.money import spend
from ledger.progress import SoFar
from tests.console.serving import Served
from tests.ledger import samples

PAGE = "/runs/trace-1"
GUESSED = SoFar("", 120, 30, estimated=True, tool="<b>", silent=timedelta())
COUNTED = SoFar("", 120, 31, estimated=False, tool="", silent=timedelta(seconds=40))


async def test_a_run_says_what_its_steps_took_and_cost(console: Served) -> None:
    """Each step with its times in words beside its bar, tools, cost by agent, and how sure the handoffs were."""
    olga = await console.signed_in()
    _worked(console.ledger)
    page = html.unescape((await olga.get(PAGE)).text)
    assert "1 model call, 120 tokens, $3,000.00" in page
    assert "plan-1: waits for a person" in page
    assert '<rect class="wait"' in page
    assert "style=" not in page
    assert "read_file: 1 call" in page
    assert "<td>planner@v1</td><td>scripted:model-1</td><td>1</td><td>120</td>" in page
    assert "<td>640 of 1000</td>" in page
    assert 'href="http://127.0.0.1:8233/namespaces/default/workflows/delivery-trace-1/trace-1/timeline"' in page


async def test_what_is_under_way_is_said_with_what_is_known_of_it(console: Served) -> None:
    """A model that is asked, with what is held; then a tool that has no result yet; nothing once it has one."""
    olga = await console.signed_in()
    ledger = console.ledger
    ledger.tx_now(runs.begin, *samples.begin())
    about = spend.About(trace="trace-1", path="plan", agent="planner@v1", model="scripted:model-1")
    scopes = [spend.Scope("run:trace-1", 10_000_000)]
    ledger.tx_now(spend.begin, scopes[0])
    held = ledger.tx_now(spend.reserve, "call", scopes, 2_000_000, price_version="p", worker="w", about=about)
    page = html.unescape((await olga.get(PAGE)).text)
    assert "plan: planner@v1 asks scripted:model-1, $2.00 held" in page
    assert "this call: not known yet how far it has got; the step so far: 0 model calls, 0 tokens" in page
    for one, told in (
        (GUESSED, "this call: about 30 tokens written (estimated from 120 characters), now a call of <b>"),
        (COUNTED, "this call: 31 tokens written; "),
    ):
        ledger.tx_now(progress.note, "w", [dataclasses.replace(one, reservation=held)])
        raw = (await olga.get(PAGE)).text
        assert ("<b>" in raw.split('id="running"')[1].split("</div>")[0], told in html.unescape(raw)) == (False, True)
        assert ("no word for 40 s, nor of its worker" in raw) == (one is COUNTED)
    far = (await olga.get(PAGE, accept="application/json")).json()["running"][0]["progress"]
    assert (far["tokens"], far["estimated"], far["tool"]) == (31, False, "")
    assert ledger.read_now(runs.totals, "trace-1")["tokens"] == 0
    ledger.tx_now(spend.settle, held, 0)
    first = samples.turn(1)
    ledger.tx_now(turns.insert, first)
    page = html.unescape((await olga.get(PAGE)).text)
    assert "plan: planner@v1 runs read_file" in page
    assert "the step so far: 1 model call, 120 tokens" in page
    ledger.tx_now(turns.insert_result, samples.result(first.id, 0))
    assert "<li>Nothing is under way.</li>" in (await olga.get(PAGE)).text


async def test_what_is_tried_again_is_said_until_something_else_happens(console: Served) -> None:
    """The line about the failures is the newest of its step."""
    olga = await console.signed_in()
    ledger = console.ledger
    ledger.tx_now(runs.begin, *samples.begin())
    told = samples.note("r", stage="retry", did="call_model has failed again, attempt 4 of 8", why="529")
    ledger.tx_now(feed.append, samples.ref(path="plan"), [told])
    assert "Tried again: plan: call_model has failed again, attempt 4 of 8: 529" in (await olga.get(PAGE)).text
    ledger.tx_now(feed.append, samples.ref(path="plan"), [samples.note("n")])
    assert "Tried again" not in (await olga.get(PAGE)).text


async def test_at_a_line_only_what_was_known_then_is_shown(console: Served) -> None:
    """No later line, gate, thing or amount; what cannot be known says so; lines before and after are linked."""
    olga = await console.signed_in()
    ledger = console.ledger
    ledger.tx_now(runs.begin, *samples.begin())
    early, late = digest_of("early"), digest_of("late")
    ledger.tx_now(feed.append, samples.ref(), [samples.note("one", outputs=(early,), next="the plan")], usd_micros=1_000_000)
    ledger.tx_now(feed.append, samples.ref("other"), [samples.note("else")])

    def opened(connection):  # type: ignore[no-untyped-def]
        gates.open_gate(connection, samples.opening(samples.view()))
        feed.append(connection, samples.ref(), [samples.note("two", outputs=(late,), stage="gates")], usd_micros=500_000)

    ledger.tx_now(opened)
    page = html.unescape((await olga.get(f"{PAGE}?at=1")).text)
    assert "as it was known at line 1" in page
    assert (early[:12] in page, late[:12] in page, "did two" in page, "plan-1" in page) == (True, False, False, False)
    assert "$1.00 told of by lines up to then" in page
    assert "not known at that line: the ledger keeps only how they are now" in page
    assert ("<form class" in page, f"{PAGE}?at=3" in page, "This is its first line" in page) == (False, True, True)
    page = html.unescape((await olga.get(f"{PAGE}?at=3")).text)
    assert ("plan-1" in page, "$1.50 told of" in page, f"{PAGE}?at=1" in page, "this is its last line" in page) == (True,) * 4
    assert f"{PAGE}?at=3" in (await olga.get(f"{PAGE}?at=2")).text
    document = (await olga.get(f"{PAGE}?at=1", accept="application/json")).json()
    assert "details" not in document
    assert (await olga.get(f"{PAGE}?at=4")).status_code == 404
    assert (await olga.get(f"{PAGE}?at=x")).status_code == 404


def _worked(ledger: Ledger) -> None:
    ledger.tx_now(runs.begin, *samples.begin())
    turn = samples.turn(1)
    ledger.tx_now(turns.insert, turn)
    ledger.tx_now(turns.insert_result, samples.result(turn.id, 0))
    ledger.tx_now(gates.open_gate, samples.opening(samples.view()))
    fixed = {"id": digest_of("h"), "contract_name": "plan/2", "outcome": "unsure", "reason": "not sure", "trace": "trace-1"}
    made = Handoff(**fixed, path="plan", confidence=640, producer=Producer(agent="planner", version="v1", model="scripted:m"))
    ledger.tx_now(handoffs.put, made, digest_of("body"), made.stored())
