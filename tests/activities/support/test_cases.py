"""Tickets without a workflow: two hundred of them, orders in them, and what a person has to be asked."""

import json
from collections import Counter

import pytest

from contracts.actions import ActionTerms
from contracts.rules import Facts, Rule
from contracts.support import SumUp
from contracts.support_cases import CaseAnswer, Refund, Sorted, TicketFields
from contracts.support_checks import refund_arguments, reply_arguments
from contracts.terms import ruling
from ledger.db import Ledger
from tests.activities.support.corpus import ORDERS, written
from tests.activities.support.desk import RUN, Bench, now
from tests.activities.support.places import Shop, ticket
from tests.depth import soak

in_one = pytest.mark.parametrize("shop", ["sqlite", *soak("postgresql")], indirect=True)
"""What is decided of a ticket is decided by what was read, wherever that was."""

ASKED = Sorted(category="billing", urgency="normal", language="en", template="", why="")
FIELDS = TicketFields(wanted="refund", order="AB-1001", cents=None, terms=("twice",), summary="", missing=(), contradictions=())
TERMS = ActionTerms(tier="confirm", reversible="no", accountable="owner")
LARGE = Rule.model_validate(
    {
        "name": "large",
        "why": "a person pays it",
        "action": "support.refund",
        "when": [{"field": "arguments.values.cents", "is": "above", "value": 2000}],
        "tier": "draft",
    }
)


def _answer(cents: int, order: str = "AB-1001") -> CaseAnswer:
    given = Refund(order=order, cents=cents, why="it says so")
    return CaseAnswer(subject="x", reply="y", note="", articles=(), refund=given, hand_over="")


@in_one
def test_two_hundred_tickets_end_as_they_are_written(shop: Shop, ledger: Ledger) -> None:
    """Varied in wording and language; each is answered, joined, or handed to a person for its reason."""
    tickets = written(200)
    shop.known(200)
    shop.file(*(one.line for one in tickets))
    bench = Bench(shop, ledger)
    read = bench.read()
    assert (read.tickets, read.bad_count) == (200, 0)
    wrong = []
    for one, ref in zip(tickets, bench.page(read), strict=True):
        outcome, answer = bench.dealt_with(read, ref)
        if outcome != one.outcome:
            wrong.append((one.line, outcome, one.outcome))
        if answer is not None and answer.refund is not None and outcome == "refund":
            assert (answer.refund.order, answer.refund.cents in (1500, 2500)) == (one.order, True)
    assert not wrong, "\n".join(map(str, wrong))
    met = Counter(one.outcome for one in tickets)
    assert len(met) >= 11, met
    summed = now(bench.cases.sum_up, SumUp(run=RUN))
    assert summed.endings == {"replied": met["refund"] + met["reply"]}
    again = Bench(shop, ledger, RUN.model_copy(update={"trace": "trace-2"}))
    assert {again.dealt_with(read, ref)[0] for ref in again.page(read, 0, 199)} == {"known"}


@in_one
@pytest.mark.parametrize("text", ORDERS)
def test_orders_in_a_ticket_change_no_tier_recipient_or_amount(shop: Shop, ledger: Ledger, text: str) -> None:
    """By code alone, and where sorter, reader and specialist obey all of it; the ticket beside it is answered as ever."""
    shop.file(ticket("E-1", "ann@shop.test", text), ticket("T-1", "bob@shop.test", "CD-2001 was charged twice."))
    bench = Bench(shop, ledger)
    read = bench.read()
    evil, clean = bench.page(read)
    _, answer = bench.dealt_with(read, evil)
    for proposed in (answer, _answer(999_900), _answer(4201), _answer(7700, "CD-2001")):
        if proposed is None or proposed.refund is None:
            continue
        outcome, _ = bench.decided(read, evil, ASKED, FIELDS, proposed)
        if outcome in ("not_due", "wrote_again"):
            continue
        assert (proposed.refund.order, proposed.refund.cents) in {("AB-1001", 4200)}
        arguments = refund_arguments(read.desk, proposed.refund, evil)
        assert (arguments["target"], arguments["statement"]) == ("books", "refund")
        assert ruling("support.refund", TERMS, (LARGE,), Facts(taint=("ticket",)), arguments).tier == "draft"
    reply = reply_arguments(read.desk, evil, bench.found(read, evil, ASKED, FIELDS).address, _answer(1))
    assert (reply["target"], reply["to"]) == ("post", ["ann@shop.test"])
    assert "eve@evil.test" not in json.dumps({**reply, "text": ""})
    outcome, answer = bench.dealt_with(read, clean)
    assert outcome == "refund"
    assert answer is not None
    assert answer.refund is not None
    assert (answer.refund.order, answer.refund.cents) == ("CD-2001", 7700)
