"""Diagnosis: plan → a child per service, all at once → what collides, by code → weigh → checkpoint → fixes by tier."""

from typing import Any

from temporalio import workflow

from contracts.diagnosis import DiagnosisReport
from contracts.diagnosis_edits import EDIT
from contracts.diagnosis_input import DiagnosisInput
from workflows.diagnosis_steps import Course, checkpoint, diagnose, fix, plan, weigh
from workflows.kit.pipeline import Pipeline


@workflow.defn(name="Diagnosis")
class Diagnosis(Pipeline[DiagnosisInput, DiagnosisReport]):
    """Diagnose several services at once, and mend them as policy has it."""

    reports, first, performs, workspaces = DiagnosisReport, "the planner says what is looked for", True, True
    agents, gates = ("incident_planner", "diagnostician", "weigher"), ("clarify", "plan", "conflict", "stuck")

    def __init__(self) -> None:
        super().__init__()
        self.course: Course | None = None

    @workflow.run
    async def run(self, asked: DiagnosisInput) -> DiagnosisReport:
        """Return the final report. Fails only if the system or the input, not the work, was the reason."""
        return await self.conduct(asked)

    def uses(self, asked: DiagnosisInput) -> tuple[str, ...]:
        """One that reads code as well, where a service has a repository."""
        code = ("source_diagnostician",) if any(one.repository for one in asked.services) else ()
        return (*self.agents, *code)

    def acts(self, asked: DiagnosisInput) -> tuple[str, ...]:
        """The types of action that the services' declared ways to mend them are of."""
        if asked.report_only:
            return ()
        restart = ("command.run",) if any(one.restart for one in asked.services) else ()
        edit = (EDIT,) if asked.edit else ()
        return (*restart, *edit)

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
