"""What is looked up for a ticket: its customer and their orders in the desk's database, and articles with its words."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from activities.resources import Resources
from activities.resources.databases import QueryRefused, Rows
from contracts.base import digest_of
from contracts.desks import Desk
from contracts.effects.email_send import Address
from contracts.sinks import plain
from contracts.step_resources import Database, Folder
from contracts.support_cases import LookedUp, LookUp, Order, TicketFields
from contracts.text import one_line

ORDERS, ARTICLES = 50, 5
"""Most orders and articles that a specialist is told of."""

_ADDRESS = TypeAdapter(Address)


@dataclass(frozen=True)
class Look:
    """Reads the declared resources of a desk."""

    resources: Resources

    def up(self, asked: LookUp) -> LookedUp:
        """All of it. Raises `QueryRefused` where the database does not answer, or its queries are no such ones."""
        desk, customer = asked.desk, asked.ticket.customer
        reader, address = self.resources.database(Database(name=desk.database)), {"address": customer}
        known = reader.run(desk.customer, address, 2)
        if len(known.rows) > 1:
            raise QueryRefused(f"the query {desk.customer} gives more than one customer for an address; correct its sql")
        orders = reader.run(desk.orders, address, ORDERS)
        root = self.resources.folder(Folder(name=desk.knowledge))
        articles = self.resources.knowledge.find(root, asked.fields.terms, ARTICLES)
        return LookedUp(
            customer=tuple(_said(known, row) for row in known.rows),
            address=_address(known, customer),
            orders=tuple(_order(desk, orders, row) for row in orders.rows),
            articles=articles,
        )


def issue_of(desk: Desk, customer: str, category: str, fields: TicketFields) -> str:
    """The digest of an issue: its desk, its customer, what is wanted, and of which order; without one, by which words."""
    # Rather two answers than a question that nobody answers: without an order only the same words are the same issue.
    about = ("order", fields.order) if fields.order else (category, *sorted({plain(one) for one in fields.terms}))
    return digest_of("support issue", desk.name, customer, fields.wanted, *about)


def _order(desk: Desk, rows: Rows, row: tuple[Any, ...]) -> Order:
    found = dict(zip(rows.columns, row, strict=True))
    try:
        return Order(order=str(found["order"]), cents=int(found["cents"]), row=_said(rows, row))
    except (KeyError, TypeError, ValueError):
        raise QueryRefused(
            f"the query {desk.orders} has to give the columns order and cents, cents a whole number; it gives "
            f"{', '.join(rows.columns)}"
        ) from None


def _address(rows: Rows, asked: str) -> str:
    """Where the customer is answered: at the address that the database has; the one that was asked for, if it names none."""
    if not rows.rows:
        return ""
    found = dict(zip(rows.columns, rows.rows[0], strict=True)).get("address", asked)
    try:
        return _ADDRESS.validate_python(found)
    except ValidationError:
        return ""


def _said(rows: Rows, row: tuple[Any, ...]) -> str:
    return one_line("; ".join(f"{name}: {value}" for name, value in zip(rows.columns, row, strict=True)), 1000)
