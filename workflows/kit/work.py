"""A step whose route leads to a person: a gate `work`, where they hand in what the agent would have answered."""

from contracts.base import digest_of
from contracts.turns import CallModel, Turn
from contracts.work import Work
from workflows.kit.conversation import Conversation
from workflows.kit.gate import Ask, hold
from workflows.kit.kit import Kit
from workflows.kit.model_call import call_model


class NobodyDid(Exception):
    """Nobody has done the step. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def by_person(kit: Kit, talk: Conversation, request: CallModel, work: Work) -> tuple[Turn, str]:
    """Have a person do the step, and return their turn with its key.

    Raises `NobodyDid` if the gate's last deadline passes, and `Stopped` if the run stops at a ceiling meanwhile.
    """
    # Not a step of the story: the outcome is part of the agent step's state, which a continued run restores.
    if talk.pin.resources.get("workspace") == "write" and talk.workspace is not None:
        work = work.model_copy(update={"workspace": talk.workspace})
    decided = await hold(kit, _asked(talk, work), lambda: bool(kit.parking.stopped))
    kit.check_stopped()
    if decided.verb != "answer":
        raise NobodyDid(f"nobody did the step of {talk.pin.label} before the deadline of {decided.gate}")
    if decided.state and talk.workspace is not None:
        talk.workspace = talk.workspace.model_copy(update={"state": decided.state})
    # Another answer is another turn: after a reset a person may hand in something else.
    key = digest_of("work", work.turn, decided.gate, decided.made)
    request = request.model_copy(update={"key": key, "work": decided.gate})
    return await call_model(kit, talk, request, f"{talk.pin.label}: take what {decided.by} made"), key


def _asked(talk: Conversation, work: Work) -> Ask:
    facts = [f"{talk.pin.label} is routed to a person here: what they hand in is {work.returns}, and counts as the agent's"]
    if work.workspace is not None:
        files = work.workspace.ref
        facts.append(f"its files: {files.base} of {files.repository}; what is changed there comes as a patch")
    if work.why:
        facts.append(f"no model answers: {work.why}")
    return Ask(
        kind="work",
        title=f"do the step of {talk.pin.label}: {talk.run.path}",
        subject=work.stored().decode(),
        facts=tuple(facts),
        work=work,
    )
