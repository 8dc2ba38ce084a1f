"""The activities of Support: read tickets, open a case, look up what is known, and record how it ended."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar, get_args

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row
from temporalio import activity

from activities.loads.errors import of_the_input
from activities.loads.sources import FileUnusable, Sources
from activities.resources.databases import QueryRefused
from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import beating
from activities.support import tickets
from activities.support.desks import Desks
from activities.support.looking import Look, issue_of
from activities.support.tickets import Bad
from contracts.base import canonical, digest_of, sha256
from contracts.desk_rules import template_text
from contracts.desks import Category, Guide
from contracts.ids import slug
from contracts.runs import Request
from contracts.support import (
    SHOWN,
    CategoryFigures,
    ListTickets,
    ReadTickets,
    SumUp,
    SupportInput,
    SupportSummary,
    TicketFormat,
    TicketList,
    TicketPage,
)
from contracts.support_cases import (
    EndCase,
    EndedCase,
    FilledTemplate,
    FillTemplate,
    LookedUp,
    LookUp,
    OpenCase,
    OpenedCase,
    Ticket,
    TicketRef,
)
from ledger import artifacts, cases, handoffs
from ledger.db import Ledger

T = TypeVar("T")

TRIES = 5
"""How often a database that does not answer is asked before a person hears of it."""

LARGEST = 256 * 1024 * 1024
"""Most bytes of a file of tickets."""

_ENDS: dict[str, TicketFormat] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".mbox": "mbox"}
_READ = {"jsonl": tickets.of_lines, "mbox": tickets.of_mailbox}
_REFS = TypeAdapter(list[TicketRef])


class Cases:
    """Each activity is safe to call twice."""

    def __init__(self, ledger: Ledger, desks: Desks, sources: Sources) -> None:
        self._ledger, self._desks, self._sources = ledger, desks, sources

    @activity.defn
    async def read_tickets(self, request: ReadTickets) -> TicketList:
        """Keep every ticket as it is, and list those that can be read.

        Fails as a refused input for a desk or folder that is not declared, and for a file that is none of tickets.
        """
        async with beating():
            read, listed = await of_the_input(asyncio.to_thread(self._read, request))
            return await self._ledger.tx(self._keep_list, request, read, listed)

    def _read(self, request: ReadTickets) -> tuple[TicketList, list[TicketRef]]:
        asked = request.asked
        desk, guide = self._desks.desk(asked.desk), self._desks.guide(asked.desk)
        good, bad = _told_apart(self._each(asked))
        self._ledger.tx_now(self._keep_texts, request, [one.stored() for one in good], "ticket")
        kept = self._keep_bad(request, bad)
        listed = [_ref(desk.name, number, one, good) for number, one in enumerate(good, 1)]
        read = TicketList(
            desk=desk,
            guide=guide,
            tickets=len(listed),
            listed=sha256(_REFS.dump_json(listed)),
            bad=tuple(one.told() for one in bad[:SHOWN]),
            bad_count=len(bad),
            bad_kept=kept,
        )
        return read, listed

    def _each(self, asked: SupportInput) -> Iterator[Ticket | Bad]:
        if asked.ticket is not None:
            text = asked.ticket
            made = {"id": asked.id or sha256(f"{asked.customer}\n{asked.subject}\n{text}".encode())[:16], "text": text}
            yield tickets.checked("the ticket", made | {"customer": asked.customer, "subject": asked.subject}, text.encode())
            return
        kind = asked.format or next((kind for end, kind in _ENDS.items() if str(asked.file).lower().endswith(end)), None)
        if kind is None:
            raise FileUnusable(f"the name {asked.file} does not say what it holds; give format: jsonl or mbox")
        with self._sources.opened(str(asked.folder), str(asked.file)) as file:
            if file.seek(0, 2) > LARGEST:
                raise FileUnusable(f"{asked.file} has more than {LARGEST} bytes; give it in parts")
            file.seek(0)
            for number, one in enumerate(_READ[kind](file), 1):
                if number > tickets.MOST:
                    raise FileUnusable(f"{asked.file} has more than {tickets.MOST} tickets; give it in parts")
                yield one

    def _keep_bad(self, request: Request, bad: list[Bad]) -> str:
        """Keep those that cannot be read, as they are, in one artifact: JSON lines with the place and the reason."""
        if not bad:
            return ""
        rows = [{"where": one.where, "why": one.why, "data": one.data.decode(errors="replace")} for one in bad]
        whole = b"\n".join(canonical(one) for one in rows)
        return self._ledger.tx_now(self._keep_texts, request, [whole], "tickets that cannot be read")[0]

    def _keep_texts(self, connection: Connection, request: Request, texts: list[bytes], name: str) -> list[str]:
        return [self._kept(connection, request, one, name) for one in texts]

    def _kept(self, connection: Connection, request: Request, data: bytes, name: str) -> str:
        """Keep text from outside. Under its second name no agent but a reader may read it."""
        kept = artifacts.put(connection, self._ledger.files, data, "application/json")
        at = (request.run.trace, request.run.path, kept.digest)
        for one in (name, artifacts.FOR_READERS):
            artifacts.note_seen(connection, *at, one, untrusted=True, sources=("ticket",))
        return kept.digest

    def _keep_list(self, connection: Connection, request: Request, read: TicketList, listed: list[TicketRef]) -> TicketList:
        self._kept(connection, request, _REFS.dump_json(listed), "list of tickets")
        return _with_riders(connection, request, read)

    @activity.defn
    async def list_tickets(self, request: ListTickets) -> TicketPage:
        """Some of the tickets that were listed."""
        data = await self._ledger.read(artifacts.get, self._ledger.files, request.listed)
        page = _REFS.validate_json(data)[request.first : request.last + 1]
        names = {one.name for one in page}
        # Unless the whole of what comes first is asked for: one of an earlier page has ended by now.
        if request.whole:
            names.update(name for one in page for name in one.after)
        page = [one.model_copy(update={"after": tuple(name for name in one.after if name in names)}) for one in page]
        return await self._ledger.tx(_with_riders, request, TicketPage(tickets=tuple(page)))

    @activity.defn
    async def open_case(self, request: OpenCase) -> OpenedCase:
        """Open the case of a ticket, unless it was dealt with before, and give its text."""
        data = await self._ledger.read(artifacts.get, self._ledger.files, request.ticket.artifact)
        opened = await self._ledger.tx(self._opened, request, Ticket.read(data))
        reach("support.opened")
        return opened

    def _opened(self, connection: Connection, request: OpenCase, ticket: Ticket) -> OpenedCase:
        own = {"key": request.ticket.key, "desk": request.desk, "ticket": ticket.id, "text": sha256(ticket.whole().encode())}
        before = cases.begin(connection, request.run, **own)
        known = "" if before is None else f"{before.run} dealt with it: {before.ending or 'still open'}"
        return _with_riders(connection, request, OpenedCase(text=ticket.whole(), known=known))

    @activity.defn
    async def fill_template(self, request: FillTemplate) -> FilledTemplate:
        """The text of a template that ends a ticket at once, as the guide had it when the run began."""
        made = await self._ledger.read(handoffs.get, request.guide)
        guide = made.read_as(Guide) or Guide()
        found = guide.templates.get(request.name)
        filled = FilledTemplate(
            known=found is not None and found.trivial,
            about=found.about if found else "",
            text=template_text(guide, request.name, request.language),
        )
        return await self._ledger.tx(_with_riders, request, filled)

    @activity.defn
    async def look_up(self, request: LookUp) -> LookedUp:
        """What is known of the customer, and whether an earlier case has the issue: from then on this one has it.

        A database that does not answer is asked some times; then `problem` says why.
        """
        async with beating():
            try:
                found = await of_the_input(asyncio.to_thread(Look(self._desks.resources).up, request))
            except QueryRefused as error:
                if activity.info().attempt < TRIES:
                    raise
                found = LookedUp(problem=str(error))
            looked_up = await self._ledger.tx(self._joined, request, found)
            reach("support.looked_up")
            return looked_up

    def _joined(self, connection: Connection, request: LookUp, found: LookedUp) -> LookedUp:
        issue = issue_of(request.desk, request.ticket.customer, request.sorted.category, request.fields)
        window = int(request.desk.window.total_seconds() * 1_000_000)
        joined = cases.join(connection, request.ticket.key, issue, window)
        if joined is not None:
            found = found.model_copy(update={"joined": f"{joined.ticket} in {joined.run}", "answered": joined.answered})
        return _with_riders(connection, request, found)

    @activity.defn
    async def end_case(self, request: EndCase) -> EndedCase:
        """Record how a case ended."""
        return await self._ledger.tx(self._ended, request)

    def _ended(self, connection: Connection, request: EndCase) -> EndedCase:
        ended = request.ended
        cases.end(
            *(connection, request.run, request.key),
            ending=ended.ending,
            category=ended.category,
            by_person=ended.by_person,
            usd_micros=request.usd_micros,
            replied=ended.ending == "replied",
        )
        return _with_riders(connection, request, EndedCase())

    @activity.defn
    async def sum_up(self, request: SumUp) -> SupportSummary:
        """How the cases of this run ended, by category. What joined a case without an answer has none either."""
        return await self._ledger.tx(self._summed_up, request)

    def _summed_up(self, connection: Connection, request: SumUp) -> SupportSummary:
        left = cases.leave(connection, request.run.trace)
        rows = cases.of_run(connection, request.run.trace)
        endings = Counter(row.ending for row in rows if row.ending)
        by: dict[str, list[Row[tuple[object, ...]]]] = {}
        for row in rows:
            by.setdefault(row.category or "other", []).append(row)
        figures = tuple(_figures(name, by[name]) for name in get_args(Category) if name in by)
        return _with_riders(connection, request, SupportSummary(endings=dict(endings), categories=figures, left=tuple(left)))


def _told_apart(each: Iterator[Ticket | Bad]) -> tuple[list[Ticket], list[Bad]]:
    good, bad = dict[str, Ticket](), list[Bad]()
    for one in each:
        if isinstance(one, Bad):
            bad.append(one)
        elif one.id in good:
            bad.append(Bad(one.id[:200], "its id stands in the file more than once; the first counts", one.stored()))
        else:
            good[one.id] = one
    return list(good.values()), bad


def _ref(desk: str, number: int, one: Ticket, good: list[Ticket]) -> TicketRef:
    before = next((at for at, other in enumerate(good, 1) if one.follows and other.id == one.follows), 0)
    return TicketRef(
        id=one.id,
        key=digest_of("support ticket", desk, one.id),
        artifact=sha256(one.stored()),
        customer=one.customer,
        automatic=one.automatic,
        after=(_name(before, good[before - 1]),) if 0 < before < number else (),
        name=_name(number, one),
    )


def _name(number: int, one: Ticket) -> str:
    return f"{number}-{slug(one.id, 20)}"


def _figures(category: Category, rows: list[Row[tuple[object, ...]]]) -> CategoryFigures:
    replied = [row.replied - row.opened for row in rows if row.replied]
    ended = [row.ended - row.opened for row in rows if row.ended]
    alone = sum(1 for row in rows if row.ended and not row.by_person and row.ending != "could_not")
    return CategoryFigures(
        category=category,
        tickets=len(rows),
        replied=len(replied),
        first_reply=_median(replied),
        ended=_median(ended),
        alone=alone * 1000 // len(rows),
        usd_micros=sum(row.usd_micros for row in rows),
    )


def _median(times: list[int]) -> int | None:
    return int(statistics.median(times)) // 1_000_000 if times else None


def _with_riders(connection: Connection, request: Request, answer: T) -> T:
    commit_riders(connection, request)
    return answer
