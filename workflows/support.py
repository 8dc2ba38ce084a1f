"""Support: read the tickets → a case for each, side by side → figures by category."""

from collections.abc import Coroutine, Sequence
from typing import Any

from temporalio import workflow

from activities.support.cases import Cases
from contracts.handoff import Handoff
from contracts.inputs import RunContext
from contracts.support import (
    NOTE,
    REFUND,
    REPLY,
    SHOWN,
    ListTickets,
    ReadTickets,
    SumUp,
    SupportInput,
    SupportReport,
    SupportSummary,
    TicketList,
    TicketPage,
)
from contracts.support_cases import CaseEnded, CaseInput, TicketRef
from contracts.text import amount
from workflows.kit.changes import SLOTS_BACK
from workflows.kit.ends import Ended
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.handoffs import made_by_us
from workflows.kit.options import LEDGER, WORK
from workflows.kit.pipeline import Pipeline
from workflows.kit.slots import Slots, overlapping
from workflows.support_acts import Case
from workflows.support_case import AGENTS, DEADLINE, GATES, SupportCase, deal_with

TOGETHER = 50
"""Tickets that are dealt with at the same time, besides those that wait for a person. They are listed in pages of as many."""


@workflow.defn(name="Support")
class Support(Pipeline[SupportInput, SupportReport]):
    """From tickets to an ending for each of them."""

    reports, first = SupportReport, "the tickets are read"
    agents, gates, actions = AGENTS, GATES, (REPLY, REFUND, NOTE)

    def __init__(self) -> None:
        super().__init__()
        self.read: TicketList | None = None
        self.cases: list[CaseEnded] = []
        self.summary = SupportSummary()

    @workflow.run
    async def run(self, asked: SupportInput) -> SupportReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    async def story(self, asked: SupportInput) -> None:
        """Every ticket has an ending, or is named as one that cannot be read."""
        kit = self.kit
        read = self.read = await kit.do(Cases.read_tickets, ReadTickets(run=kit.ref, asked=asked), "tickets: read", **WORK)
        unread = f"{amount(read.bad_count, 'ticket')} cannot be read" if read.bad_count else ""
        kit.note(f"read {amount(read.tickets, 'ticket')} for {read.desk.name}", unread, "each gets a case of its own")
        guide = kit.keep(made_by_us(kit.at("guide"), "desk", "done", "", read.guide))
        await kit.flush()
        kit.enter("answer", f"{amount(read.tickets, 'ticket')}, {TOGETHER} at a time")
        if asked.ticket is None and kit.knows(SLOTS_BACK):
            await self._page_by_page(read, guide.id)
        else:
            for first in range(0, read.tickets, TOGETHER):
                await self._together(read, guide.id, first, single=asked.ticket is not None)
        self.summary = await kit.do(Cases.sum_up, SumUp(run=kit.ref), "cases: sum up", **LEDGER)
        left = {"ending": "could_not", "reason": "the case that it joined has no answer"}
        self.cases = [one.model_copy(update=left) if one.ticket in self.summary.left else one for one in self.cases]
        open_ = [one for one in self.cases if one.ending == "could_not"]
        if open_:
            named = ", ".join(one.ticket for one in open_[:10])
            raise Ended(f"{len(open_)} of {amount(read.tickets, 'ticket')} have no answer: {named}"[:2000])

    async def _page_by_page(self, read: TicketList, guide: str) -> None:
        """A page begins when there is room for more, also while tickets of earlier ones wait for people."""
        slots = Slots(self.kit, TOGETHER, shared=True)

        async def begin(number: int) -> Coroutine[Any, Any, None]:
            first = number * TOGETHER
            page = await self._listed(read, first, whole=True)
            return self._dealt_with(read, guide, first, page.tickets, slots)

        await overlapping(self.kit, slots, -(-read.tickets // TOGETHER), begin)

    async def _together(self, read: TicketList, guide: str, first: int, *, single: bool) -> None:
        page = await self._listed(read, first)
        if single:
            self.cases += [await deal_with(Case(self.kit, read.desk, guide, one)) for one in page.tickets]
        else:
            await self._dealt_with(read, guide, first, page.tickets)

    async def _listed(self, read: TicketList, first: int, *, whole: bool = False) -> TicketPage:
        last = min(first + TOGETHER, read.tickets) - 1
        request = ListTickets(run=self.kit.ref, listed=read.listed, first=first, last=last, whole=whole)
        return await self.kit.do(Cases.list_tickets, request, f"tickets: {first + 1} to {last + 1}", **LEDGER)

    async def _dealt_with(
        self, read: TicketList, guide: str, first: int, page: Sequence[TicketRef], slots: Slots | None = None
    ) -> None:
        path = "ticket" if first == 0 else f"ticket-{first // TOGETHER + 1}"
        children, by_name = [_child(read, guide, one) for one in page], {one.name: one for one in page}
        bounds: Any = {"limit": TOGETHER, "deadline": DEADLINE, "slots": slots}
        ended = await fan_out(self.kit, path, SupportCase.run, children, summary="ticket", **bounds)
        self.cases += [_ended(by_name[name], handoff) for name, handoff in ended.items()]

    def report(self) -> dict[str, Any]:
        """What became of the tickets, as far as the run got."""
        if self.read is None:
            return {}
        first = sorted(self.cases, key=lambda one: (one.ending != "could_not", not one.asked))
        known = self.read.model_dump(include={"tickets", "bad", "bad_count", "bad_kept"})
        return (
            known
            | self.summary.model_dump(include={"endings", "categories"})
            | {"desk": self.read.desk.name, "cases": tuple(first[:SHOWN])}
        )


def _child(read: TicketList, guide: str, ticket: TicketRef) -> Child[CaseInput]:
    def make(context: RunContext, done: dict[str, Handoff[Any]]) -> CaseInput:
        del done
        return CaseInput(context=context, desk=read.desk, guide=guide, ticket=ticket)

    return Child(ticket.name, ticket.after, make)


def _ended(ticket: TicketRef, handoff: Handoff[Any]) -> CaseEnded:
    """How a case ended; one whose child failed, or was never started, has no answer."""
    if handoff.body is None:
        return CaseEnded(ticket=ticket.id, ending="could_not", reason=handoff.reason[:1000])
    return handoff.read_as(CaseEnded) or CaseEnded(ticket=ticket.id, ending="could_not", reason=handoff.reason[:1000])
