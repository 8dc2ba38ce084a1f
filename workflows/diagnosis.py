"""Diagnosis: plan → one child per service, all at once → conflicts and contradictions by code → weigh → checkpoint → fixes by tier."""

from typing import Any

from temporalio import workflow

from contracts.diagnosis import DiagnosisReport
from contracts.diagnosis_input import DiagnosisInput
from workflows.diagnosis_steps import Course, checkpoint, diagnose, fix, plan, weigh
from workflows.kit.pipeline import Pipeline


@workflow.defn(name="Diagnosis")
class Diagnosis(Pipeline[DiagnosisInput, DiagnosisReport]):
    """Diagnose several services at once, and mend them as policy has it."""

    reports, first, performs = DiagnosisReport, "the planner says what is looked for", True
    agents, gates = ("incident_planner", "diagnostician", "weigher"), ("clarify", "plan", "conflict", "stuck")

    def __init__(self) -> None:
        super().__init__()
        self.course: Course | None = None

    @workflow.run
    async def run(self, asked: DiagnosisInput) -> DiagnosisReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def acts(self, asked: DiagnosisInput) -> tuple[str, ...]:
        """The types of action that the services' declared ways to mend them are of."""
        if asked.report_only:
            return ()
        kinds = {"command.run": any(one.restart for one in asked.services)}
        kinds["file.write"] = any(one.config_at for one in asked.services)
        return tuple(kind for kind, wanted in kinds.items() if wanted)

    async def story(self, asked: DiagnosisInput) -> None:
        """From logs to causes and fixes. What could not be diagnosed is in the report, and holds nobody up."""
        self.course = course = Course(self.kit, asked)
        looks = await plan(course)
        await diagnose(course, looks)
        await weigh(course)
        if not asked.report_only:
            await checkpoint(course)
            await fix(course)

    def report(self) -> dict[str, Any]:
        """The report's own fields, as far as the run got."""
        return {} if self.course is None else self.course.told()
