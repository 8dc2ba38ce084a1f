"""A fix as an action by its tier, where the service declares a way; otherwise a person's."""

import json

from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.actions.edits import Edits
from activities.actions.prepare import Preparing
from contracts.act import PrepareAction
from contracts.diagnosis import FixOutcome
from contracts.diagnosis_edits import EDIT, PrepareEdit
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import Fix
from workflows.kit.ends import cause_of
from workflows.kit.kit import Kit
from workflows.kit.options import LEDGER
from workflows.kit.perform import perform

DONE = ("delivered", "done_by_person")


async def mend(kit: Kit, service: Service, fix: Fix, edit: tuple[str, ...]) -> FixOutcome:
    """Perform one fix as policy says. Called once for each: its event is the run's own. `edit`: where files may be written."""
    if fix.change.kind == "service" and service.restart is not None and fix.change.name == service.name:
        return await _restart(kit, service.restart, fix)
    if fix.change.kind in ("setting", "file") and edit:
        return await _edit(kit, service, fix, edit)
    return _escalated(kit, fix, "no action is declared for it, so a person makes it")


def _escalated(kit: Kit, fix: Fix, why: str) -> FixOutcome:
    kit.note(f"escalated the fix {fix.id}", why, "it is in the report, with its reason", alert="fix_escalated")
    return FixOutcome(fix=fix, became="escalated", why=why)


async def _edit(kit: Kit, service: Service, fix: Fix, targets: tuple[str, ...]) -> FixOutcome:
    """Write the configuration file with this change, as it is now. What its gate shows is all of the difference."""
    request = PrepareEdit(run=kit.ref, service=service, targets=targets, proposed=fix.change)
    edit = await kit.do(Edits.prepare_edit, request, f"file: look how the fix {fix.id} would change it", **LEDGER)
    if edit.why:
        return _escalated(kit, fix, f"{edit.why}; a person makes it"[:1000])
    if edit.done:
        return FixOutcome(fix=fix, became="made", why="the file holds it already")
    return await _performed(kit, fix, EDIT, edit.arguments, edit.diff)


async def _restart(kit: Kit, restart: str, fix: Fix) -> FixOutcome:
    target, _, command = restart.partition("/")
    arguments = {"target": target, "event": f"{fix.id}/{kit.ref.trace}", "command": command}
    return await _performed(kit, fix, "command.run", json.dumps(arguments))


async def _performed(kit: Kit, fix: Fix, action: str, arguments: str, shown: tuple[str, ...] = ()) -> FixOutcome:
    """What became of a fix as an action of this type. `shown`: what its gate says of it first."""
    request = PrepareAction(run=kit.ref, type=action, arguments=arguments, undo="")
    try:
        prepared = await kit.do(Preparing.prepare_action, request, f"action: check the fix {fix.id}", **LEDGER)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        # A target that is not declared is no reason to lose the diagnosis.
        return FixOutcome(fix=fix, became="failed", why=cause_of(error)[:1000])
    receipt = await perform(kit, prepared.intent, prepared.arguments, known=(*shown, *prepared.facts))
    made = receipt.state in DONE
    why = "" if made else receipt.problem or receipt.state
    return FixOutcome(fix=fix, became="made" if made else "failed", why=why, receipt=receipt)
