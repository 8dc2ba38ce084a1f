"""A fix as an action by its tier, where the service declares a way; otherwise a person's."""

import json

from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.actions.prepare import Preparing
from contracts.act import PrepareAction
from contracts.diagnosis import FixOutcome
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import Fix
from workflows.kit.ends import cause_of
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER
from workflows.kit.perform import perform

DONE = ("delivered", "done_by_person")


async def mend(kit: Kit, service: Service, fix: Fix) -> FixOutcome:
    """Perform one fix as policy says. Called once for each: its event is the run's own."""
    if fix.change.kind == "service" and service.restart is not None and fix.change.name == service.name:
        return await _restart(kit, service.restart, fix)
    why = "no action is declared for it, so a person makes it"
    kit.note(f"escalated the fix {fix.id}", why, "it is in the report, with its reason", alert="fix_escalated")
    return FixOutcome(fix=fix, became="escalated", why=why)


async def _restart(kit: Kit, restart: str, fix: Fix) -> FixOutcome:
    target, _, command = restart.partition("/")
    arguments = {"target": target, "event": f"{fix.id}/{kit.ref.trace}", "command": command}
    request = PrepareAction(run=kit.ref, type="command.run", arguments=json.dumps(arguments), undo="")
    try:
        prepared = await kit.do(Preparing.prepare_action, request, f"action: check the fix {fix.id}", **LEDGER)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        # A target that is not declared is no reason to lose the diagnosis.
        return FixOutcome(fix=fix, became="failed", why=cause_of(error)[:1000])
    receipt = await perform(kit, prepared.intent, prepared.arguments, known=prepared.facts)
    made = receipt.state in DONE
    why = "" if made else receipt.problem or receipt.state
    return FixOutcome(fix=fix, became="made" if made else "failed", why=why, receipt=receipt)
