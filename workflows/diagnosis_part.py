"""One service of a diagnosis: the child workflow of Diagnosis. It hears of no other service's logs or findings."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.logfiles.copies import LogCopies
from activities.repositories.fetch import Fetch
from contracts.base import sha256
from contracts.diagnosis_input import DiagnosisInput
from contracts.diagnosis_parts import (
    Called,
    CheckDiagnosis,
    CheckedDiagnosis,
    DiagnoseServiceInput,
    Diagnosis,
    ServiceTask,
    Snapshot,
    TakeSnapshot,
)
from contracts.handoff import Handoff, Producer
from contracts.ids import handoff_id
from contracts.inputs import RunContext
from contracts.outside import as_taint
from contracts.repositories import PrepareRepository, Workspace, WorkspaceRef
from contracts.step_resources import Logs
from contracts.text import amount
from workflows.kit.ask import ask
from workflows.kit.cancellation import not_cancelled
from workflows.kit.ends import Stopped, cause_of
from workflows.kit.fan_out import Child, fan_out
from workflows.kit.handoffs import made_by_us
from workflows.kit.kit import Kit
from workflows.kit.options import WORK
from workflows.kit.step import CouldNot, Done, Step, Unsure

SIDE_BY_SIDE = 8
"""Services that are diagnosed at the same time."""

LONGEST = timedelta(days=30)
"""Until Temporal itself ends a child. Its own limit, the input's, ends it long before, with its gates closed."""


@workflow.defn(name="DiagnoseService")
class DiagnoseService:
    """Copy one service's logs, have them diagnosed, and look up every quote."""

    def __init__(self) -> None:
        self.kit = Kit(("clarify",))

    @workflow.run
    async def run(self, asked: DiagnoseServiceInput) -> Handoff[Any]:
        """Return the checked diagnosis, or `could_not` with the reason: no log, no answer, too late."""
        kit = self.kit
        kit.join(asked)
        kit.stage = "diagnose"
        kit.note(f"started on {asked.service.name}", ", ".join(asked.service.logs)[:500], "its logs are copied and read")
        try:
            made = await self._in_time(asked)
        except (ActivityError, Stopped) as error:
            if isinstance(error, ActivityError) and is_cancelled_exception(error):
                raise
            made = self._could_not(error.reason if isinstance(error, Stopped) else cause_of(error))
        kept = kit.keep(made)
        kit.note(f"{asked.service.name}: {_told(kept)}", kept.reason, "the others are waited for, then all are compared")
        await kit.leave()
        return kept

    async def _in_time(self, asked: DiagnoseServiceInput) -> Handoff[Any]:
        """As `_diagnose`, given up after the input's limit. Time in which it is paused does not count."""
        limit = timedelta(minutes=asked.minutes)
        work = asyncio.create_task(self._diagnose(asked))
        try:
            while True:
                done, _ = await workflow.wait([work], timeout=limit.total_seconds())
                if done:
                    return work.result()
                if not self.kit.is_paused:
                    break
                await workflow.wait_condition(lambda: not self.kit.is_paused or work.done())
        except asyncio.CancelledError:
            # Not GeneratorExit: it means eviction from the worker's cache, after which nothing may be awaited.
            await _ended(work)
            raise
        await _ended(work)
        not_cancelled()
        return self._could_not(f"no diagnosis within {amount(asked.minutes, 'minute')}")

    async def _diagnose(self, asked: DiagnoseServiceInput) -> Handoff[Any]:
        kit, name = self.kit, asked.service.name
        request = TakeSnapshot(run=kit.ref, service=asked.service, since=asked.since, until=asked.until)
        seen = await kit.do(LogCopies.take_snapshot, request, f"logs: copy those of {name}", **WORK)
        kit.note(
            f"copied {amount(len(seen.files), 'file')} of {name}", "; ".join(seen.notes)[:1000], "the diagnostician reads them"
        )
        seen, code = await self._code(asked, seen)
        step = await self._asked(asked, seen, code)
        match step.ended:
            case Done(body):
                unsure = ""
            case Unsure(reason, known) if known is not None:
                body, unsure = known, reason
            case Unsure(reason, _) | CouldNot(reason):
                return self._could_not(f"{step.handoff.producer.agent}: {reason}")
        check = CheckDiagnosis(run=kit.ref, snapshot=seen, diagnosis=body)
        checked = await kit.do(LogCopies.check_diagnosis, check, f"logs: look up what the diagnosis of {name} quotes", **WORK)
        by = f"{step.handoff.producer.agent}{' (degraded)' if step.handoff.degraded else ''}"
        return self._handed_on(checked.model_copy(update={"by": by, "handoff": step.handoff.id, "unsure": unsure}), step)

    async def _code(self, asked: DiagnoseServiceInput, seen: Snapshot) -> tuple[Snapshot, Workspace | None]:
        """The files of its repository, where there is one. One that cannot be fetched is a note: the logs are still there."""
        name = asked.service.repository
        if name is None or self.kit.pins.agents["source_diagnostician"].keyless:
            return seen, None
        request = PrepareRepository(run=self.kit.ref, repository=name, base=None, check=None, checks_later=True)
        try:
            base = await self.kit.do(Fetch.prepare_repository, request, f"git: fetch the code of {asked.service.name}", **WORK)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            said = f"its code is not read: {cause_of(error)}"[:500]
            return seen.model_copy(update={"notes": (said, *seen.notes)}), None
        ref = WorkspaceRef(repository=base.repository, base=base.commit)
        return seen, Workspace(name=f"{self.kit.ref.trace}/{self.kit.ref.path}", ref=ref)

    async def _asked(self, asked: DiagnoseServiceInput, seen: Snapshot, code: Workspace | None) -> Step[Diagnosis]:
        task = ServiceTask(
            service=asked.service.name,
            address=asked.service.address or "",
            question=asked.question,
            look_for=asked.look_for,
            since=asked.since,
            until=asked.until,
            files=seen.files,
            signs=seen.signs,
            notes=seen.notes[:20],
            others=asked.others,
        )
        logs = Logs(name=asked.service.name, snapshot=seen.manifest)
        if code is None:
            return await ask(self.kit, "diagnose", "diagnostician", task, Diagnosis, resources=(logs,))
        return await ask(self.kit, "diagnose", "source_diagnostician", task, Diagnosis, resources=(logs, code))

    def _handed_on(self, body: CheckedDiagnosis, step: Step[Diagnosis]) -> Handoff[Any]:
        ref = self.kit.ref
        return Handoff[Any](
            id=handoff_id(ref.trace, ref.path, sha256(body.stored())),
            contract_name=CheckedDiagnosis.contract,
            outcome="done",
            body=body.model_dump(mode="json"),
            confidence=step.handoff.confidence,
            producer=Producer(agent="coordinator"),
            inputs=(step.handoff.id,),
            taint=as_taint(("log", *step.handoff.taint)),
            trace=ref.trace,
            path=ref.path,
            degraded=step.handoff.degraded,
        )

    def _could_not(self, reason: str) -> Handoff[Any]:
        return made_by_us(self.kit.ref, "coordinator", "could_not", reason)


async def _ended(work: "asyncio.Task[Handoff[Any]]") -> None:
    """Cancel what is under way, and wait until its gates are closed and its calls have settled."""
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def diagnose_all(kit: Kit, asked: DiagnosisInput, looks: dict[str, str], number: int) -> dict[str, Handoff[Any]]:
    """Have every service diagnosed, at most `SIDE_BY_SIDE` at a time. Returns the handoffs by service."""

    def child(name: str) -> Child[DiagnoseServiceInput]:
        service = asked.named(name)

        def make(context: RunContext, done: dict[str, Handoff[Any]]) -> DiagnoseServiceInput:
            del done
            others = tuple(
                Called(name=one.name, address=one.address or "", depended_on=one.name in service.depends_on)
                for one in asked.services
                if one.name != name
            )
            return DiagnoseServiceInput(
                context=context,
                service=service,
                question=asked.question,
                look_for=looks.get(name, ""),
                since=asked.since,
                until=asked.until,
                others=others,
                minutes=asked.service_minutes,
            )

        return Child(name, (), make)

    names: Sequence[str] = [one.name for one in asked.services]
    path = "service" if number == 1 else f"service/{number}"
    children = [child(name) for name in names]
    return await fan_out(*(kit, path, DiagnoseService.run, children), limit=SIDE_BY_SIDE, deadline=LONGEST, summary="diagnose")


def _told(made: Handoff[Any]) -> str:
    body = made.read_as(CheckedDiagnosis)
    if body is None:
        return "could not"
    found = body.diagnosis
    where = f" ({found.blames})" if found.blames else ""
    return f"fault {found.fault}{where}, {amount(len(found.claims), 'claim')} supported, {len(body.unsupported)} not"
