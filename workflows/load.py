"""Load: examine the file → map its columns → try it → approve → load in batches, each once → count at the target."""

from datetime import timedelta
from itertools import count
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.loads.loads import Loads
from contracts.handoff import Handoff
from contracts.inputs import RunContext
from contracts.load import (
    Counted,
    CountLoad,
    Counts,
    Examined,
    ExamineSource,
    LoadBatch,
    LoadPartInput,
    LoadReport,
    MapTask,
    PlanLoad,
    Planned,
    mapping_lines,
)
from contracts.load_input import LoadInput
from contracts.outside import sources_in
from contracts.people import Feedback
from contracts.tables import Mapping
from contracts.text import amount
from workflows.kit.ask import ask
from workflows.kit.ends import INPUT_REFUSED, Ended, Stopped, cause_of
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.gate import Ask, gate
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.patience import patiently
from workflows.kit.perform import perform
from workflows.kit.pipeline import Pipeline
from workflows.kit.stuck import feedback_of, stuck_gate, try_again
from workflows.reconciling import compare, reconcile

DONE = ("delivered", "done_by_person")
PART, PARTS = 40, 100
"""Batches of one child, and most children: a load with more batches has longer parts."""

MAPPINGS = 4
"""Most mappings that an agent proposes before a person says whether it goes on; they can give one as `mapping` instead."""


@workflow.defn(name="Load")
class Load(Pipeline[LoadInput, LoadReport]):
    """From a file to rows in a declared table, each accounted for. Rows never pass through a model."""

    reports, first = LoadReport, "the file and its table are examined"
    agents, gates = ("mapper",), ("clarify", "plan", "stuck")
    performs = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: Examined | None = None
        self.counted: Counted | None = None
        self.mapping: Mapping | None = None
        self.mapped_by = ""
        self.reconciled: dict[str, Any] = {}

    @workflow.run
    async def run(self, asked: LoadInput) -> LoadReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def uses(self, asked: LoadInput) -> tuple[str, ...]:
        """None where a mapping is given: code does the rest."""
        return () if asked.mapping or asked.compares else self.agents

    def acts(self, asked: LoadInput) -> tuple[str, ...]:
        """The load itself; to reconcile, the statements that take differences back."""
        if not asked.compares:
            return ("sql.load",)
        return ("sql.execute",) if asked.correct else ()

    async def story(self, asked: LoadInput) -> None:
        """Every row ends in the table, as a duplicate, or in quarantine with its reason; otherwise the load is not done."""
        kit = self.kit
        if asked.against is not None or asked.reconcile_table is not None:
            self.reconciled = await compare(kit, asked)
            return
        examine = ExamineSource(run=kit.ref, asked=asked)
        seen = self.seen = await patiently(
            kit, "the file or its table cannot be read", lambda: kit.do(Loads.examine_source, examine, "load: examine", **WORK)
        )
        kit.note(
            f"examined {seen.source.file}: {amount(seen.rows, 'row')}", f"SHA-256 {seen.source.digest}", "columns are mapped"
        )
        kit.enter("map", "the columns of the file are mapped to those of the table")
        if asked.reconcile is not None:
            self.mapping = asked.mapped() or _same_names(asked, seen)
            self.reconciled = await reconcile(kit, asked, seen, self.mapping)
            return
        if not seen.rows:
            self.counted = Counted(counts=Counts(), batches=0, expected=0)
            kit.note("loaded nothing", "the file has a header and no rows", "the run ends")
            return
        planned = await self._planned(asked, seen)
        kit.enter("approve", "policy says who lets the rows in")
        assert planned.intent is not None
        receipt = await perform(kit, planned.intent, planned.arguments, known=planned.facts)
        if receipt.state not in DONE:
            raise Ended(f"the load is {receipt.state}: {receipt.problem or 'no reason was given'}")
        kit.enter("load", f"{planned.batches} batches are loaded, one after the other")
        await self._load(planned)

    async def _planned(self, asked: LoadInput, seen: Examined) -> Planned:
        """The plan to load by: with the mapping that was given, or with one that a person approves at gate `plan`."""
        given = asked.mapped()
        if given is None:
            return await self._proposed(asked, seen)
        planned = await self._tried(asked, seen, given, f"{asked.by or asked.owner or 'the input'}, by a file")
        if planned.problem:
            raise _refused(f"mapping: {planned.problem}")
        if planned.dry.quarantined * 1000 > asked.most_bad * planned.dry.rows:
            title = f"{planned.dry.quarantined} of {amount(planned.dry.rows, 'row')} are bad in the dry run"
            await try_again(self.kit, stuck_gate(title, planned.facts), "load the others, and keep the bad ones in quarantine")
        return planned

    async def _proposed(self, asked: LoadInput, seen: Examined) -> Planned:
        kit, said = self.kit, list[Feedback]()
        # A handoff of its own, tainted: a model is given the rows as data, and policy knows what the mapping rests on.
        rows = made_by_us(kit.at("sample"), "reader", "done", "", seen.samples)
        rows = kit.keep(rows.model_copy(update={"taint": sources_in(seen.samples)}))
        await kit.flush()
        for number in count(1):
            if number > 1 and number % MAPPINGS == 1:
                stuck = stuck_gate(f"no mapping was approved after {number - 1}", (said[-1].text,))
                said.append(await try_again(kit, stuck, "the mapper tries again, with your note"))
            task = MapTask(table=asked.at[1], about=seen.about, columns=seen.columns, header=seen.header, feedback=tuple(said))
            step = await ask(kit, f"map/{number}", "mapper", task, Mapping, inputs=(rows.id,))
            mapping = step.needed()
            planned = await self._tried(asked, seen, mapping, step.handoff.producer.agent)
            if planned.problem:
                said.append(Feedback(source="dry run", about=f"map/{number}", text=planned.problem))
                kit.note("the mapping cannot be applied", planned.problem, "the mapper corrects it")
                continue
            assert planned.intent is not None
            title = f"approve the mapping, and load {amount(seen.rows, 'row')} of {seen.source.file} into {seen.into}"
            carrying = {planned.intent.key: planned.arguments}
            shown = Ask("plan", title, planned.arguments, planned.facts, intents=(planned.intent,), carrying=carrying)
            decided = await gate(kit, shown)
            if decided.verb == "approve":
                return planned
            if decided.verb != "request_changes":
                raise Ended(f"{decided.gate} ended with {decided.verb}: {decided.note or 'no reason given'}")
            said.append(feedback_of(decided))
        raise AssertionError("it goes on until a mapping is approved, or a person ends it")

    async def _tried(self, asked: LoadInput, seen: Examined, mapping: Mapping, by: str) -> Planned:
        self.mapping, self.mapped_by = mapping, by
        request = PlanLoad(run=self.kit.ref, examined=seen, asked=asked, mapping=mapping)
        planned = await patiently(
            self.kit, "no dry run is possible", lambda: self.kit.do(Loads.plan_load, request, "load: dry run", **WORK)
        )
        if not planned.problem:
            self.kit.note(
                f"dry run: {planned.dry.said()}", "; ".join(mapping_lines(mapping))[:2000], "policy decides what it takes"
            )
        return planned

    async def _load(self, planned: Planned) -> None:
        """All parts in order. What stops one stops those after it; a person says whether it is tried again."""
        tries = 0
        while True:
            tries += 1
            handoffs = await self._parts(planned, tries)
            # The target is asked, whatever the children say: only its own book is committed with the rows.
            self.counted = await self._count(planned, f"load: count at the target, {tries}")
            if not self.counted.problem:
                return self.kit.note(f"reconciled: {self.counted.counts.said()}", "by a query on the target", "the run ends")
            failed = tuple(f"{name}: {one.reason}" for name, one in handoffs.items() if one.outcome != "done")
            asked = stuck_gate("the load does not reconcile yet", (self.counted.problem, *failed), self.counted)
            await try_again(self.kit, asked, "load the batches that are missing")

    async def _count(self, planned: Planned, summary: str) -> Counted:
        """What the target's book says; that it cannot be asked is a problem like others, which a person hears of."""
        assert planned.intent is not None
        count = CountLoad(run=self.kit.ref, key=planned.intent.key, plan=planned.plan)
        try:
            return await self.kit.do(Loads.count_load, count, summary, **WORK)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            problem = f"the target does not say what it has: {cause_of(error)}"
            return Counted(counts=Counts(), batches=0, expected=planned.batches, problem=problem)

    async def _parts(self, planned: Planned, tries: int) -> dict[str, Handoff[Any]]:
        assert planned.intent is not None
        key, size = planned.intent.key, batches_of_part(planned.batches)
        starts = range(0, planned.batches, size)
        names = [f"part-{number}" for number in range(1, len(starts) + 1)]

        def child(number: int, first: int) -> Child[LoadPartInput]:
            last = min(first + size, planned.batches) - 1

            def make(context: RunContext, done: dict[str, Handoff[Any]]) -> LoadPartInput:
                del done
                return LoadPartInput(context=context, key=key, plan=planned.plan, first=first, last=last)

            # After the one before: of two rows with one key the earlier one counts, in every run.
            return Child(names[number], tuple(names[number - 1 : number]), make)

        children = [child(number, first) for number, first in enumerate(starts)]
        path = "load" if tries == 1 else f"load/{tries}"
        return await fan_out(
            self.kit, path, LoadPart.run, children, limit=1, deadline=timedelta(days=7), summary="load: batches of"
        )

    def report(self) -> dict[str, Any]:
        """What became of the rows, as far as the run got."""
        seen, counted = self.seen, self.counted
        known: dict[str, Any] = {"mapping": mapping_lines(self.mapping), "mapped_by": self.mapped_by, **self.reconciled}
        if seen is not None:
            known |= {"file": seen.source.file, "into": seen.into, "rows": seen.rows}
        if counted is not None:
            checked = (
                counted.problem or f"the target has {counted.batches} of {counted.expected} batches, and the counts add up"
            )
            known |= {"counts": counted.counts, "checked": checked}
        return known


def batches_of_part(batches: int) -> int:
    """How many batches each child has, so that there are at most `PARTS` children."""
    return max(PART, -(-batches // PARTS))


def _refused(reason: str) -> ApplicationError:
    """The error that ends a run because its input cannot be used."""
    return ApplicationError(reason, type=INPUT_REFUSED, non_retryable=True)


def _same_names(asked: LoadInput, seen: Examined) -> Mapping:
    """To reconcile without a mapping: columns of equal names, and those of the key."""
    needed = {*seen.header, *(asked.key_columns() or seen.key)}
    return Mapping.model_validate(
        {"columns": [{"to": one.name, "source": one.name} for one in seen.columns if one.name in needed]}
    )


@workflow.defn(name="LoadPart")
class LoadPart:
    """Batches of an approved plan, one after the other; with a long history it continues as new."""

    def __init__(self) -> None:
        self.kit = Kit(("stuck",))

    @workflow.run
    async def run(self, asked: LoadPartInput) -> Handoff[Any]:
        """Return what became of the rows. A batch that fails for good ends the part; what is loaded stays, and is told."""
        kit = self.kit
        kit.join(asked)
        kit.stage = "load"
        whole, reason = Counts(), ""
        try:
            for number in range(asked.first, asked.last + 1):
                await kit.chain.safe_point()
                request = LoadBatch(run=kit.ref, key=asked.key, plan=asked.plan, number=number)
                counts = await kit.do(Loads.load_batch, request, f"load: batch {number + 1}", **WORK)
                whole = whole.with_(counts.model_copy(update={"quarantine": ()}))
        except (ActivityError, Stopped) as error:
            # A failed child becomes a handoff; a cancelled one must not look like a failed one.
            if isinstance(error, ActivityError) and is_cancelled_exception(error):
                raise
            reason = error.reason if isinstance(error, Stopped) else f"batch {number + 1}: {cause_of(error)}"
        kit.note(f"{whole.said()}", reason, "the target is asked, when all parts have ended")
        made = kit.keep(made_by_us(kit.ref, "loader", "could_not" if reason else "done", reason, whole))
        await kit.leave()
        return made
