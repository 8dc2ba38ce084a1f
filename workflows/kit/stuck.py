"""A gate for what does not converge: a person says how it goes on. Reject and silence end the run with everything gathered."""

from dataclasses import replace

from contracts.anchors import remarks_in, words_in
from contracts.base import Contract
from contracts.gates import Decided
from contracts.people import Feedback
from workflows.kit.ends import Ended
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit


def stuck_gate(title: str, facts: tuple[str, ...], context: Contract | None = None, narrative: str = "") -> Ask:
    """Something does not converge. What is decided on is `context`, where there is one, else the title and the facts."""
    subject = context.stored().decode() if context is not None else "\n".join((title, *facts))
    return Ask(kind="stuck", title=title, subject=subject, facts=facts, narrative=narrative)


async def try_again(kit: Kit, asked: Ask, approve: str = "try again") -> Feedback:
    """What the person says who lets it be tried again, with a note or without one. Raises `Ended` for reject and silence."""
    return feedback_of(await _decided(kit, asked, approve), approve)


async def changes_wanted(kit: Kit, asked: Ask, approve: str) -> Feedback | None:
    """What a person wants to be done differently. None: approved, which means `approve`. Raises `Ended` as `try_again`."""
    decided = await _decided(kit, asked, approve)
    return feedback_of(decided) if decided.verb == "request_changes" else None


def feedback_of(decided: Decided, otherwise: str = "") -> Feedback:
    """A person's words as structured input for an agent; `otherwise` where there are none."""
    return Feedback(source=decided.by, about=decided.gate, text=decided.note or otherwise)


def all_said(decided: Decided) -> tuple[Feedback, ...]:
    """The same, piece by piece: what was said about the whole, then each remark about an item of a plan or a line of a diff."""
    remarks = remarks_in(decided.note)
    if not remarks:
        return (feedback_of(decided),)
    words, source = words_in(decided.note), decided.by
    whole = (Feedback(source=source, about=decided.gate, text=words),) if words else ()
    return (*whole, *(Feedback(source=source, about=f"{decided.gate}, {one.place}", text=one.text) for one in remarks))


async def _decided(kit: Kit, asked: Ask, approve: str) -> Decided:
    verbs = (f"approve: {approve}", "request_changes: your note goes to whoever does it again", "reject: the run ends")
    decided = await gate(kit, replace(asked, facts=(*asked.facts, *verbs)))
    if decided.verb in ("approve", "request_changes"):
        return decided
    who = f"{decided.verb} by {decided.by}: {decided.note}" if decided.by else f"{decided.gate} {decided.verb}"
    raise Ended("; ".join((f"{asked.title} ({who})", *asked.facts)))
