"""What a case does without a workflow: its activities one after the other, and the functions that stand in for agents."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from temporalio.testing import ActivityEnvironment

from activities.actions.declared import Targets
from activities.loads.sources import Sources
from activities.resources import Resources
from activities.support.cases import Cases
from activities.support.desks import Desks
from config import Settings
from contracts.desk_rules import answer_of, fields_of, sort
from contracts.runs import RunRef
from contracts.support import ListTickets, ReadTickets, SupportInput, TicketList
from contracts.support_cases import (
    CaseAnswer,
    CaseEnded,
    EndCase,
    Ending,
    LookedUp,
    LookUp,
    OpenCase,
    Sorted,
    TicketFields,
    TicketRef,
)
from contracts.support_checks import doubt, not_due, task_of
from ledger import artifacts
from ledger.db import Ledger
from tests.activities.support.places import Shop

T = TypeVar("T")
RUN = RunRef(trace="trace-1", workflow_id="support-1")


def now(work: Callable[[Any], Awaitable[T]], request: Any) -> T:
    """The answer of one attempt at an activity."""

    async def whole() -> T:
        return await ActivityEnvironment().run(work, request)  # type: ignore[no-any-return]

    return asyncio.run(whole())


@dataclass
class Bench:
    """A worker's desk, and what became of tickets there."""

    shop: Shop
    ledger: Ledger
    run: RunRef = RUN

    @cached_property
    def cases(self) -> Cases:
        """As a worker has them."""
        tables = self.shop.settings(2525)
        read = lambda digest: self.ledger.read_now(artifacts.get, self.ledger.files, digest)  # noqa: E731
        settings = Settings.model_validate({"state": self.shop.folder / "state"} | tables)
        resources = Resources(settings.folders, settings.logs, settings.databases)
        targets = Targets(settings.targets)
        sources = Sources(resources, self.shop.folder / "copies", read)
        return Cases(self.ledger, Desks(resources, targets, settings.desks), sources)

    def read(self, name: str = "tickets.jsonl", **more: Any) -> TicketList:
        """The tickets of a file."""
        asked = SupportInput.read_typed_by_people({"desk": "shop", "folder": "inbox", "file": name} | more)
        return now(self.cases.read_tickets, ReadTickets(run=self.run, asked=asked))

    def page(self, read: TicketList, first: int = 0, last: int = 999) -> tuple[TicketRef, ...]:
        """Tickets that were listed."""
        return now(self.cases.list_tickets, ListTickets(run=self.run, listed=read.listed, first=first, last=last)).tickets

    def dealt_with(self, read: TicketList, ticket: TicketRef) -> tuple[str, CaseAnswer | None]:
        """What becomes of a ticket without a model, and its answer: `refund`, `reply`, or why a person is asked."""
        opened = now(self.cases.open_case, OpenCase(run=self.run, desk="shop", ticket=ticket))
        if opened.known:
            return "known", None
        sorted_ = sort(opened.text, read.guide)
        if sorted_.template:
            return ("template" if read.guide.templates[sorted_.template].text else "no_reply"), None
        return self.decided(read, ticket, sorted_, fields_of(opened.text, read.guide))

    def decided(
        self, read: TicketList, ticket: TicketRef, sorted_: Sorted, fields: TicketFields, answer: CaseAnswer | None = None
    ) -> tuple[str, CaseAnswer | None]:
        """The same, once it is sorted and read; `answer`: what a specialist says, in place of a template."""
        found = self.found(read, ticket, sorted_, fields)
        if found.joined and not found.answered:
            return "joined", None
        if (why := doubt(sorted_, fields, found)) is not None:
            return why[0], None
        answer = answer or answer_of(task_of(read.desk, sorted_, fields, found), read.guide)
        if answer.hand_over:
            return "no_answer", answer
        if answer.refund is not None and not_due(read.desk, answer.refund, found):
            return "not_due", answer
        self.end(ticket, "replied")
        return ("refund" if answer.refund else "reply"), answer

    def found(self, read: TicketList, ticket: TicketRef, sorted_: Sorted, fields: TicketFields) -> LookedUp:
        """What is looked up."""
        return now(self.cases.look_up, LookUp(run=self.run, desk=read.desk, ticket=ticket, sorted=sorted_, fields=fields))

    def end(self, ticket: TicketRef, ending: Ending) -> None:
        """Record an ending."""
        ended = CaseEnded(ticket=ticket.id, ending=ending, category="billing")
        now(self.cases.end_case, EndCase(run=self.run, key=ticket.key, ended=ended))
