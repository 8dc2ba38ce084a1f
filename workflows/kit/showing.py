"""What Temporal's Web UI shows of a run: current details. They come from a query and cost no event."""

from typing import TYPE_CHECKING

from temporalio import workflow

from contracts.gates import GateView
from contracts.money import usd

if TYPE_CHECKING:
    from workflows.kit.kit import Kit

LIMIT = 4000
"""Characters."""


def tell(kit: "Kit", did: str, why: str, next: str) -> None:
    """Say what a run does now."""
    text = [
        f"## {kit.stage}: {did}",
        f"- **Why:** {why or '-'}",
        f"- **Next:** {next or kit.next or '-'}",
        f"- **Money:** {usd(kit.usd_micros)}",
    ]
    if kit.began and kit.scripted:
        text.append("- scripted model: no real model takes part")
    workflow.set_current_details("\n".join(text)[:LIMIT])


def tell_gate(kit: "Kit", view: GateView) -> None:
    """Say what a person is asked, and what answers it."""
    more = ', "to_usd": "40"' if view.kind == "ceiling" else ""
    decision = f'{{"gate": "{view.gate}", "by": "you", "subject": "{view.subject}"{more}}}'
    facts = "".join(f"\n- {fact}" for fact in view.facts)
    answer = f"send the update {' or '.join(f'`{verb}`' for verb in view.verbs)} with `{decision}`"
    kit.tell(f"waits for a person at {view.gate}: {view.title}", facts, f"{answer}; {view.on_expiry}")
