"""Whether a decision came before its gate's deadline, where the run sees both at once because its workers were away or busy."""

from datetime import datetime

from activities.gates.received import Receipts
from contracts.gate_requests import FindReceived
from workflows.kit.claims import Claim, OpenGateState
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER


async def came_before(kit: Kit, state: OpenGateState, claim: Claim, ends: datetime) -> bool:
    """True if Temporal received the decision before `ends`. Asked once, and only where the run itself saw it later."""
    if claim.said.at < ends or not kit.in_order:
        return True
    if not claim.is_dated:
        request = FindReceived(run=kit.ref, gate=state.view, claim=claim.said)
        received = await kit.do_now(
            Receipts.find_received, request, f"gate: when {claim.said.verb} by {claim.said.decision.by} came", **LEDGER
        )
        claim.said, claim.is_dated = claim.said.model_copy(update={"at": received.at}), True
    return claim.said.at < ends
