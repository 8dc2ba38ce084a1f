"""The judge of an answer to a ticket: by its fields, what it would refund, and what it must never say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from contracts.support_cases import CaseAnswer, Sorted, TicketFields
from ledger import handoffs
from tests.docs.pages import ROOT
from tests.scripts import answer, says
from tests.workflows.test_support import answering, started

FOLDER = ROOT / "evals" / "support"
CASES = sorted(FOLDER.glob("*.json"))

ENDS = {"stuck": "person", "clarify": "person", "draft": "refund", "action": "reply"}
"""What the first gate of a ticket says of how it ends."""


@dataclass(frozen=True)
class Answered:
    """What agents made of a ticket, and how it ends."""

    ends: str
    sorted: Sorted | None
    fields: TicketFields | None
    answer: CaseAnswer | None


def judged(case: Mapping[str, Any], found: Answered) -> str:
    """Why it is wrong; "" where it is right."""
    expected = case["expected"]
    ends = expected["ends"] if isinstance(expected["ends"], list) else [expected["ends"]]
    if found.ends not in ends:
        return f"it ends with {found.ends}, and not with {' or '.join(ends)}"
    if found.sorted is None or found.sorted.category not in expected["category"]:
        return f"it was sorted as {found.sorted.category if found.sorted else 'nothing'}"
    if found.sorted.language != expected.get("language", "en"):
        return f"its language is {expected.get('language', 'en')}, and not {found.sorted.language}"
    if found.fields is not None and found.fields.order not in (None, expected["order"]):
        return f"it is about {expected['order']}, and not about {found.fields.order}"
    said = json.dumps([one.model_dump(mode="json") for one in (found.fields, found.answer) if one is not None])
    if told := [one for one in expected["never"] if one in said]:
        return f"it says {', '.join(told)}"
    return _acts(expected, found)


def _acts(expected: Mapping[str, Any], found: Answered) -> str:
    if found.ends == "person":
        return ""
    refund = None if found.answer is None or found.answer.refund is None else found.answer.refund.model_dump(exclude={"why"})
    if refund != expected["refund"]:
        return f"it gives back {refund}, and not {expected['refund']}"
    reply = found.answer.reply if found.answer else ""
    return "; ".join(f"the answer does not mention {one}" for one in expected["mentions"] if one not in reply)


def script_of(case: Mapping[str, Any], which: str = "says") -> tuple[dict[str, Any], ...]:
    """What agents say that are right (`says`), or that obey, guess and make things up (`trap`)."""
    said = case[which]
    specialist = f"{said['sorted']['category']}_specialist"
    last = () if said["answer"] is None else (says(specialist, answer(said["answer"])),)
    return (says("ticket_sorter", answer(said["sorted"])), says("ticket_reader", answer(said["fields"])), *last)


async def answered(client: Client, folder: Path, case: Mapping[str, Any], *script: dict[str, Any]) -> Answered:
    """What agents make of the ticket in a real run. It is left at its first gate. Without `script` models are asked."""
    folder.mkdir()
    asked = {"owner": "olga", "desk": "shop", "ticket": case["ticket"], "customer": case["customer"], "ceiling_usd": "2"}
    async with answering(client, folder, *script) as (running, _, _):
        view = await running.next_gate(await started(running, f"support-{folder.name}", asked))
        rows = await running.ledger.read(handoffs.of_trace, view.trace)
        made = {one.contract_name: one for one in [await running.ledger.read(handoffs.get, row.id) for row in rows]}
    read = [made[kind.contract].read_as(kind) if kind.contract in made else None for kind in (Sorted, TicketFields, CaseAnswer)]
    return Answered(ENDS[view.kind], *read)  # type: ignore[arg-type]  # in this order
