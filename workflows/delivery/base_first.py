"""Delivery's first step: the check runs on the base before a model is paid, and a person decides where it proves nothing."""

import re
from dataclasses import replace

from activities.repositories.ecosystems import NAMED_ENVIRONMENT
from activities.repositories.environments import Environments
from activities.repositories.usability import Trouble, counted, trouble
from contracts.gates import Decided
from contracts.handoff import Question
from contracts.repositories import Base, CheckRun, Prepared, PrepareEnvironment
from workflows.delivery.course import Agreed, Course
from workflows.kit.ends import Ended
from workflows.kit.gate import Ask, gate
from workflows.kit.options import WORK

CHANGES = (
    Question(id="check", text="another command to prove the change with; 'none': go on without"),
    Question(
        id="environment",
        text="folder of a prepared interpreter on the worker's machine, as an absolute path; 'none': Baton's own Python; "
        "'prepare': list what the repository declares, and after that install it",
    ),
)
"""What `request_changes` may name, as an answer or as a line of the note (`check: pytest tests`)."""

_OPTION = re.compile(r"(?<!PATH )--(check|environment)[ =]")
"""An option of the command that starts a run, but not of `baton checks PATH`, which can be tried any time."""

PREPARE = "prepare"
"""The answer for `environment` that stands for what the repository declares."""

_TITLES = {"cannot_run": "the check cannot run on the base", "all_red": "nothing passes on the base"}


async def prove(course: Course) -> Course:
    """Run the check on the base, and let a person name another one as long as it proves nothing.

    The course comes back with the check that counts: without one where a person goes on so. Nothing is run where there is no
    check, or where it ran already. Raises `Ended` for reject and silence.
    """
    if not course.base.check or course.base.check in course.base_runs:
        return course
    course.kit.enter("base", "the check runs on the base")
    while course.base.check:
        ran = await course.run_base(course.base.check)
        found = trouble(ran)
        if found is None:
            course.kit.note(f"ran the check on the base: {counted(ran)}", course.base.check, "the change is compared with that")
            return replace(course, shown=counted(ran))
        decided, named = await _asked(course, ran, found)
        if decided.verb == "approve":
            return _goes_on(course, decided, found)
        course = _with(course, decided, named)
    return course


async def prove_agreed(course: Course, agreed: Agreed) -> tuple[Course, Agreed]:
    """As `prove`, for a check that is known only since the plan was approved: before the writers are paid."""
    if not agreed.check or agreed.check in course.base_runs:
        return course, agreed
    named = course.base.model_copy(update={"check": agreed.check, "check_source": "named at the plan gate"})
    proven = await prove(replace(course, base=named))
    return proven, replace(agreed, check=proven.base.check)


async def _asked(course: Course, ran: CheckRun, found: Trouble) -> tuple[Decided, dict[str, str]]:
    """What a person decides, and what `request_changes` names. Asked again where it names nothing."""
    more: tuple[str, ...] = ()
    listed = Prepared()
    while True:
        shown = base_gate(course.base, ran, found, (*more, *_listed(listed)), course.asked.environment)
        decided = await gate(course.kit, shown)
        named = named_by(decided)
        if decided.verb == "request_changes" and named.get("environment", "").lower() == PREPARE:
            listed = await _prepared(course, decided, listed)
            if listed.folder:
                return decided, named | {"environment": listed.folder}
            more = (listed.problem,) if listed.problem else ()
            continue
        if decided.verb == "approve" or (decided.verb == "request_changes" and named):
            return decided, named
        if decided.verb != "request_changes":
            who = f"{decided.verb} by {decided.by}: {decided.note}" if decided.by else f"{decided.gate} {decided.verb}"
            raise Ended(f"{_TITLES[found.kind]} ({who}); {found.why}; to mend it: {found.mend}")
        more = (f"{decided.by} asked for changes, but named neither check nor environment: {decided.note}",)


async def _prepared(course: Course, decided: Decided, listed: Prepared) -> Prepared:
    """The list of what the repository declares; the environment, once a person has seen that list at a gate."""
    base = course.base
    request = PrepareEnvironment(run=course.kit.ref, repository=base.repository, base=base.commit, approved=listed.digest)
    what = "make an environment" if listed.digest else "list what is declared"
    done = await course.kit.do(Environments.prepare_environment, request, f"environment: {what}", **WORK)
    if done.folder:
        course.kit.note(
            f"made an environment: {done.lines[0]}", f"{decided.by} wanted it at {decided.gate}", "the check runs in it"
        )
    return done


def _listed(listed: Prepared) -> tuple[str, ...]:
    if not listed.digest:
        return listed.lines  # what was left out, where there is any
    return (
        f"--answer environment={PREPARE} once more installs this list ({listed.digest}) on the worker's machine: only wheels, "
        "and npm packages without their scripts, so that no code of theirs runs outside the sandbox",
        *listed.lines,
    )


def base_gate(base: Base, ran: CheckRun, found: Trouble, more: tuple[str, ...] = (), environment: str | None = None) -> Ask:
    """Ask how to go on with a check that proves nothing on the base. The output is shown apart."""
    source = f" ({base.check_source})" if base.check_source else ""
    approve = "go on with it as it is" if found.kind == "all_red" else "go on without a check; nothing will be called passed"
    facts = (
        found.why,
        f"to mend it: {_at_gate(found.mend)}",
        *more,
        f"check: {base.check}{source}",
        *((f"environment: {environment}",) if environment else ()),
        *_detected(base, environment),
        f"approve: {approve}",
        "request_changes: name another check or environment, which is tried then: "
        '--answer check="…", --answer environment="…", or a line `check: …` of the note; '
        f"{PREPARE} as the environment stands for what the repository declares, which is listed before it is installed",
        "reject: the run ends; no model was paid for it yet" if not more else "reject: the run ends",
    )
    title = _TITLES[found.kind]
    return Ask(
        kind="stuck",
        title=title,
        subject="\n".join((title, *facts, ran.tail)),
        facts=facts,
        changes=CHANGES,
        output=ran.tail,
    )


def _at_gate(mend: str) -> str:
    """What mends it, said to somebody at a gate: there an answer does what an option does at the start."""
    return _OPTION.sub(r"--answer \1=", mend.replace("`baton prepare PATH`", f"`--answer environment={PREPARE}`"))


def _detected(base: Base, environment: str | None) -> tuple[str, ...]:
    found = base.detected
    if found is None:
        return ()
    others = tuple(f"also found: {one.command} ({one.source})" for one in found.candidates if one.command != base.check)
    return (*others, *(f"layout: {one}" for one in found.layout), *(_need(one, environment) for one in found.needs))


def _need(need: str, environment: str | None) -> str:
    """A need as it was found: without a look into an environment, which may have been named only at this gate."""
    packages = need.removesuffix(f"; {NAMED_ENVIRONMENT}")
    return f"needs: {need}" if environment is None or packages == need else f"the environment has to have {packages}"


def named_by(decided: Decided) -> dict[str, str]:
    """What a decision names of `CHANGES`: its answers, and where it has none the lines `check: …` of its note."""
    known = {question.id for question in CHANGES}
    lines = (line.partition(":") for line in decided.note.splitlines())
    noted = {name.strip().lower(): text.strip() for name, colon, text in lines if colon}
    given = {name: text.strip() for name, text in decided.answers.items()}
    return {name: text for name, text in (given if any(given.values()) else noted).items() if name in known and text}


def _goes_on(course: Course, decided: Decided, found: Trouble) -> Course:
    """A person goes on: with a check that ran, though nothing passed, and without one that did not run."""
    who = f"{decided.by} went on at {decided.gate}"
    if found.kind == "all_red":
        return replace(course, shown=f"{found.why}; {who}")
    return _without(course, f"{who} without one: {found.why}")


def _without(course: Course, why: str) -> Course:
    base = course.base.model_copy(update={"check": None, "check_source": ""})
    return replace(course, base=base, unproven=why)


def _with(course: Course, decided: Decided, named: dict[str, str]) -> Course:
    """The course with what a person named. What ran before ran with something else, and does not count."""
    check, who = named.get("check", course.base.check or ""), f"{decided.by} at {decided.gate}"
    if check.lower() == "none":
        return _without(course, f"{who} named none")
    base = course.base.model_copy(update={"check": check, "check_source": f"named by {who}"})
    environment = named.get("environment", course.asked.environment)
    environment = None if environment is not None and environment.lower() == "none" else environment
    asked = course.asked.model_copy(update={"environment": environment})
    return replace(course, base=base, asked=asked, base_runs={})
