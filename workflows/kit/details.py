"""The current details of a run in Temporal's Web UI. They are answered by a query and cost no event."""

from temporalio import workflow

from contracts.gates import TAKES_REFERENCE, GateView, needs_note
from contracts.money import usd

LIMIT = 4000
"""Characters."""


def show_step(stage: str, did: str, why: str, next: str, usd_micros: int, *, scripted: bool) -> None:
    """Show what a run does now, why, what comes next, and what it has cost so far."""
    text = [
        f"## {stage}: {did}",
        f"- **Why:** {why or '-'}",
        f"- **Next:** {next or '-'}",
        f"- **Money:** {usd(usd_micros)}",
    ]
    if scripted:
        text.append("- scripted model: no real model is used")
    workflow.set_current_details("\n".join(text)[:LIMIT])


def gate_text(view: GateView) -> tuple[str, str, str]:
    """What a person is asked, the facts, and the message that answers it, as the details' did, why and next."""
    more = ', "to_usd": "40"' if view.kind == "ceiling" else ""
    decision = f'{{"gate": "{view.gate}", "by": "you", "subject": "{view.subject}"{more}}}'
    so_far = (view.so_far,) if view.approvals > 1 else ()
    facts = "".join(f"\n- {fact}" for fact in (*so_far, *view.facts))
    answer = f"send the update {' or '.join(f'`{verb}`' for verb in view.verbs)} with `{decision}`"
    if needing := [f"`{verb}`" for verb in view.verbs if needs_note(view.kind, verb)]:
        answer += f', and for {" and ".join(needing)} with `"note": "why"` in it'
    if referring := [f"`{verb}`" for verb in view.verbs if verb in TAKES_REFERENCE]:
        answer += f', and with {" and ".join(referring)}, where there is one, `"reference": "the target\'s own id"`'
    return f"waits for a person at {view.gate}: {view.title}", facts, f"{answer}; {view.on_expiry}"
