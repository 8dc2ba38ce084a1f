"""The steps of a diagnosis: plan, diagnose, weigh, let a person decide, and mend what may be mended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contracts.diagnosis import FixOutcome, said
from contracts.diagnosis_checks import chosen, conflicts, contradictions, fixes_of
from contracts.diagnosis_input import DiagnosisInput
from contracts.diagnosis_parts import (
    CheckedDiagnosis,
    Conflict,
    Contradiction,
    Fix,
    Incident,
    Investigation,
    Weighed,
    WeighTask,
)
from contracts.people import Feedback
from contracts.text import amount
from workflows.diagnosis_fixes import mend
from workflows.diagnosis_part import diagnose_all
from workflows.diagnosis_told import first_signs, moments, outcome_of, ranked_roots
from workflows.kit.ask import ask
from workflows.kit.ends import Ended
from workflows.kit.gate import Ask, gate
from workflows.kit.kit import Kit
from workflows.kit.stuck import feedback_of, stuck_gate, try_again

ROUNDS = 4
"""Most times that the diagnoses are weighed before a person has to decide by themselves."""


@dataclass
class Course:
    """How far a diagnosis has come. `missing`: what could not be done, and why."""

    kit: Kit
    asked: DiagnosisInput
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    found: dict[str, CheckedDiagnosis] = field(default_factory=dict)
    handoffs: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    weighed: Weighed | None = None
    chosen: list[Fix] = field(default_factory=list)
    became: dict[str, FixOutcome] = field(default_factory=dict)
    feedback: list[Feedback] = field(default_factory=list)

    def tell(self, name: str) -> Callable[[str], None]:
        """What takes down that an agent is unsure, or could not."""
        return lambda text: self.missing.append(f"{name} {text}"[:1000])

    def told(self) -> dict[str, Any]:
        """The report's fields, as far as the run got."""
        names = [one.name for one in self.asked.services]
        outcomes = tuple(self.became.get(one.id) or FixOutcome(fix=one, became="proposed") for one in self.fixes)
        return {
            "question": self.asked.question,
            "summary": self.weighed.summary if self.weighed else "",
            "roots": ranked_roots(self.weighed, self.found),
            "services": tuple(outcome_of(one, self.found.get(one), self.failed, len(names)) for one in names),
            "timeline": moments(self.found),
            "conflicts": self.conflicts,
            "contradictions": self.contradictions,
            "rulings": self.weighed.rulings if self.weighed else (),
            "fixes": outcomes,
            "open": self.weighed.open if self.weighed else (),
            "missing": tuple(self.missing),
        }


async def plan(course: Course) -> dict[str, str]:
    """What is looked for in each service. Without a plan each is read with the question alone."""
    kit, asked = course.kit, course.asked
    kit.enter("plan", "the planner says what is looked for in each service")
    incident = Incident(question=asked.question, services=asked.services, since=asked.since, until=asked.until)
    step = await ask(kit, "plan", "incident_planner", incident, Investigation)
    made = step.as_far(course.tell("incident_planner"))
    if made is None:
        return {}
    names = {one.name for one in asked.services}
    if unknown := [one.service for one in made.looks if one.service not in names]:
        kit.note("left out a part of the plan", f"no service is called {', '.join(unknown)[:300]}", "the others are diagnosed")
    return {one.service: one.look_for for one in made.looks if one.service in names}


async def diagnose(course: Course, looks: dict[str, str], number: int = 1) -> None:
    """All services, side by side. If none could be diagnosed, a person decides whether it is tried again."""
    kit, asked = course.kit, course.asked
    kit.enter("diagnose", f"{amount(len(asked.services), 'service')}, in parallel")
    made = await diagnose_all(kit, asked, looks, number)
    for name, handoff in made.items():
        kit.grounds.add_child(name, handoff)
        body = handoff.read_as(CheckedDiagnosis)
        if body is None:
            course.failed[name] = handoff.reason
        else:
            course.found[name] = body
            course.failed.pop(name, None)
    course.handoffs = tuple(handoff.id for handoff in made.values() if handoff.outcome == "done")
    if not course.found:
        facts = tuple(f"{name}: {why}"[:1000] for name, why in list(course.failed.items())[:10])
        await try_again(kit, stuck_gate("no service could be diagnosed", facts))
        return await diagnose(course, looks, number + 1)
    course.missing += [f"{name} could not: {why}"[:1000] for name, why in course.failed.items()]
    course.missing += [f"{name} is unsure: {one.unsure}"[:1000] for name, one in course.found.items() if one.unsure]
    _compare(course)
    return None


def _compare(course: Course) -> None:
    """What collides and what contradicts, by code."""
    found = list(course.found.values())
    course.fixes = fixes_of(found)
    course.conflicts = conflicts(course.fixes)
    course.contradictions = contradictions(found, course.asked.services)
    course.kit.note(
        f"compared what was found for {amount(len(found), 'service')}",
        f"{amount(len(course.conflicts), 'conflict')}, {amount(len(course.contradictions), 'contradiction')}",
        "the weigher goes through them",
    )


async def weigh(course: Course, number: int = 1) -> None:
    """Have the diagnoses weighed against each other. Without that nothing is chosen, and both sides of everything stay open."""
    kit = course.kit
    kit.enter("weigh", "the weigher goes through what the services' diagnosticians found")
    task = WeighTask(
        question=course.asked.question,
        services=tuple(course.found),
        missing=tuple(course.missing),
        fixes=course.fixes,
        conflicts=course.conflicts,
        contradictions=course.contradictions,
        first_signs=first_signs(course.found),
        feedback=tuple(course.feedback),
    )
    step = await ask(kit, f"weigh/{number}", "weigher", task, Weighed, inputs=course.handoffs)
    course.weighed = step.as_far(course.tell("weigher"))
    wanted = course.weighed.fixes if course.weighed else ()
    course.chosen, dropped = chosen(wanted, course.fixes, course.conflicts)
    for name, why in dropped.items():
        kit.note(f"left out the fix {name}", why, "a person sees both sides")


async def checkpoint(course: Course, number: int = 1) -> None:
    """A person decides, where there is something to decide. Raises `Ended` for a rejection, and where nobody answers."""
    if not course.fixes and not course.conflicts and not course.contradictions:
        return course.kit.note("nothing to decide", "no fix is proposed, and nothing contradicts", "the run ends")
    course.kit.enter("checkpoint", "a person looks at the diagnoses and at the fixes that are chosen")
    apart = bool(course.conflicts or course.contradictions)
    title = (
        f"diagnosed {amount(len(course.found), 'service')}: {len(course.chosen)} of {len(course.fixes)} proposed fixes chosen"
    )
    made = course.weighed or Weighed(summary="nobody weighed them", roots=(), rulings=(), fixes=(), open=())
    asked = Ask("conflict" if apart else "plan", title, _subject(course), _facts(course), made.summary)
    decided = await gate(course.kit, asked)
    if decided.verb == "approve":
        return None
    if decided.verb == "request_changes" and number < ROUNDS:
        course.feedback.append(feedback_of(decided))
        await weigh(course, number + 1)
        return await checkpoint(course, number + 1)
    raise Ended(f"{decided.gate} ended with {decided.verb}: {decided.note or 'no reason given'}; no fix was made")


async def fix(course: Course) -> None:
    """Make the chosen fixes by the tiers of their actions; what no action is declared for is a person's."""
    if course.chosen:
        course.kit.enter("fix", "each fix as policy has it for its action")
    wanted = {one.id for one in course.chosen}
    for one in course.fixes:
        if one.id not in wanted:
            course.became[one.id] = FixOutcome(fix=one, became="not_chosen")
    for one in course.chosen:
        course.became[one.id] = await mend(course.kit, course.asked.named(one.service), one, course.asked.edit)


def _subject(course: Course) -> str:
    chosen_now = "\n".join(one.model_dump_json() for one in course.chosen)
    apart = "\n".join(one.model_dump_json() for one in (*course.conflicts, *course.contradictions))
    weighed = course.weighed.model_dump_json() if course.weighed else ""
    return "\n".join(part for part in (weighed, chosen_now, apart) if part)


def _facts(course: Course) -> tuple[str, ...]:
    rulings = {one.id: one for one in course.weighed.rulings} if course.weighed else {}

    def ruled(name: str) -> str:
        one = rulings.get(name)
        return f"; weighed: {one.holds or 'undecided'}: {one.why}" if one else "; nobody weighed it"

    facts = [f"{name}: {one.diagnosis.fault}: {one.diagnosis.cause}"[:600] for name, one in course.found.items()]
    facts += [f"{name}: could not: {why}"[:600] for name, why in course.failed.items()]
    apart: tuple[Contradiction | Conflict, ...] = (*course.contradictions, *course.conflicts)
    for two in apart:
        facts += [f"{two.id}: {two.on}{ruled(two.id)}"[:600], *(f"{two.id}, one side: {side}" for side in two.sides)]
    facts += [f"to be made: {one.id}: {said(one.change)}"[:600] for one in course.chosen]
    wanted = {one.id for one in course.chosen}
    facts += [f"not chosen: {one.id}: {said(one.change)}"[:600] for one in course.fixes if one.id not in wanted]
    facts += [
        f"{name}: {amount(len(one.unsupported), 'claim')} without a log line"
        for name, one in course.found.items()
        if one.unsupported
    ]
    return tuple(facts)
