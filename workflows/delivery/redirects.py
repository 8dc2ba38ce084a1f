"""An approved tree that its target did not take: the gate that asks for another way, and what a person answers there. Pure."""

from contracts.authors import DEFAULT
from contracts.delivery.change import Frozen, Redirect
from contracts.gates import Decided
from contracts.handoff import Question
from contracts.runs import RunRef
from workflows.kit.gate import Ask


def refused_push_gate(frozen: Frozen, problem: str, wrong: str = "") -> Ask:
    """Ask how the approved tree is to be pushed after the target has refused it. `wrong`: why the last answer was no way."""
    subject = frozen.subject
    return Ask(
        kind="stuck",
        title=f"the target did not take the push as {subject.branch}",
        subject=subject.stored().decode(),
        facts=(
            problem,
            *((f"the last answer cannot be used: {wrong}",) if wrong else ()),
            f"the approved tree {subject.tree[:12]} is kept; branch {subject.branch}, author {subject.author or DEFAULT}",
            "approve: push the same tree as you answer; one more gate shows that push before it happens",
            "request_changes: push it again as it was, for example once the target takes it",
            "reject: the run ends, and nothing is pushed",
        ),
        questions=(
            Question(id="branch", text=f"Push as which branch? 'same' keeps {subject.branch}."),
            Question(id="author", text="Commit as whom? 'Name <address>'; 'same' keeps the author."),
        ),
    )


def redirect_of(run: RunRef, frozen: Frozen, decided: Decided) -> Redirect:
    """How the tree is to be pushed by what a person answered; what was left out, or is 'same', stays."""
    said = {name: text.strip() for name, text in decided.answers.items() if text.strip().lower() not in ("", "same")}
    return Redirect(run=run, frozen=frozen, branch=said.get("branch", frozen.subject.branch), author=said.get("author"))
