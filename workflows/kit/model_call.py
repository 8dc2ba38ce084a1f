"""A model call as seen by the workflow: a call that was refused was not made, and is repeated later with the same key.

Short retries belong to the activity. This module handles waits that are too long for an activity: for money, for a person, or
for a provider to recover.
"""

from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.turns.models import Models
from contracts.turns import CallModel, Turn
from workflows.kit import condemned, model_outage
from workflows.kit.ceiling import goes_on, refusal_in, wait_for_room
from workflows.kit.condemned import held_in
from workflows.kit.conversation import Conversation
from workflows.kit.growth import is_held, let_on
from workflows.kit.kit import Kit
from workflows.kit.options import model_call


async def call_model(kit: Kit, talk: Conversation, request: CallModel, summary: str) -> Turn:
    """Run one model turn. Raises the `ActivityError` of a permanent failure, `StepStopped` or `Stopped`."""
    parked = 0
    while True:
        await kit.unpaused()
        if talk.beyond:
            request = request.model_copy(update={"beyond": True})
        # Read before the call, so that a nudge that arrives during it is not missed.
        woken = kit.parking.woken
        try:
            with talk.clock.ticking():
                turn = await kit.do_now(Models.call_model, request, summary, **model_call(talk.pin))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            if await kit.wider_pause.waited(error, summary):
                talk.answered()  # nobody has been asked meanwhile: patience with an outage begins anew
                continue
            if (refused := refusal_in(error)) is not None:
                await wait_for_room(kit, talk.run.path, refused, parked, woken)
                parked += 1
                continue
            if (held := held_in(error)) is not None:
                await condemned.let_on(kit, held, talk.run.path)
                continue
            if parked:
                # It got its money and failed for another reason: the ceiling gate need not wait for it.
                await goes_on(kit, talk.run.path)
                parked = 0
            if not await _worth_asking_again(kit, talk, error, woken):
                raise
        else:
            talk.answered()
            await model_outage.over(kit, talk)
            if parked:
                await goes_on(kit, talk.run.path)
            return turn


async def _worth_asking_again(kit: Kit, talk: Conversation, error: ActivityError, woken: int) -> bool:
    """Wait until the cause of the failure is over. False if waiting does not help."""
    if is_held(error):
        await let_on(kit, talk, error)
        return True
    return await model_outage.waited(kit, talk, error, woken)
