"""Act: one action, from its arguments through the tier that policy has for it to its receipt."""

import json
from typing import Any

from temporalio import workflow

from activities.actions.prepare import Preparing
from contracts.act import ActInput, ActReport, PrepareAction
from contracts.actions import Receipt
from workflows.kit.ends import Ended
from workflows.kit.options import LEDGER
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline

DONE = ("delivered", "done_by_person")

LEFT = ("approved", "held", "sending", "unknown")
"""States of an action that the relay has, and this run does not wait for."""


@workflow.defn(name="Act")
class Act(Pipeline[ActInput, ActReport]):
    """Perform one action of a type that the input names: by its arguments, as it was proposed, or to take another one back."""

    reports, first, performs = ActReport, "the action is compared with what is declared", True
    type: str = ""
    summary: str = ""
    receipt: Receipt | None = None

    @workflow.run
    async def run(self, asked: ActInput) -> ActReport:
        """Return the final report. Fails only if the system or the input, not the target, was the reason."""
        return await self.conduct(asked)

    def acts(self, asked: ActInput) -> tuple[str, ...]:
        """The one that was asked for."""
        return (asked.type,)

    async def story(self, asked: ActInput) -> None:
        """Check it against the declared targets, then perform it as policy says."""
        kit, self.type = self.kit, asked.type
        arguments = "" if asked.undo or asked.proposed else json.dumps(asked.fields())
        taken = {"undo": asked.undo or "", "proposed": asked.proposed or ""}
        request = PrepareAction(run=kit.ref, type=asked.type, arguments=arguments, **taken)
        prepared = await kit.do(Preparing.prepare_action, request, f"action: check {asked.type}", **LEDGER)
        self.summary = prepared.intent.summary
        # Arguments that follow from another action's are as far from outside as those.
        kit.grounds.read(prepared.intent.taint)
        kit.note(f"prepared: {self.summary}", "; ".join(prepared.facts), "policy decides what it takes")
        kit.enter("act", f"{asked.type} as policy says")
        wait = not asked.hand_over
        self.receipt = await perform(kit, prepared.intent, prepared.arguments, known=prepared.facts, wait=wait)
        if self.receipt.state not in (DONE if wait else (*DONE, *LEFT)):
            raise Ended(f"the action is {self.receipt.state}: {self.receipt.problem or 'no reason was given'}")

    def report(self) -> dict[str, Any]:
        """What was performed, and its receipt."""
        return {"type": self.type, "summary": self.summary, "receipt": self.receipt}
