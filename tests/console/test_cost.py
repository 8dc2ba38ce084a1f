"""The money in the browser: what is spent, reserved, not known and unmetered, and ceilings that are set on what was shown."""

import asyncio
import html
import re
from datetime import UTC, datetime

import pytest

from contracts.gates import GateView
from contracts.money import CeilingRefused, Ceilings, Levels
from contracts.programs import UNMETERED
from ledger import artifacts, gates
from ledger.db import Ledger
from ledger.money import ceilings, spend
from ledger.money.spend import About, Scope
from ledger.views import feed
from ledger.views.feed import Filter
from tests import children
from tests.console.filled import spends
from tests.console.serving import Served, Signalled, Visitor, forms_of, served, settings_of
from tests.ledger import samples
from tests.ledger.contents import begin

MONTH = f"month:{datetime.now(UTC):%Y-%m}"


async def _set(visitor: Visitor, scope: str, to: str, path: str = "/cost", /, **fields: str) -> tuple[int, str]:
    """Send the form that the page has for a ceiling, with other fields if wanted; the answer's status and its words."""
    page = (await visitor.get(path)).text
    shown = re.search(rf'name="scope" value="{re.escape(scope)}">\s*<input type="hidden" name="seen" value="(\d+)"', page)
    sent = {"session": forms_of(page), "scope": scope, "to": to, "seen": shown[1] if shown else "", "why": "the bill"}
    answer = await visitor.post("/cost/raise", **(sent | fields))
    return answer.status_code, html.unescape(answer.text)


def _is(ledger: Ledger, scope: str) -> int | None:
    return ledger.read_now(ceilings.ceiling_of, scope)


async def test_the_page_tells_apart_what_is_spent_reserved_not_known_and_unmetered(console: Served) -> None:
    """In words and numbers, with pictures beside them; filters stand in the address."""
    begin(console.ledger)
    about = About("trace-1", "plan", "shop", "planner", "openai:small")
    for call, amount, cost in (("a", 2_000_000, 1_000_000), ("b", 300_000, None)):
        made = _reserve(console.ledger, call, amount, about)
        console.ledger.tx_now(spend.settle, made, cost)
    spends(console.ledger, 70_000, agent="writer", model="openai:large", project="shop")
    outside = _reserve(console.ledger, "c", 0, About("trace-1", "plan", "shop", "coder", "command:other"), UNMETERED)
    console.ledger.tx_now(spend.settle, outside, 0)
    olga = await console.signed_in()
    page = (await olga.get("/cost")).text
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    assert "spent$1.30 + unmetered, 4 calls" in text
    assert "reserved by what is in flight$0.07, 1 call" in text
    assert "$0.30: 1 call is charged in full, as nobody knows the real cost" in text
    assert "charged bylist (1), prices 1 (2), unmetered (1)" in text
    assert re.search(r'coder</a></th>\s*<td class="money"><span class="unmetered">unmetered</span></td>', page)
    assert (page.count("<svg") > 3, '<title id="days-title">Spent by day' in page, " style=" in page) == (True, True, False)
    only = (await olga.get("/cost?by=model&agent=planner")).text
    assert (">openai:small</a>" in only, ">openai:large</a>" in only) == (True, False)
    document = (await olga.get("/cost?by=day", accept="application/json")).json()
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert [(one["name"], one["spent"]) for one in document["groups"]] == [(today, 1_300_000)]
    assert document["total"]["unknown"] == 300_000
    assert document["month"]["spent"] == 1_300_000
    older = (await olga.get("/cost?until=2020-02&since=2020-01", accept="application/json")).json()
    assert (older["total"]["spent"], older["month"]["spent"]) == (0, 1_300_000)


def _reserve(ledger: Ledger, call: str, amount: int, about: About, prices: str = "prices 1") -> str:
    scopes = [Scope("run:trace-1", 5_000_000), Scope(MONTH, 9_000_000)]
    return ledger.tx_now(spend.reserve, call, scopes, amount, price_version=prices, worker="w", about=about)


@pytest.mark.parametrize("query", ["by=nothing", "since=yesterday", "until=2020-01"])
async def test_what_cannot_be_asked_for_is_told(console: Served, query: str) -> None:
    """As what is wrong with the address, and not as a fault of the console."""
    olga = await console.signed_in()
    assert (await olga.get(f"/cost?{query}")).status_code == 400


async def test_a_ceiling_is_set_on_what_was_shown_and_those_who_wait_are_woken(ledger: Ledger) -> None:
    """With amount and reason, on the feed with who and from where; a page that is out of date sets nothing and says who did."""
    begin(ledger)
    spends(ledger)
    refused = CeilingRefused(scope=MONTH, ceiling=9_000_000, wanted=10_000_000)
    ledger.tx_now(gates.open_gate, samples.opening(_gate(refused)))
    ledger.tx_now(ceilings.trip_open, "trace-1", "ceiling-1", "default", refused)
    temporal = Signalled()
    settings = settings_of(ledger, ceilings=Ceilings(month_usd=9, projects={"shop": Levels(month_usd=9)}))
    async with served(ledger, connect=temporal.connect, settings=settings) as console:
        olga, erik = await console.signed_in("olga"), await console.signed_in("erik")
        status, text = await _set(olga, MONTH, "20")
        assert (status, _is(ledger, MONTH)) == (303, 20_000_000), text
        async with asyncio.timeout(children.PATIENCE):
            assert await temporal.told.get() == ("delivery-trace-1", "nudge")
        (line,) = ledger.read_now(feed.newest, Filter(stage="money"), 9, before=None, details=True)
        assert (line.actor, line.channel, line.why) == ("olga", "console", "the bill")
        status, text = await _set(erik, MONTH, "30", seen="9000000")
        assert (status, _is(ledger, MONTH)) == (409, 20_000_000)
        assert "the ceiling is $20.00 now, and not $9.00 as was shown; olga has set it: the bill" in text
        status, text = await _set(erik, MONTH, "5")
        assert (status, "is lower than the ceiling of $20.00" in text) == (409, True)
        assert (await _set(erik, MONTH, "5", lower="1"))[0] == 303
        assert _is(ledger, MONTH) == 5_000_000


async def test_a_shared_ceiling_is_raised_at_the_gate_that_waits_for_it(ledger: Ledger) -> None:
    """By whoever operates, on what the gate shows; never lowered there, nor at a gate of another kind, or a closed one."""
    begin(ledger)
    spends(ledger)
    refused = CeilingRefused(scope=MONTH, ceiling=9_000_000, wanted=10_000_000)
    about = {"subject": ledger.tx_now(artifacts.put, ledger.files, b"what it is about").digest}
    for view in (_gate(refused), samples.view("plan-1")):
        ledger.tx_now(gates.open_gate, samples.opening(view.model_copy(update=about)))
    ledger.tx_now(ceilings.trip_open, "trace-1", "ceiling-1", "default", refused)
    at, temporal = "/runs/trace-1/gates/ceiling-1", Signalled()
    settings = settings_of(ledger, ceilings=Ceilings(month_usd=9, projects={"shop": Levels(month_usd=9)}))
    async with served(ledger, connect=temporal.connect, settings=settings) as console:
        olga = await console.signed_in("olga")
        page = (await olga.get(at)).text
        assert (f'action="{at}/raise"' in page, 'name="seen" value="9000000"' in page) == (True, True)
        form = {"session": forms_of(page), "seen": "9000000", "to": "20", "why": "the bill"}
        wrongs: tuple[tuple[str, dict[str, str], str], ...] = (
            (at, {"to": "5", "lower": "1"}, "is lower than the ceiling of $9.00"),
            (at, {"why": ""}, "say why"),
            (at, {"seen": "1"}, "the ceiling is $9.00 now, and not"),
            ("/runs/trace-1/gates/plan-1", {}, "plan-1 asks for no ceiling that runs share"),
        )
        for path, wrong, why in wrongs:
            answer = await olga.post(f"{path}/raise", None, **(form | wrong))
            assert (answer.status_code, why in html.unescape(answer.text)) == (409, True), answer.text
        assert _is(ledger, MONTH) == 9_000_000
        assert (await olga.post(f"{at}/raise", None, **form)).status_code == 303
        assert _is(ledger, MONTH) == 20_000_000
        async with asyncio.timeout(children.PATIENCE):
            assert await temporal.told.get() == ("delivery-trace-1", "nudge")
        ledger.tx_now(gates.close_left_over, "trace-1")
        answer = await olga.post(f"{at}/raise", None, **(form | {"seen": "20000000", "to": "30"}))
        assert (answer.status_code, "is not open any more" in answer.text) == (409, True)


def _gate(refused: CeilingRefused) -> GateView:
    return samples.view("ceiling-1", kind="ceiling", ceiling=refused, verbs=("raise_ceiling", "stop"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"why": ""}, "say why"),
        ({"to": "1e9"}, "the new ceiling '1e9' is not an amount in US dollars"),
        ({"seen": ""}, "does not say which ceiling it was shown with"),
        ({"scope": "run:nobody"}, "A ceiling is named by a run id"),
        ({"scope": "everything"}, "this is no ceiling that can be set here"),
        ({"scope": "month:2020-13"}, "is not a month"),
    ],
)
async def test_what_is_not_whole_sets_nothing(console: Served, fields: dict[str, str], why: str) -> None:
    """And says what is missing."""
    begin(console.ledger)
    spends(console.ledger)
    olga = await console.signed_in()
    status, text = await _set(olga, "run:trace-1", "20", "/cost?run=trace-1", **fields)
    assert (status in {404, 409}, why in text) == (True, True), text
    assert (_is(console.ledger, "run:trace-1"), _is(console.ledger, MONTH)) == (2_000_000, 9_000_000)


async def test_a_runs_own_ceiling_is_raised_here_unless_it_asks_at_a_gate(console: Served) -> None:
    """Then the gate is where to say it."""
    begin(console.ledger)
    spends(console.ledger)
    olga = await console.signed_in()
    assert (await _set(olga, "run:trace-1", "3", "/cost?run=trace-1"))[0] == 303
    assert _is(console.ledger, "run:trace-1") == 3_000_000
    status, text = await _set(olga, "run:trace-1", "2", "/cost?run=trace-1")
    assert (status, "is not above that" in text) == (409, True)
    refused = CeilingRefused(scope="run:trace-1", ceiling=3_000_000, wanted=10_000_000)
    console.ledger.tx_now(gates.open_gate, samples.opening(_gate(refused)))
    page = (await olga.get("/cost?run=trace-1")).text
    assert ('href="/runs/trace-1/gates/ceiling-1"' in page, "<summary" in page) == (True, False)
    status, text = await _set(olga, "run:trace-1", "9", "/cost?run=trace-1", seen="3000000")
    assert (status, "waits at its ceiling: decide at its gate ceiling-1" in text) == (409, True)
    assert _is(console.ledger, "run:trace-1") == 3_000_000
