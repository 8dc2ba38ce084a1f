"""The baseline P: the same work as plain Temporal workflows, in the style of Temporal's samples. No Baton code."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks.plain_activities import PlainModel, StageCall, answer_turn, keep_text, run_part

STAGES = ("plan", "write", "test", "summarize")
_TIMEOUT = timedelta(seconds=60)


@workflow.defn
class PlainStages:
    """Four activities, one model call each; every reply goes into the next call."""

    @workflow.run
    async def run(self, instruction: str) -> str:
        """The last stage's answer."""
        before = instruction
        for stage in STAGES:
            before = await workflow.execute_activity_method(
                PlainModel.ask_stage, StageCall(stage, before), start_to_close_timeout=_TIMEOUT
            )
        return before


@workflow.defn
class PlainGate:
    """An activity, a wait for a person, another activity."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._waits = False

    @workflow.run
    async def run(self, subject: str) -> str:
        """What the person said to do."""
        await workflow.execute_activity(keep_text, subject, start_to_close_timeout=_TIMEOUT)
        self._waits = True
        await workflow.wait_condition(lambda: bool(self._said))
        await workflow.execute_activity(keep_text, self._said[0], start_to_close_timeout=_TIMEOUT)
        return "approve"

    @workflow.signal
    def approve(self, by: str) -> None:
        """A decision."""
        self._said.append(by)

    @workflow.query
    def parked(self) -> bool:
        """True once it waits."""
        return self._waits


@dataclass
class PlainLoopInput:
    """How many tool calls the loop makes."""

    turns: int


@workflow.defn
class PlainLoop:
    """A tool loop that passes the whole conversation to every model call, as frameworks on Temporal do."""

    @workflow.run
    async def run(self, asked: PlainLoopInput) -> str:
        """The final answer."""
        messages: list[dict[str, str]] = [{"role": "user", "content": f"loop of {asked.turns} turns"}]
        while True:
            reply = await workflow.execute_activity(answer_turn, args=[messages, asked.turns], start_to_close_timeout=_TIMEOUT)
            messages.append(reply)
            if "part" not in reply:
                return reply["content"]
            result = await workflow.execute_activity(run_part, int(reply["part"]), start_to_close_timeout=_TIMEOUT)
            messages.append({"role": "tool", "content": result})
