"""Carry out approved actions: each is sent at most once per key, and ends with a receipt or stays visible."""

from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.actions.deliver import Actions
from contracts.actions import Deliver, Receipt, Resolve
from contracts.gates import Intent
from workflows.kit.ends import cause_of
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.options import DELIVER, LEDGER


async def perform(kit: Kit, intent: Intent) -> Receipt:
    """Deliver one approved intent and return its receipt. Called again, also by another run, it finds the same receipt.

    An outcome that is not known is asked of the target first; where that cannot be, a person decides at gate `unknown`.
    """
    try:
        receipt = await kit.do(
            Actions.deliver, Deliver(run=kit.ref, key=intent.key), f"action: {intent.type} {intent.summary}", **DELIVER
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        receipt = Receipt(key=intent.key, type=intent.type, state="unknown", summary=intent.summary, problem=cause_of(error))
    if receipt.state != "unknown":
        return receipt
    decided = await gate(
        kit,
        Ask(
            kind="unknown",
            title=f"did this happen: {intent.summary}?",
            subject=intent.model_dump_json(),
            facts=(receipt.problem or "the target gave no answer", "nothing is sent again until this is known"),
        ),
    )
    if decided.verb == "expired":
        return receipt
    resolve = Resolve(run=kit.ref, key=intent.key, happened=decided.verb == "happened", by=decided.by)
    return await kit.do(Actions.resolve, resolve, f"action: settle {intent.type} by {decided.by}", **LEDGER)
