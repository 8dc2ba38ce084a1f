"""A case of Support, and what is done for it by policy: a note, a refund, an answer."""

import json
from dataclasses import dataclass, field

from temporalio.exceptions import ActivityError

from activities.actions.prepare import Preparing
from contracts.act import PrepareAction
from contracts.actions import NoteAction, Receipt
from contracts.base import Digest
from contracts.desks import Category, Desk
from contracts.intents import Intent
from contracts.support import NOTE, REFUND, REPLY
from contracts.support_cases import CaseAnswer, CaseEnded, Ending, LookedUp, Reason, Sorted, TicketFields, TicketRef
from contracts.support_checks import about_case, not_due, refund_arguments, reply_arguments
from workflows.kit.ends import refusal_of_input
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER
from workflows.kit.perform import perform

DONE = ("delivered", "done_by_person")


class Handed(Exception):
    """A person has to answer this ticket. Raised while a case is dealt with, and never out of it."""

    def __init__(self, why: Reason, said: str) -> None:
        super().__init__(said)
        self.why, self.said = why, said


@dataclass
class Case:
    """How far a case has come."""

    kit: Kit
    desk: Desk
    guide: Digest
    ticket: TicketRef
    text: str = ""
    sorted: Sorted | None = None
    fields: TicketFields | None = None
    found: LookedUp = field(default_factory=LookedUp)
    answer: CaseAnswer | None = None
    asked: Reason = ""
    reply: Receipt | None = None
    refund: Receipt | None = None

    @property
    def category(self) -> Category:
        """As it was sorted; `other` before."""
        return self.sorted.category if self.sorted else "other"

    def ended(self, ending: Ending, reason: str = "") -> CaseEnded:
        """How it ended."""
        return CaseEnded(
            ticket=self.ticket.id,
            ending=ending,
            category=self.category,
            reason=reason[:1000],
            asked=self.asked,
            reply=self.reply.state if self.reply else "",
            refund=self.refund.state if self.refund else "",
            by_person=bool(self.kit.inbox.asked - {"ceiling"}),
            degraded=bool(self.kit.degraded),
        )


async def note(case: Case, answer: CaseAnswer) -> None:
    """Tell the team; of whatever tier policy has for it."""
    if not answer.note:
        return
    action = NoteAction(run=case.kit.ref, name=f"support/{case.ticket.key[:16]}", text=answer.note)
    intent = Intent.of(NOTE, action, f"note on {case.ticket.name}")
    await perform(case.kit, intent, action.stored().decode())


async def give_back(case: Case, answer: CaseAnswer) -> None:
    """Refund what the specialist proposes, as far as the order allows; otherwise a person decides."""
    refund = answer.refund
    if refund is None:
        return
    if why := not_due(case.desk, refund, case.found):
        raise Handed("not_due", why)
    arguments = json.dumps(refund_arguments(case.desk, refund, case.ticket))
    case.kit.enter("refund", "policy says what giving money back takes")
    case.refund = await _performed(case, REFUND, arguments, ("target", "statement"))
    if case.refund.state not in DONE:
        raise Handed("refund", f"the refund is {case.refund.state}: {case.refund.problem or 'no reason was given'}")


async def send(case: Case, answer: CaseAnswer) -> CaseEnded:
    """Answer the customer, once for each ticket."""
    case.kit.enter("reply", "policy says what an answer takes")
    to = case.found.address or case.ticket.customer
    arguments = json.dumps(reply_arguments(case.desk, case.ticket, to, answer))
    # The database has the address: no text decides who is written to.
    fixed = ("target", "to") if case.found.address else ("target",)
    case.reply = receipt = await _performed(case, REPLY, arguments, fixed)
    if receipt.state in DONE:
        return case.ended("replied")
    return case.ended("could_not", f"the answer is {receipt.state}: {receipt.problem or 'no reason was given'}")


async def _performed(case: Case, action: str, arguments: str, fixed: tuple[str, ...]) -> Receipt:
    kit = case.kit
    request = PrepareAction(run=kit.ref, type=action, arguments=arguments, undo="")
    try:
        prepared = await kit.do(Preparing.prepare_action, request, f"action: check {action}", **LEDGER)
    except ActivityError as error:
        refused = refusal_of_input(error)
        if refused is None:
            raise
        raise Handed("out_of_reach", f"{action} cannot be performed: {refused}") from None
    known = (*about_case(case.desk, case.ticket, case.found), *prepared.facts)
    intent = prepared.intent.model_copy(update={"fixed": fixed})
    return await perform(kit, intent, prepared.arguments, known=known)
