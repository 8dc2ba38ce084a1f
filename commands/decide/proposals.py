"""What takes an executed action back, as this machine's settings declare it: proposed, previewed, or why it cannot be."""

from typing import TYPE_CHECKING, Any

from commands.output import Out, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activities.gates.mending import Planned, Proposer
    from activities.gates.policy import Policy
    from config import Settings
    from ledger.db import Ledger
    from ledger.views.condemned import Executed


def proposer(found: "Settings", ledger: "Ledger", policy: "Policy") -> "Proposer":
    """Says what takes an action back. It reaches no target: only what is declared here and what is recorded count."""
    from activities.actions.compensation import Compensations
    from activities.actions.declared import Targets
    from activities.actions.every import adapters
    from activities.actions.git_push import GitPushAdapter
    from activities.gates.mending import Proposer
    from activities.git import Mirrors
    from activities.sandbox import Sandbox
    from ledger import artifacts

    def read(digest: str) -> bytes:
        return ledger.read_now(artifacts.get, ledger.files, digest)

    mirrors, folder = Mirrors(found.state.absolute() / "mirrors"), found.state.absolute() / "commands"
    push, targets = GitPushAdapter(mirrors, read), Targets(found.targets)
    sandbox = lambda: Sandbox.find(found.bubblewrap, found.checks)  # noqa: E731  (it is never started here)
    there = adapters(ledger, targets, push, mirrors, sandbox, folder, found.push_author)
    says = Compensations(ledger.files, there, policy.adapters, policy.undone_by)
    return Proposer(ledger.files, says.of)


def planned_for(ledger: "Ledger", proposer: "Proposer", some: "Sequence[Executed]") -> "list[Planned]":
    """What is still to be proposed for these actions. Only reads."""
    from activities.gates.mending import plans

    return ledger.read_now(plans, proposer, some)


def tell(out: Out, planned: "Sequence[Planned]", said: str, most: int) -> None:
    """Print what is proposed (`said`: how that is), and why something is not."""
    for one in planned[:most]:
        if one.prepared is None:
            out.line(f"  {safe(one.problem, 800)}")
        else:
            intent, back = one.prepared.intent, one.of.effect.key[:12]
            out.line(f"  {said} {intent.key[:12]} {safe(intent.type)}: {safe(intent.summary)} (takes back {back})")


def fields(planned: "Sequence[Planned]") -> list[dict[str, Any]]:
    """As JSON has them."""
    return [
        {"takes_back": one.of.effect.key, "why": one.why}
        | ({} if one.prepared is None else one.prepared.intent.model_dump(mode="json", include={"key", "type", "summary"}))
        for one in planned
    ]
