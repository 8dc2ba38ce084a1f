"""A gate for what does not converge: a person says whether it is tried again, and with which words."""

from contracts.people import Feedback
from workflows.kit.ends import Ended
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit


async def try_again(kit: Kit, title: str, facts: tuple[str, ...]) -> Feedback:
    """What the person who lets it be tried again says. Reject and silence end the run with the title and all facts."""
    verbs = ("approve: try again", "request_changes: try again with your note", "reject: the run ends")
    decided = await gate(kit, Ask(kind="stuck", title=title, subject="\n".join((title, *facts)), facts=(*facts, *verbs)))
    if decided.verb not in ("approve", "request_changes"):
        who = f"{decided.verb} by {decided.by}: {decided.note}" if decided.by else decided.verb
        raise Ended("; ".join((f"{title} ({who})", *facts)))
    return Feedback(source=decided.by, about=decided.gate, text=decided.note or "try again")
