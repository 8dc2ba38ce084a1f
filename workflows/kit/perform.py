"""Perform actions by the tier that policy has for them: each is sent at most once per key, and ends with a receipt or stays
visible.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.actions.deliver import Actions
from contracts.actions import Deliver, Receipt, Resolve
from contracts.intents import Intent, Perform
from contracts.receipts import receipt_of
from contracts.rules import Facts
from workflows.kit.condemned import held_in, let_on
from workflows.kit.ends import cause_of
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit, within
from workflows.kit.options import DELIVER, LEDGER
from workflows.kit.rulings import facts_of, ruling_of

Q = TypeVar("Q", Perform, Deliver)

ROOM = timedelta(seconds=1)
"""A wait for room in a rate ends so much later, as clocks of worker and database may differ a little."""


async def perform(
    kit: Kit,
    intent: Intent,
    arguments: str = "",
    about: Facts | None = None,
    known: Sequence[str] = (),
    *,
    wait: bool = True,
) -> Receipt:
    """Let an action happen as policy says, and return its receipt. Called again, also by another run, it finds the same one.

    auto: it is done, and the feed says why nobody was asked. confirm: a gate `action` asks first, unless the gate that was
    approved last has shown exactly these bytes. draft: a gate `draft` waits for a person who does it. `arguments` are the
    action's bytes as text, "" where an activity or a gate's subject has kept them; `about` is what rules of policy may go by
    beside them, `known` is what else its gate shows. Rules, taint and a rate may ask for more than the type's tier. An
    undeclared type raises `ApplicationError`, and nothing is written. An outcome that is not known is asked of the target
    first; where that cannot be, a person decides at gate `unknown`.

    With `wait` False an action that may happen is left to the relay, and the run goes on: the receipt says how it is by then,
    as a rule `approved`. The feed tells what came of it, and so does `handed_over` of the report.
    """
    about = about or Facts()
    intent = intent.model_copy(update={"taint": facts_of(kit, about, intent).taint})
    made = ruling_of(kit, intent, about, arguments)
    if made.tier == "draft":
        return receipt_of(intent, await gate(kit, _asked("draft", intent, arguments, about, known)))
    if not _just_shown(kit, intent):
        over = ""
        if made.tier == "auto":
            receipt = await _by_itself(kit, intent, arguments, about, wait=wait)
            if receipt.state != "proposed":
                return receipt
            over = receipt.problem
        decided = await gate(kit, _asked("action", intent, arguments, about, known, over))
        if decided.verb != "approve":
            return receipt_of(intent, decided)
    return await _carried_out(kit, intent, Actions.deliver, Deliver(run=kit.ref, key=intent.key, hand_over=not wait))


async def _by_itself(kit: Kit, intent: Intent, arguments: str, about: Facts, *, wait: bool) -> Receipt:
    """The receipt of an action that needs no person; `proposed` where its rate is used up and a person has to be asked."""
    facts = facts_of(kit, about, intent)
    while True:
        request = Perform(run=kit.ref, intent=intent, arguments=arguments, facts=facts, hand_over=not wait)
        receipt = await _carried_out(kit, intent, Actions.perform, request)
        if receipt.state != "proposed" or receipt.at is None:
            return receipt
        kit.move("working", waiting_for="its rate", next=f"{intent.type} goes on by itself: {receipt.problem}")
        await kit.flush()
        await workflow.sleep(within(receipt.at) + ROOM, summary=f"{intent.type}: {receipt.problem}"[:200])
        kit.move("working", next=intent.summary)


def _just_shown(kit: Kit, intent: Intent) -> bool:
    """True if the gate that was approved last let exactly this happen. Another order or summary is still the same action."""
    wanted = (intent.type, intent.key, intent.arguments, intent.arguments_digest)
    return any((one.type, one.key, one.arguments, one.arguments_digest) == wanted for one in kit.shown)


def _asked(
    kind: Literal["action", "draft"], intent: Intent, arguments: str, about: Facts, known: Sequence[str], over: str = ""
) -> Ask:
    titles = {"action": f"may this happen: {intent.summary}?", "draft": f"please do this yourself: {intent.summary}"}
    then = {
        "action": f"{over}: nothing is done before" if over else "policy's tier confirm: nothing is done before",
        "draft": "policy's tier draft: we send nothing",
    }
    fields: dict[str, Any] = json.loads(arguments) if arguments else {}
    # All of it, a line each: whoever has to do it themselves needs to know what.
    whole = (f"{name}: {value}" for name, value in fields.items() if not isinstance(value, dict))
    facts = (f"{intent.type}, arguments {intent.arguments}", then[kind], *known, *whole)
    subject, carrying = arguments or intent.model_dump_json(), {intent.key: arguments} if arguments else {}
    return Ask(kind=kind, title=titles[kind], subject=subject, facts=facts, intents=(intent,), carrying=carrying, about=about)


async def _carried_out(
    kit: Kit, intent: Intent, method: Callable[[Any, Q], Coroutine[Any, Any, Receipt]], request: Q
) -> Receipt:
    """The receipt of an action that may happen; where the outcome is unknown a person says it."""
    try:
        receipt = await kit.do(method, request, f"action: {intent.type} {intent.summary}", **DELIVER)
    except ActivityError as error:
        cause = error.cause
        if (held := held_in(error)) is not None:
            await let_on(kit, held, intent.summary)
            return await _carried_out(kit, intent, method, request)
        if is_cancelled_exception(error) or (isinstance(cause, ApplicationError) and cause.type == "NotAllowed"):
            raise
        receipt = Receipt(key=intent.key, type=intent.type, state="unknown", summary=intent.summary, problem=cause_of(error))
    # What was left to the relay is settled there, by `baton actions settle`: the run has gone on.
    if receipt.state != "unknown" or request.hand_over:
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
    resolve = Resolve(
        run=kit.ref, key=intent.key, happened=decided.verb == "happened", by=decided.by, reference=decided.reference
    )
    return await kit.do(Actions.resolve, resolve, f"action: settle {intent.type} by {decided.by}", **LEDGER)
