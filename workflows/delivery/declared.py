"""Which check counts, and who declared it. Pure."""

from contracts.delivery.plan import Plan
from contracts.delivery.testing import Declared
from contracts.gates import Decided
from contracts.repositories import Base
from workflows.delivery.course import Course


def check_of(decided: Decided, course: Course, plan: Plan) -> tuple[str | None, Declared]:
    """The check to use after the plan was approved, and who declared it; None if the person answered 'none'."""
    said = decided.answers.get("check", "").strip()
    if said:
        return (None, "") if said.lower() == "none" else (said, "person")
    # The repository's own check comes first: a plan must not weaken it.
    if course.base.check:
        return course.base.check, declared_by(course.base)
    proposed = None if course.unproven else plan.check
    return proposed, "planner" if proposed else ""


def declared_by(base: Base) -> Declared:
    """Who declared the check that a run starts with."""
    if not base.check:
        return ""
    return "person" if base.check_source == "declared" or base.check_source.startswith("named ") else "repository"
