"""One ticket: sort → read its fields → look up → a specialist answers → refund and reply as policy says; or a person does."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.support.cases import Cases
from contracts.desks import Category
from contracts.gates import Decided, GateKind
from contracts.handoff import Handoff
from contracts.step_resources import Database, Folder
from contracts.support_cases import (
    CaseAnswer,
    CaseEnded,
    CaseInput,
    CaseTask,
    EndCase,
    Escalation,
    FillTemplate,
    LookUp,
    OpenCase,
    Sorted,
    Ticket,
    TicketFields,
)
from contracts.support_checks import doubt, task_of
from workflows.kit.ask import ask
from workflows.kit.changes import STEPS_AT_HAND
from workflows.kit.ends import Stopped, cause_of
from workflows.kit.gate import Ask, gate
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER, WORK
from workflows.kit.reader import ask_reader
from workflows.support_acts import Case, Handed, give_back, note, send

DEADLINE = timedelta(days=30)
"""Longer than the gates that one ticket can open after each other."""

GATES: tuple[GateKind, ...] = ("clarify", "stuck")

SPECIALISTS: dict[Category, str] = {
    "billing": "billing_specialist",
    "technical": "technical_specialist",
    "compliance": "compliance_specialist",
}
AGENTS = ("ticket_sorter", "ticket_reader", *SPECIALISTS.values())


async def deal_with(case: Case) -> CaseEnded:
    """From a ticket to its ending, which is recorded whatever it is. A cancelled case is recorded by nobody."""
    kit = case.kit
    try:
        ended = await _answered(case)
    except (ActivityError, Stopped) as error:
        if isinstance(error, ActivityError) and is_cancelled_exception(error):
            raise
        ended = case.ended("could_not", error.reason if isinstance(error, Stopped) else cause_of(error))
    kit.note(f"{ended.ticket}: {ended.ending}", ended.reason, "this case is over", actor="coordinator")
    if ended.ending != "known":
        request = EndCase(run=kit.ref, key=case.ticket.key, ended=ended, usd_micros=kit.usd_micros)
        # Also in a run that has stopped: how far it came is on record.
        await kit.do_now(Cases.end_case, request, f"case: {ended.ending}", here=kit.knows(STEPS_AT_HAND), **LEDGER)
    return ended


async def _answered(case: Case) -> CaseEnded:
    kit, desk = case.kit, case.desk
    asked, options = OpenCase(run=kit.ref, desk=desk.name, ticket=case.ticket), {"here": kit.knows(STEPS_AT_HAND), **LEDGER}
    opened = await kit.do(Cases.open_case, asked, "case: open", **options)
    if opened.known:
        return case.ended("known", opened.known)
    case.text = opened.text
    if case.ticket.automatic:
        return case.ended("no_reply", "a program wrote it, and an answer could be answered for ever")
    try:
        return await _by_agents(case)
    except Handed as handed:
        return await _by_person(case, handed)


async def _by_agents(case: Case) -> CaseEnded:
    kit = case.kit
    await _sort(case)
    assert case.sorted is not None
    if case.sorted.template and (early := await _at_once(case, case.sorted)) is not None:
        return early
    await _read(case)
    assert case.fields is not None
    kit.enter("look up", "the customer, their orders, and articles with these words")
    request = LookUp(run=kit.ref, desk=case.desk, ticket=case.ticket, sorted=case.sorted, fields=case.fields)
    case.found = await kit.do(Cases.look_up, request, "case: look up", **WORK)
    if case.found.joined and not case.found.answered:
        return case.ended("joined", f"the same issue as {case.found.joined}")
    if (reason := doubt(case.sorted, case.fields, case.found)) is not None:
        raise Handed(*reason)
    case.answer = answer = await _by_specialist(case, task_of(case.desk, case.sorted, case.fields, case.found))
    await note(case, answer)
    await give_back(case, answer)
    return await send(case, answer)


async def _sort(case: Case) -> None:
    case.kit.enter("sort", "category, urgency and language; what is trivial ends here")
    step = await ask_reader(case.kit, "sort", "ticket_sorter", case.text, Sorted, source="ticket", inputs=(case.guide,))
    said: list[str] = []
    found = step.as_far(said.append)
    if found is None or said:
        case.sorted = found
        raise Handed("unsure", f"the sorter {'; '.join(said)}")
    case.sorted = found


async def _read(case: Case) -> None:
    case.kit.enter("read", "a reader makes fields of it; nobody else sees the ticket")
    step = await ask_reader(case.kit, "read", "ticket_reader", case.text, TicketFields, source="ticket", inputs=(case.guide,))
    said: list[str] = []
    found = step.as_far(said.append)
    case.fields = found
    if found is None or said:
        raise Handed("unsure", f"the reader {'; '.join(said)}")


async def _at_once(case: Case, sorted_: Sorted) -> CaseEnded | None:
    """A trivial ticket ends by its template. None: the guide has no such template, so it is no trivial one."""
    kit = case.kit
    request = FillTemplate(run=kit.ref, guide=case.guide, name=sorted_.template, language=sorted_.language)
    filled = await kit.do(Cases.fill_template, request, f"case: template {sorted_.template}", **LEDGER)
    if not filled.known:
        return None
    if not filled.text:
        return case.ended("no_reply", f"template {sorted_.template}: {filled.about}")
    subject, note = filled.about[:200], f"template {sorted_.template}"
    answer = CaseAnswer(subject=subject, reply=filled.text, note=note, articles=(), refund=None, hand_over="")
    case.answer = answer
    return await send(case, answer)


async def _by_specialist(case: Case, task: CaseTask) -> CaseAnswer:
    """The answer of the category's specialist, who sees fields and never the ticket."""
    kit, name = case.kit, SPECIALISTS[case.category]
    kit.enter("answer", f"the {name.replace('_', ' ')} answers from fields, database and articles")
    # Whatever the fields say, queries are about whoever wrote the ticket.
    database = Database(name=case.desk.database, fixed={"address": case.ticket.customer})
    folder = Folder(name=case.desk.knowledge)
    step = await ask(kit, "answer", name, task, CaseAnswer, inputs=(case.guide,), resources=(database, folder))
    said: list[str] = []
    answer = step.as_far(said.append)
    case.answer = answer
    if answer is None or said:
        raise Handed("unsure", f"the specialist {'; '.join(said)}")
    if answer.hand_over or not answer.reply.strip():
        raise Handed("no_answer", answer.hand_over or "the specialist has no answer")
    return answer


async def _by_person(case: Case, handed: Handed) -> CaseEnded:
    """A person gets everything that was gathered, and answers, takes over, or closes the case."""
    case.asked = handed.why
    decided = await gate(case.kit, _escalation(case, handed))
    if decided.verb == "request_changes":
        words = CaseAnswer(subject="Your request", reply=decided.note, note="", articles=(), refund=None, hand_over="")
        case.answer = words
        try:
            return await send(case, words)
        except Handed as again:
            return case.ended("could_not", again.said)
    if decided.verb == "approve":
        return case.ended("by_person", f"{handed.said}; {decided.by} has taken it over{_why(decided)}")
    who = f"{decided.verb} by {decided.by}{_why(decided)}" if decided.by else f"{decided.gate} {decided.verb}"
    return case.ended("could_not", f"{handed.said} ({who})")


def _escalation(case: Case, handed: Handed) -> Ask:
    ticket = Ticket(id=case.ticket.id, customer=case.ticket.customer, text=case.text)
    gathered = Escalation(
        why=handed.why,
        said=handed.said,
        ticket=ticket,
        sorted=case.sorted,
        fields=case.fields,
        found=case.found,
        answer=case.answer,
    )
    verbs = (
        "approve: you have taken it over, and the case ends here",
        "request_changes: your note is the answer to the customer, word for word",
        "reject: the case ends without an answer",
    )
    facts = (f"{handed.why}: {handed.said}", *gathered.facts(), *verbs)
    title = f"{case.ticket.name}: a person has to answer this ticket"
    return Ask(kind="stuck", title=title, subject=gathered.stored().decode(), facts=facts, narrative=case.text[:8000])


def _why(decided: Decided) -> str:
    return f": {decided.note}" if decided.note else ""


@workflow.defn(name="SupportCase")
class SupportCase:
    """One ticket of many: the child workflow of Support."""

    def __init__(self) -> None:
        self.kit = Kit(GATES, performs=True)

    @workflow.run
    async def run(self, asked: CaseInput) -> Handoff[Any]:
        """Return how the case ended; `could_not` if nobody has answered."""
        kit = self.kit
        kit.join(asked)
        kit.stage = "open"
        ended = await deal_with(Case(kit, asked.desk, asked.guide, asked.ticket))
        left = ended.ending == "could_not"
        made = made_by_us(kit.ref, "coordinator", "could_not" if left else "done", ended.reason if left else "", ended)
        kept = kit.keep(made.model_copy(update={"taint": ("ticket",)}))
        await kit.leave()
        return kept
