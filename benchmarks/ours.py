"""Baton's side: two small pipelines on the real kit, with contracts and a tool that exist for the benchmarks only."""

from pydantic import Field
from temporalio import workflow

from activities.tools.base import Tool, ToolContext, ToolOutcome
from benchmarks.material import part_text
from contracts.base import Contract
from contracts.inputs import PipelineInput
from workflows.kit.ask import ask
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit

STAGES = (("plan", "drafter"), ("write", "maker"), ("test", "checker"), ("summarize", "closer"))
"""Each stage with its agent."""

LOOPER = "looper"


class BenchTask(Contract, name="bench_task/1"):
    """What every agent of the benchmarks is given."""

    instruction: str


class BenchNote(Contract, name="bench_note/1"):
    """What every agent of the benchmarks answers."""

    text: str


class ReadPart(Contract):
    """Which part to read."""

    number: int = Field(ge=0)


class Part(Contract):
    """One part."""

    text: str


class BenchInput(PipelineInput, name="bench_input/1"):
    """What both pipelines are started with."""

    instruction: str


CONTRACTS: tuple[type[Contract], ...] = (BenchTask, BenchNote, BenchInput)


async def _read_part(_: ToolContext, asked: ReadPart) -> ToolOutcome:
    return ToolOutcome(Part(text=part_text(asked.number)))


READ_PART = Tool("read_part", "Read one numbered part of the material.", ReadPart, Part, _read_part)


@workflow.defn(name="BenchStages")
class BenchStages:
    """Four agents in a row, each with the handoff of the one before; admitted, recorded and closed like any run."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify",))

    @workflow.run
    async def run(self, asked: BenchInput) -> str:
        """The last agent's reply."""
        kit = self.kit
        await kit.begin(asked, tuple(agent for _, agent in STAGES))
        before: tuple[str, ...] = ()
        text = ""
        for stage, agent in STAGES:
            kit.enter(stage, f"{agent} answers")
            step = await ask(kit, stage, agent, BenchTask(instruction=asked.instruction), BenchNote, inputs=before)
            text = step.needed().text
            kit.note(f"{stage} is {step.handoff.outcome}", text, "the next stage")
            before = (step.handoff.id,)
        await kit.finish("done", BenchNote(text=text).model_dump_json())
        return text


@workflow.defn(name="BenchLoop")
class BenchLoop:
    """One agent that calls one tool again and again."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify",))

    @workflow.run
    async def run(self, asked: BenchInput) -> str:
        """The agent's reply. Fails if the loop ended in any other way: its bytes would be meaningless."""
        await self.kit.begin(asked, (LOOPER,))
        self.kit.enter("loop", "the agent reads part after part")
        step = await ask(self.kit, "loop", LOOPER, BenchTask(instruction=asked.instruction), BenchNote)
        text = step.needed().text
        await self.kit.finish("done", BenchNote(text=text).model_dump_json())
        return text


@workflow.defn(name="BenchGate")
class BenchGate:
    """A run that waits for a person and then ends."""

    def __init__(self) -> None:
        self.kit = Kit(("plan",))
        workflow.set_query_handler("parked", self._parked)

    @workflow.run
    async def run(self, asked: BenchInput) -> str:
        """The person's decision."""
        await self.kit.begin(asked, (LOOPER,))
        self.kit.enter("plan", "a person decides")
        decided = await gate(self.kit, Ask(kind="plan", title=asked.instruction, subject=asked.instruction))
        await self.kit.finish("done", BenchNote(text=decided.verb).model_dump_json())
        return decided.verb

    def _parked(self, *_: object) -> bool:
        return self.kit.state == "waiting"


@workflow.defn(name="BenchPaid")
class BenchPaid:
    """One agent that answers once told to start: while runs wait at a ceiling no new ones are admitted."""

    def __init__(self) -> None:
        self.kit = Kit(())
        self.told = False

    @workflow.run
    async def run(self, asked: BenchInput) -> str:
        """How the step ended."""
        _, agent = STAGES[0]
        await self.kit.begin(asked, (agent,))
        await workflow.wait_condition(lambda: self.told)
        step = await ask(self.kit, "answer", agent, BenchTask(instruction=asked.instruction), BenchNote)
        await self.kit.finish("done", step.needed().model_dump_json())
        return step.handoff.outcome

    @workflow.signal
    def go(self) -> None:
        """All runs are admitted: start."""
        self.told = True


WORKFLOWS: tuple[type, ...] = (BenchStages, BenchLoop, BenchGate, BenchPaid)
