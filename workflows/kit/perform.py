"""Perform actions by the tier that policy has for them: each is sent at most once per key, and ends with a receipt or stays
visible.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.actions.deliver import Actions
from contracts.actions import Deliver, Receipt, Resolve
from contracts.gates import Intent, Perform, receipt_of
from contracts.runs import Request
from workflows.kit.ends import cause_of
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.options import DELIVER, LEDGER
from workflows.kit.tiers import tier_of

Q = TypeVar("Q", bound=Request)


async def perform(kit: Kit, intent: Intent, arguments: str = "", known: Sequence[str] = ()) -> Receipt:
    """Let an action happen as policy says, and return its receipt. Called again, also by another run, it finds the same one.

    auto: it is done, and the feed says why nobody was asked. confirm: a gate `action` asks first, unless the gate that was
    approved last has shown exactly these bytes. draft: a gate `draft` waits for a person who does it. `arguments` are the
    action's bytes as text, "" where an activity or a gate's subject has kept them; `known` is what else its gate shows. An
    undeclared type raises `ApplicationError`, and nothing is written. An outcome that is not known is asked of the target
    first; where that cannot be, a person decides at gate `unknown`.
    """
    tier = tier_of(kit.pins, intent.type)
    if tier == "draft":
        return receipt_of(intent, await gate(kit, _asked("draft", intent, arguments, known)))
    if not _just_shown(kit, intent):
        if tier == "auto":
            request = Perform(run=kit.ref, intent=intent, arguments=arguments)
            return await _carried_out(kit, intent, Actions.perform, request)
        decided = await gate(kit, _asked("action", intent, arguments, known))
        if decided.verb != "approve":
            return receipt_of(intent, decided)
    return await _carried_out(kit, intent, Actions.deliver, Deliver(run=kit.ref, key=intent.key))


def _just_shown(kit: Kit, intent: Intent) -> bool:
    """True if the gate that was approved last let exactly this happen. Another order or summary is still the same action."""
    wanted = (intent.type, intent.key, intent.arguments, intent.arguments_digest)
    return any((one.type, one.key, one.arguments, one.arguments_digest) == wanted for one in kit.shown)


def _asked(kind: Literal["action", "draft"], intent: Intent, arguments: str, known: Sequence[str] = ()) -> Ask:
    titles = {"action": f"may this happen: {intent.summary}?", "draft": f"please do this yourself: {intent.summary}"}
    then = {"action": "policy's tier confirm: nothing is done before", "draft": "policy's tier draft: we send nothing"}
    fields: dict[str, Any] = json.loads(arguments) if arguments else {}
    # All of it, a line each: whoever has to do it themselves needs to know what.
    whole = (f"{name}: {value}" for name, value in fields.items() if not isinstance(value, dict))
    facts = (f"{intent.type}, arguments {intent.arguments}", then[kind], *known, *whole)
    return Ask(kind=kind, title=titles[kind], subject=arguments or intent.model_dump_json(), facts=facts, intents=(intent,))


async def _carried_out(
    kit: Kit, intent: Intent, method: Callable[[Any, Q], Coroutine[Any, Any, Receipt]], request: Q
) -> Receipt:
    """The receipt of an action that may happen; where the outcome is unknown a person says it."""
    try:
        receipt = await kit.do(method, request, f"action: {intent.type} {intent.summary}", **DELIVER)
    except ActivityError as error:
        cause = error.cause
        if is_cancelled_exception(error) or (isinstance(cause, ApplicationError) and cause.type == "NotAllowed"):
            raise
        receipt = Receipt(key=intent.key, type=intent.type, state="unknown", summary=intent.summary, problem=cause_of(error))
    if receipt.state != "unknown":
        return receipt
    return await _resolved(kit, intent, receipt)


async def _resolved(kit: Kit, intent: Intent, receipt: Receipt) -> Receipt:
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
