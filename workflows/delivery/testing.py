"""Delivery's testing: the tester adds tests, the checks run, and the writer fixes what they find."""

from dataclasses import replace

from activities.repositories.changes import Changes
from activities.repositories.checks import Checks
from activities.repositories.proof import Proofs
from contracts.delivery.plan import WorkItem
from contracts.delivery.proof import Proof, Prove
from contracts.delivery.testing import Judge, Judged, TestNotes, TestTask
from contracts.people import Feedback
from contracts.repositories import ANY_FILE, ChangeSet, CheckRun, CollectChanges, Workspace, WorkspaceRef
from contracts.text import amount
from workflows.delivery import gates as gates
from workflows.delivery.changes import PROOF as PROOF_CHANGE
from workflows.delivery.course import Course, Tested, Written, with_patches
from workflows.delivery.writing import write_again
from workflows.kit.ask import ask
from workflows.kit.options import LEDGER, PROOF, WORK
from workflows.kit.step import CouldNot, Done, Step, Unsure
from workflows.kit.stuck import changes_wanted, stuck_gate

TESTS = (
    *("**/test/**", "**/tests/**", "**/test_*.py", "**/*_spec.rb"),
    *(f"**/*_test.{end}" for end in ("py", "go", "rb", "rs", "c", "cc", "cpp", "dart", "exs", "php")),
    *(f"**/*{mark}.{end}" for mark in (".test", ".spec") for end in ("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts")),
)
"""Files that the tester may write: test sources."""

NO_TESTS = ("**/.*", "**/.*/**")
"""Hidden files and folders are off limits: they control other programs (`.github/workflows/x.test.yml`)."""


async def test_and_rework(course: Course, written: Written) -> Tested:
    """Test and let the writer fix failures, at most `rework` times; then a person decides how to continue."""
    rounds = 0
    if written.asked_again:
        written = await _rework(course, written, written.asked_again)
    while True:
        tested = await _test(course, written)
        report = tested.judged.report
        # `no_new_failures` and `not_run` are for a person to judge, at the change gate.
        if report.verdict != "failed":
            return tested
        feedback = gates.tests_feedback(report)
        if rounds >= course.asked.rework:
            asked = await _person_decides(course, tested, rounds)
            if asked is None:
                return tested
            feedback = asked
        rounds += 1
        course.kit.note(f"rework round {rounds}", report.why, "the writer fixes what the checks found")
        written = await _rework(course, replace(written, ref=tested.ref), (feedback,))


async def _person_decides(course: Course, tested: Tested, rounds: int) -> Feedback | None:
    """After the last round: feedback for one more, None to go to the change gate as it is. Reject raises `Ended`."""
    report = tested.judged.report
    failing = gates.names(report.new_failures) or "-"
    facts = (report.why, f"{amount(rounds, 'round')} of rework did not fix it", f"new failures: {failing}")
    asked = stuck_gate("the checks still fail", facts, report)
    return await changes_wanted(course.kit, asked, "take the change as it is to the change gate")


async def _rework(course: Course, written: Written, feedback: tuple[Feedback, ...]) -> Written:
    """Have the writer rework the whole change; it may touch the files of all items."""
    kit, plan = course.kit, written.agreed.plan
    # Numbered over the whole run: keys are derived from it, and a used one would give back the earlier answer.
    number = kit.asked["rework"] = kit.asked.get("rework", 0) + 1
    item = WorkItem(
        id=f"rework-{number}",
        intent=f"Fix what the feedback names in the current change: {plan.summary[:1500]}",
        # Cut to what one item may name: a plan of many items can have more. Others that it changes are shown to a person.
        files=written.files[:50],
        settings=(),
        acceptance=written.agreed.acceptance[:20],
        depends_on=(),
    )
    kit.enter("rework", "the writer fixes the change")
    change = await write_again(course, written.agreed, item, feedback, written.ref, "rework")
    # Answered now: in the next round the writer must not be given the same feedback again.
    return replace(written, ref=with_patches(written.ref, [] if change is None else [change]), asked_again=())


async def _test(course: Course, written: Written) -> Tested:
    """The tester adds tests, then the checks run. The verdict comes from these runs alone."""
    kit = course.kit
    kit.enter("test", "the tester tries to break the change")
    path = f"test/{kit.asked.get('tester', 0) + 1}"
    use = Workspace(
        name=f"{kit.ref.trace}/{path}",
        ref=written.ref,
        check=written.agreed.check,
        environment=course.asked.environment,
        access="write",
    )
    task = await _task(course, written, use)
    step = await ask(kit, path, "tester", task, TestNotes, inputs=written.agreed.sources, resources=(use,))
    course.doubt("the tester", step.handoff)
    # A tester that could not is no reason to end: the verdict comes from the checks, and the change gate tells it.
    notes = step.or_else(lambda reason: TestNotes(summary=f"{step.outcome}: {reason}"[:4000], tried=())).summary
    _tell_doubt(course, step)
    collect = _collect(course, step.workspace or use, "tests", notes, TESTS, (step.handoff.id,))
    # Whatever else the tester changed is dropped, and named at the gate.
    collect = collect.model_copy(update={"never": NO_TESTS, "drop_outside": True})
    added = await kit.do(Changes.collect_changes, collect, "workspace: read what the tester added", **WORK)
    ref = with_patches(written.ref, [added])
    judged = await _judge(course, written, ref, added, notes)
    following = "the writer fixes it, or a person decides" if judged.report.verdict == "failed" else "a person reviews it"
    kit.note(f"tests: {judged.report.verdict}", judged.report.why, following)
    return Tested(ref, judged)


def _tell_doubt(course: Course, step: Step[TestNotes]) -> None:
    """Say in the feed why the tester's part is not done, if it is not."""
    match step.ended:
        case Done():
            return
        case CouldNot(reason):
            did = "the tester could not"
        case Unsure(reason):
            did = "the tester is unsure"
    course.kit.note(did, reason, "the checks decide without it; the change gate says so", alert="tester_doubts")


async def _task(course: Course, written: Written, use: Workspace) -> TestTask:
    look = _collect(course, use, "change", "", (ANY_FILE,))
    shown = await course.kit.do(Changes.describe_change, look, "git: show the change to the tester", **WORK)
    return TestTask(
        instruction=course.asked.instruction,
        acceptance=written.agreed.acceptance,
        files=shown.files,
        diff=shown.diff,
        check=written.agreed.check,
    )


def _collect(
    course: Course, use: Workspace, item: str, summary: str, allowed: tuple[str, ...], made_by: tuple[str, ...] = ()
) -> CollectChanges:
    return CollectChanges(run=course.kit.ref, workspace=use, item=item, summary=summary, allowed=allowed, made_by=made_by)


async def _judge(course: Course, written: Written, ref: WorkspaceRef, added: ChangeSet, notes: str) -> Judged:
    runs: tuple[CheckRun, ...] = ()
    base: CheckRun | None = None
    if written.agreed.check is not None:
        runs = (await course.run_checks(ref, written.agreed.check, "checks: run on the change"),)
        base = await course.run_base(written.agreed.check)  # started with the writers; usually done by now
    something = added if added.files or added.outside else None
    # Not in a run that began before: its history has no such activity.
    proof = await _prove(course, ref, runs[0], base) if runs and base is not None and course.kit.knows(PROOF_CHANGE) else None
    request = Judge(
        run=course.kit.ref,
        runs=runs,
        base=base,
        added=something,
        tester_notes=notes,
        proof=proof,
        declared=written.agreed.declared,
    )
    judged = await course.kit.do(Checks.judge_checks, request, "checks: compare with the base", **LEDGER)
    course.judged.append(judged)
    return judged


async def _prove(course: Course, ref: WorkspaceRef, run: CheckRun, base: CheckRun) -> Proof:
    """Whether the run's colour means something: no one who wrote the change, or its tests, has a say in it."""
    request = Prove(
        run=course.kit.ref,
        start=ref,
        origin=course.start,
        on_change=run,
        on_base=base,
        environment=course.asked.environment,
    )
    return await course.kit.do(Proofs.prove, request, "checks: ask what they prove", **PROOF)
