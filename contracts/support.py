"""Support's contracts: tickets in, an ending for each of them, and figures for each category."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from contracts.base import Command, Contract, Digest, Line, PerMille, is_empty
from contracts.desks import Category, Desk, Guide
from contracts.effects.email_send import Address
from contracts.ids import slug
from contracts.inputs import PipelineInput, Typed
from contracts.money import usd
from contracts.outside import From
from contracts.reports import Reading, Report
from contracts.runs import Request
from contracts.step_resources import NAME
from contracts.support_cases import (
    BadTicket,
    CaseAnswer,
    CaseEnded,
    CaseInput,
    CaseTask,
    Ending,
    Escalation,
    Sorted,
    Ticket,
    TicketFields,
    TicketRef,
)
from contracts.text import amount

TicketFormat = Literal["jsonl", "mbox"]

REPLY, REFUND, NOTE = "support.reply", "support.refund", "note"
"""The types of action of policy.toml that answer, give money back, and tell the team."""

SHOWN = 20
"""Most tickets that a report names."""


class SupportInput(PipelineInput, name="support_input/1"):
    """Tickets of a declared desk: a file of them below a declared folder, or one by itself."""

    desk: Annotated[Line, Typed("-d")] = Field(pattern=NAME, description="which [desks.NAME] of the worker's baton.toml")
    folder: Line | None = Field(default=None, pattern=NAME, description="which [folders.NAME] the file is below")
    file: Annotated[Line | None, Typed("-f")] = Field(
        default=None, min_length=1, max_length=1000, description="path of a file of tickets below the folder"
    )
    format: TicketFormat | None = Field(default=None, description="jsonl or mbox; None: by the end of the file's name")
    ticket: Annotated[Command | None, Typed("-t", "content"), From("ticket")] = Field(
        default=None, min_length=1, max_length=40_000, description="the text of one ticket, in place of a file"
    )
    customer: Annotated[Address | None, From("ticket")] = Field(
        default=None, description="with ticket: the mail address of whoever wrote it"
    )
    subject: Annotated[Line, From("ticket")] = Field(default="", max_length=300, description="with ticket: its subject")
    id: Annotated[Line | None, From("ticket")] = Field(
        default=None, min_length=1, max_length=200, description="with ticket: its number, answered once; None: its digest"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.ticket is None):
            raise ValueError("give either a file of tickets, or one ticket by itself")
        if self.file is not None:
            if self.folder is None:
                raise ValueError("name the folder of the file")
            if self.customer or self.subject or self.id:
                raise ValueError("customer, subject and id are for one ticket: in a file each ticket has its own")
        elif self.folder is not None or self.format is not None:
            raise ValueError("folder and format are for a file of tickets")
        elif self.customer is None:
            raise ValueError("name the customer who wrote the ticket, by mail address")
        return self

    def label(self) -> str:
        """The desk."""
        return slug(self.desk)

    def asks(self) -> str:
        """Which tickets of which desk."""
        return f"answer {f'the tickets of {self.file}' if self.file else 'a ticket'} for {self.desk}"


class ReadTickets(Request, name="support_read_tickets/1"):
    """Ask for the tickets that a run is given, each kept as it is, and for the desk that they are for."""

    asked: SupportInput


class TicketList(Contract, name="support_ticket_list/1", brief=True):
    """How many tickets there are, where they are listed, and which cannot be read."""

    desk: Desk
    guide: Guide
    tickets: int
    listed: Digest = Field(description="the artifact with the list of all that can be read")
    bad: tuple[BadTicket, ...] = Field(default=(), description="the first of those that cannot be read")
    bad_count: int = 0
    bad_kept: str = Field(default="", description="the artifact with all of these, as they are")


class ListTickets(Request, name="support_list_tickets/1"):
    """Ask for some of the listed tickets, by number from 0."""

    listed: Digest
    first: int
    last: int = Field(description="inclusive")
    whole: bool = Field(
        default=False, exclude_if=is_empty, description="with what each comes after, also where that is on an earlier page"
    )


class TicketPage(Contract, name="support_ticket_page/1", brief=True):
    """Some of the listed tickets."""

    tickets: tuple[TicketRef, ...]


class SumUp(Request, name="support_sum_up/1"):
    """Ask how the cases of this run ended, by category."""


class CategoryFigures(Contract):
    """Figures of the cases of one category. Times are from the case's opening, in seconds; None: there is none to tell."""

    category: Category
    tickets: int
    replied: int = 0
    first_reply: int | None = Field(default=None, description="median seconds to the first answer")
    ended: int | None = Field(default=None, description="median seconds to the end")
    alone: PerMille = Field(default=0, description="share that was finished without a person")
    usd_micros: int = 0

    def said(self) -> str:
        """In one line."""
        times = [f"first answer after {self.first_reply} s" if self.first_reply is not None else "no answer"]
        times += [f"end after {self.ended} s"] if self.ended is not None else []
        return (
            f"{amount(self.tickets, 'ticket')}, {', '.join(times)}, {self.alone / 10:.0f} % without a person, "
            f"{usd(self.usd_micros)}"
        )


class SupportSummary(Contract, name="support_summary/1", brief=True):
    """What became of the tickets of a run."""

    endings: dict[Ending, int] = Field(default={})
    categories: tuple[CategoryFigures, ...] = ()
    left: tuple[Annotated[str, From("ticket")], ...] = Field(
        default=(), description="tickets that joined a case which was left without an answer"
    )


class SupportReport(Report, name="support_report/1"):
    """How the tickets of a run ended."""

    desk: str = ""
    tickets: int = 0
    endings: dict[Ending, int] = Field(default={})
    categories: tuple[CategoryFigures, ...] = ()
    cases: tuple[CaseEnded, ...] = Field(default=(), description="the first cases, those that need somebody before others")
    bad: tuple[BadTicket, ...] = ()
    bad_count: int = 0
    bad_kept: str = ""

    def reading(self) -> Reading:
        """Endings, figures by category, and the tickets that somebody has to look at."""
        ended = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(self.endings.items()))
        unread = f"{amount(self.bad_count, 'ticket')}, kept in {self.bad_kept}" if self.bad_count else ""
        lines = (("desk", self.desk), ("tickets", str(self.tickets)), ("ended", ended), ("unreadable", unread))
        figures = tuple((one.category, one.said()) for one in self.categories)
        cases = tuple((one.ticket, f"{one.ending}{f': {one.reason}' if one.reason else ''}") for one in self.cases[:SHOWN])
        bad = tuple((one.where, one.why) for one in self.bad[:SHOWN])
        return Reading(lines, tuple(table for table in (figures, cases, bad) if table))


INPUT, REPORT = SupportInput, SupportReport
EXAMPLE: dict[str, Any] = {"desk": "shop", "folder": "inbox", "file": "tickets.jsonl"}
CONTRACTS: tuple[type[Contract], ...] = (
    CaseAnswer,
    CaseEnded,
    CaseInput,
    CaseTask,
    Escalation,
    Guide,
    Sorted,
    SupportInput,
    SupportReport,
    Ticket,
    TicketFields,
)
