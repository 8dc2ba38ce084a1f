"""Checks on a change: run in the sandbox, then compared with the run on the base."""

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.repositories import junit, verdict
from activities.repositories.check_run import Ran, run_check
from activities.repositories.listing import first
from activities.repositories.shared import Repositories, guarded, required
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating, committed
from activities.running.shield import kept
from activities.sandbox import Sandbox
from contracts.base import ArtifactRef, canonical
from contracts.delivery.testing import Judge, Judged, TestReport
from contracts.repositories import CheckRun, RunChecks
from contracts.runs import RunRef

TAIL = 3000
"""Characters at the end of the output that a contract shows."""

REFUSALS = ("SandboxUnavailable", "Misconfigured")
"""Types of errors that say that nothing can be run here as it was asked for."""


class Checks:
    """The activities `run_checks` and `judge_checks`."""

    def __init__(self, repositories: Repositories, sandbox: Sandbox | None) -> None:
        """`sandbox` None: checks are refused, with the way to get one."""
        self._repos = repositories
        self._sandbox = sandbox

    @activity.defn
    async def run_checks(self, request: RunChecks) -> CheckRun:
        """Run a check in the sandbox on a throw-away copy of a tree. A red check is a result, not an error."""
        async with beating():
            try:
                return await self._run(request)
            except ApplicationError as error:
                if not request.tell_refusal or error.type not in REFUSALS:
                    raise
                why = error.message
            return await kept(lambda: self._repos.ledger.tx(self._keep_refusal, request, why))

    async def _run(self, request: RunChecks) -> CheckRun:
        sandbox = required(self._sandbox)
        mirror = self._repos.mirrors.open(request.start.repository)
        tree = await guarded(asyncio.to_thread(self._repos.tree, mirror, request.start))
        environment = None if request.environment is None else Path(request.environment)
        ran = await guarded(
            run_check(
                sandbox,
                self._repos.workspaces,
                mirror,
                tree,
                request.command,
                environment=environment,
            )
        )
        # A check may have taken half an hour: it must not run again because the ledger is unavailable for a minute.
        return await kept(lambda: self._repos.ledger.tx(self._keep_run, request, tree, ran))

    def _keep_refusal(self, connection: Connection, request: RunChecks, why: str) -> CheckRun:
        said = why.encode()
        tried = request.start.patches
        output = self._repos.keep(connection, request.run, said, request.label, "text/plain", made_from=tried)
        commit_riders(connection, request)
        return CheckRun(command=request.command, tree="", exit_code=None, output=output, refused=why)

    def _keep_run(self, connection: Connection, request: RunChecks, tree: str, ran: Ran) -> CheckRun:
        run = keep_ran(self._repos, connection, request.run, ran, tree, request.label, request.start.patches)
        commit_riders(connection, request)
        return run

    @activity.defn
    async def judge_checks(self, request: Judge) -> Judged:
        """Compute the test report from the runs and store it. No model has a say in the verdict."""
        report = verdict.report(
            request.runs,
            request.base,
            request.added,
            request.tester_notes,
            proof=request.proof,
            declared=request.declared,
        )
        # Only the commit takes time, and even a cancelled workflow has to know what was stored.
        return await committed(self._repos.ledger.tx(self._keep_report, request, report))

    def _keep_report(self, connection: Connection, request: Judge, report: TestReport) -> Judged:
        runs = [*request.runs, *([request.base] if request.base else [])]
        outputs = [one.output.digest for one in runs]
        keep, kind = functools.partial(self._repos.keep, connection, request.run), "application/json"
        whole = keep(report.stored(), "test report", kind, made_from=outputs)
        judged = keep(verdict.judged(report), "what the checks showed", kind, made_from=[whole.digest])
        commit_riders(connection, request)
        return Judged(report=report, artifact=judged.digest)


def keep_ran(
    repos: Repositories, connection: Connection, run: RunRef, ran: Ran, tree: str, label: str, patches: Sequence[str] = ()
) -> CheckRun:
    """Keep what a run of a check printed and how each test ended; the run as a contract. `patches`: what made its files."""
    output = repos.keep(connection, run, ran.output, label, "text/plain", untrusted=True, sources=("check",), made_from=patches)
    outcomes = None
    if ran.results is not None and ran.results.outcomes:
        told = canonical(ran.results.outcomes)
        name = f"{label}: tests"
        outcomes = repos.keep(connection, run, told, name, "application/json", untrusted=True, sources=("check",)).digest
    return as_contract(ran, tree, output, outcomes)


def as_contract(ran: Ran, tree: str, output: ArtifactRef, outcomes: str | None = None) -> CheckRun:
    """A run as a contract: with the first failures, and the end of what it printed. `outcomes` names how each test ended."""
    failures, results = first(ran.failures, junit.FAILURES_LIMIT), ran.results
    return CheckRun(
        command=ran.command,
        tree=tree,
        exit_code=ran.exit_code,
        timed_out=ran.timed_out,
        stopped=ran.stopped,
        total=ran.total,
        failures=failures,
        reasons=tuple(results.reasons[one] for one in failures) if results is not None else (),
        unnamed=ran.unnamed + len(ran.failures) - len(failures),
        stopped_early=ran.stopped_early,
        report=results.problem if results is not None else "",
        outcomes=outcomes,
        output=output,
        tail=ran.end(TAIL),
        seconds=int(ran.duration.total_seconds()),
    )
