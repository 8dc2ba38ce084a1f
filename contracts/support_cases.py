"""What the steps of Support exchange about one ticket: its fields, what is known of its customer, and its answer."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, Digest, is_empty, is_none
from contracts.desks import TEXT, Category, Desk, Language, Urgency, Wanted
from contracts.inputs import ChildInput
from contracts.outside import From
from contracts.runs import Request
from contracts.step_resources import Name

Ending = Literal["replied", "no_reply", "joined", "known", "by_person", "could_not"]
"""replied: the customer has an answer. no_reply: none is wanted, as for an automatic mail. joined: an earlier case is about the
same. known: this very ticket was dealt with before. by_person: a person has taken it over. could_not: nobody has answered."""

Reason = Literal[
    "", "ambiguous", "incomplete", "contradictory", "unsure", "no_answer", "not_due", "wrote_again", "refund", "out_of_reach"
]
"""Why a person is asked. `not_due`: more was to be refunded than the order allows. `refund`: it was to be refunded, and was
not."""

Short = Annotated[str, Field(max_length=200)]
Term = Annotated[str, Field(max_length=40)]
OrderNumber = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$", max_length=40)]
Cents = Annotated[int, Field(ge=0, le=100_000_000)]


class Sorted(Contract, name="support_sorted/1"):
    """What a ticket is about, for whoever deals with it next."""

    category: Category
    urgency: Urgency
    language: Language = Field(max_length=2)
    template: Term = Field(description="the guide's template that ends this ticket at once; empty: it is not trivial")
    why: Short = Field(description="why it is this category, in your own words")


class TicketFields(Contract, name="support_fields/1"):
    """All that anybody but the reader is told of a ticket."""

    wanted: Wanted
    order: OrderNumber | None = Field(description="number of the order that it is about; null if none, or several, are named")
    cents: Cents | None = Field(description="the amount that is asked back, in cents; null if none is named")
    terms: tuple[Term, ...] = Field(max_length=12, description="words to look up in the knowledge folder")
    summary: str = Field(max_length=600, description="what they want and why, in your own words")
    missing: tuple[Short, ...] = Field(max_length=5, description="what has to be known and the ticket does not say")
    contradictions: tuple[Short, ...] = Field(max_length=5, description="what the ticket says in two ways")


class Order(Contract):
    """An order of the customer, as the desk's database has it."""

    order: str
    cents: int = Field(description="what may still be refunded")
    row: str = Field(default="", description="the whole row, as text")


class Article(Contract):
    """A part of an article of the knowledge folder."""

    path: str
    title: str
    text: str


class CaseTask(Contract, name="support_task/1"):
    """A specialist's task: fields that a reader has made, and what code has looked up for them. Never the ticket itself."""

    desk: str
    about: str
    category: Category
    urgency: Urgency
    language: Language
    fields: TicketFields
    customer: tuple[str, ...] = Field(default=(), description="what the database says of the customer; empty: not known")
    orders: tuple[Order, ...] = ()
    articles: tuple[Article, ...] = ()


class Refund(Contract):
    """What is to be given back."""

    order: OrderNumber
    cents: int = Field(ge=1, le=100_000_000)
    why: Short


class CaseAnswer(Contract, name="support_answer/1"):
    """A specialist's answer to one ticket. What is done with it is decided by code, policy and people."""

    subject: Annotated[str, Field(max_length=200)]
    reply: str = Field(max_length=TEXT, description="what the customer is told; empty only where a person has to answer")
    note: str = Field(max_length=2000, description="what the team should know; the customer does not see it")
    articles: tuple[Short, ...] = Field(max_length=5, description="paths of the articles that the answer rests on")
    refund: Refund | None = Field(description="what is to be given back; null: nothing")
    hand_over: Annotated[str, Field(max_length=1000)] = Field(description="why a person has to answer; empty: nobody has to")


class TicketRef(Contract):
    """A ticket by reference: what its envelope says, and the artifact with the whole of it."""

    id: Annotated[str, From("ticket")]
    key: Digest = Field(description="digest of desk and id: the same in every run")
    artifact: Digest
    customer: Annotated[str, From("ticket")] = Field(description="address of whoever wrote it")
    automatic: bool = Field(default=False, exclude_if=is_empty, description="a program wrote it")
    after: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="names of tickets that come first")
    name: str = Field(description="short name, for the path of its case")


class Ticket(Contract, name="support_ticket/1"):
    """A ticket as it was written. Only readers and people see it."""

    id: Annotated[str, From("ticket")]
    customer: Annotated[str, From("ticket")]
    subject: Annotated[str, From("ticket")] = ""
    text: Annotated[str, From("ticket")] = ""
    automatic: bool = False
    follows: Annotated[str, From("ticket")] = ""

    def whole(self) -> str:
        """Subject and text: what a reader is given."""
        return f"{self.subject}\n\n{self.text}" if self.subject else self.text


class BadTicket(Contract):
    """A ticket that cannot be read: where it stands, and why."""

    where: str
    why: str


class CaseInput(ChildInput, name="support_case_input/1"):
    """One ticket for the child workflow that deals with it."""

    desk: Desk
    guide: Digest = Field(description="the handoff that has the desk's guide")
    ticket: TicketRef


class OpenCase(Request, name="support_open_case/1"):
    """Ask for a ticket's text and for whether it was dealt with before."""

    desk: Name
    ticket: TicketRef


class OpenedCase(Contract, name="support_opened_case/1", brief=True):
    """A case that has been opened. `known`: where this very ticket was dealt with before; empty: nowhere."""

    text: Annotated[str, From("ticket")] = ""
    known: str = ""


class FillTemplate(Request, name="support_fill_template/1"):
    """Ask for the text of a template that ends a ticket at once."""

    guide: Digest
    name: str
    language: str


class FilledTemplate(Contract, name="support_filled_template/1", brief=True):
    """The text; empty where nobody is answered. `known`: the guide has such a template."""

    known: bool
    about: str = ""
    text: str = ""


class LookUp(Request, name="support_look_up/1"):
    """Ask what is known of a customer and an issue, and whether an earlier case is about the same."""

    desk: Desk
    ticket: TicketRef
    sorted: Sorted
    fields: TicketFields


class LookedUp(Contract, name="support_looked_up/1", brief=True):
    """What code found for a specialist. `joined`: the earlier case about the same issue; empty: there is none."""

    customer: tuple[str, ...] = ()
    address: str = Field(default="", description="the customer's address as the database has it; empty: not known there")
    orders: tuple[Order, ...] = ()
    articles: tuple[Article, ...] = ()
    problem: str = Field(default="", description="why the database or the folder did not answer; empty: it did")
    joined: str = ""
    answered: bool = Field(default=False, description="the earlier case has its answer, and this ticket says something else")


class CaseEnded(Contract, name="support_case_ended/1"):
    """How a case ended."""

    ticket: Annotated[str, From("ticket")]
    ending: Ending
    category: Category = "other"
    reason: str = ""
    asked: Reason = Field(default="", description="why a person was asked; empty: for nothing but what policy wants")
    reply: str = Field(default="", description="state of the answer; empty: there was none")
    refund: str = Field(default="", description="state of the refund; empty: there was none")
    by_person: bool = Field(default=False, description="a person decided something in it")
    degraded: bool = Field(default=False, description="a fallback did a step of it")


class EndCase(Request, name="support_end_case/1"):
    """Ask to record how a case ended, and what it cost."""

    key: Digest
    ended: CaseEnded
    usd_micros: int = 0


class EndedCase(Contract, name="support_ended_case/1", brief=True):
    """That it is recorded."""


class Escalation(Contract, name="support_escalation/1"):
    """Everything that was gathered about a ticket, for the person who answers it."""

    why: Reason
    said: str
    ticket: Ticket
    sorted: Sorted | None = Field(default=None, exclude_if=is_none)
    fields: TicketFields | None = Field(default=None, exclude_if=is_none)
    found: LookedUp | None = Field(default=None, exclude_if=is_none)
    answer: CaseAnswer | None = Field(default=None, exclude_if=is_none)

    def facts(self) -> tuple[str, ...]:
        """What a gate shows of it, a line each."""
        lines = [f"from {self.ticket.customer}"]
        if self.sorted is not None:
            lines.append(
                f"{self.sorted.category}, urgency {self.sorted.urgency}, language {self.sorted.language}: {self.sorted.why}"
            )
        if self.fields is not None:
            named = (
                f"order {self.fields.order}" if self.fields.order else "",
                f"{self.fields.cents} cents" if self.fields.cents else "",
            )
            lines.append(", ".join((f"wanted: {self.fields.wanted}", *(one for one in named if one))))
            lines.append(f"summary: {self.fields.summary}")
        if self.found is not None:
            lines += [f"customer: {one}" for one in self.found.customer]
            lines += [f"order: {one.row}" for one in self.found.orders]
            lines += [f"article {one.path}: {one.title}" for one in self.found.articles]
        if self.answer is not None:
            lines += [f"note: {self.answer.note}"] if self.answer.note else []
            lines += [f"proposed answer: {self.answer.reply}"] if self.answer.reply else []
            given = self.answer.refund
            lines += [f"proposed refund: {given.cents} cents of order {given.order}: {given.why}"] if given else []
        return tuple(lines)
