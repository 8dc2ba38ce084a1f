"""What code decides about a ticket: whether a person is asked, what may be refunded, and what actions are about. Pure."""

from typing import Any

from contracts.desks import Desk
from contracts.support_cases import (
    CaseAnswer,
    CaseTask,
    LookedUp,
    Reason,
    Refund,
    Sorted,
    TicketFields,
    TicketRef,
)


def doubt(sorted_: Sorted, fields: TicketFields, found: LookedUp) -> tuple[Reason, str] | None:
    """Why a person is asked before any specialist; None: nobody has to be."""
    if found.answered:
        return "wrote_again", f"the customer has written again about {found.joined}, which has its answer"
    if found.problem:
        return "out_of_reach", found.problem
    if sorted_.category == "other":
        return "ambiguous", f"it belongs to no specialist: {sorted_.why}"
    if fields.contradictions:
        return "contradictory", f"it says in two ways: {'; '.join(fields.contradictions)}"
    if fields.missing:
        return "incomplete", f"it does not say: {'; '.join(fields.missing)}"
    return None


def task_of(desk: Desk, sorted_: Sorted, fields: TicketFields, found: LookedUp) -> CaseTask:
    """What a specialist is given."""
    return CaseTask(
        desk=desk.name,
        about=desk.about,
        category=sorted_.category,
        urgency=sorted_.urgency,
        language=sorted_.language,
        fields=fields,
        customer=found.customer,
        orders=found.orders,
        articles=found.articles,
    )


def not_due(desk: Desk, refund: Refund, found: LookedUp) -> str:
    """Why this is not given back, whoever proposes it; "" if it may be proposed."""
    if not desk.refund_adapter:
        return f"the desk {desk.name} declares no refund, and the specialist proposes one"
    order = next((one for one in found.orders if one.order == refund.order), None)
    if order is None:
        return f"{refund.order} is no order of this customer"
    if refund.cents > order.cents:
        return f"{_money(refund.cents)} were to be refunded, and of order {order.order} at most {_money(order.cents)} can be"
    return ""


def refund_arguments(desk: Desk, refund: Refund, ticket: TicketRef) -> dict[str, Any]:
    """The arguments of a refund: the declared target and statement, and an event that is the same in every run."""
    known: dict[str, Any] = {"target": desk.refund_target, "event": f"refund/{desk.name}/{ticket.key}"}
    values = {"order": refund.order, "cents": refund.cents}
    if desk.refund_adapter == "http.post":
        return known | {"body": values}
    return known | {"statement": desk.refund_statement, "values": values}


def reply_arguments(desk: Desk, ticket: TicketRef, to: str, answer: CaseAnswer) -> dict[str, Any]:
    """The arguments of an answer: one for each ticket, in every run."""
    subject = f"{' '.join(answer.subject.split()) or 'Your request'} [{ticket.key[:8]}]"
    event = f"reply/{desk.name}/{ticket.key}"
    return {"target": desk.mail, "event": event, "to": [to], "subject": subject, "text": answer.reply}


def about_case(desk: Desk, ticket: TicketRef, found: LookedUp) -> tuple[str, ...]:
    """What a gate shows of a case, beside the action itself."""
    known = "the database knows the address" if found.address else "the database does not know this address"
    return (
        f"ticket {ticket.id} of {ticket.customer}, at {desk.name}: {known}",
        *(f"customer: {one}" for one in found.customer),
    )


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
