"""Workspaces and checks for the coordinator: fetch, collect, integrate, check, judge, freeze."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.files.paths import PathRefused
from activities.git import PERMANENT, UNREADABLE, Mirror, Mirrors
from activities.repositories import verdict
from activities.repositories.checks import Ran, run_check
from activities.repositories.detection import detect_check
from activities.repositories.listing import first, listed
from activities.repositories.workspaces import Workspaces
from activities.running.commit import commit_alone, commit_riders
from activities.running.heartbeat import beating, committed
from activities.running.shield import kept
from activities.sandbox import Sandbox
from contracts.actions import GitPush
from contracts.base import ArtifactRef, sha256
from contracts.delivery.change import ChangeSubject, Freeze, Frozen
from contracts.delivery.testing import Judge, Judged
from contracts.errors import BatonError, Misconfigured, Refused
from contracts.gates import Intent
from contracts.ids import slug
from contracts.repositories import (
    Base,
    ChangeSet,
    CheckRun,
    CollectChanges,
    DropWorkspaces,
    FileChange,
    Integrate,
    Integrated,
    PrepareRepository,
    RunChecks,
    Shown,
    WorkspaceRef,
)
from contracts.runs import RunRef
from contracts.text import for_model, visible
from ledger import artifacts, runs
from ledger.db import Ledger

T = TypeVar("T")

NOT_MENDED: tuple[type[BatonError], ...] = (*PERMANENT, *UNREADABLE, PathRefused, Refused, Misconfigured)
"""Errors of git, files and the sandbox that a retry does not mend."""

DIFF_LIMIT = 12 * 1024
"""Characters of a diff that the tester is shown; it can read the files for the rest."""


class Work:
    """Activities on repositories, workspaces and checks. `sandbox` None: checks are refused, with the way to get one."""

    def __init__(
        self,
        ledger: Ledger,
        mirrors: Mirrors,
        workspaces: Workspaces,
        sandbox: Sandbox | None,
    ) -> None:
        self._ledger = ledger
        self._mirrors = mirrors
        self._workspaces = workspaces
        self._sandbox = sandbox

    @activity.defn
    async def prepare_repository(self, request: PrepareRepository) -> Base:
        """Fetch into our own mirror and say what the run starts from, and which check proves a change. Safe to call twice."""
        async with beating():
            base = await self._guarded(asyncio.to_thread(self._prepare, request))
            if base.check is not None:
                self._needs_sandbox()  # before anything is paid for that could not be checked in the end
            await commit_alone(self._ledger, request)
            return base

    def _prepare(self, request: PrepareRepository) -> Base:
        mirror = self._mirrors.open(request.repository)
        fetched = mirror.fetch(request.base)
        check, source = (request.check or "").strip() or None, "declared"  # a blank command passes and proves nothing
        mirror.check(fetched.tree)
        if check is None:
            with self._workspaces.scratch(mirror, fetched.tree) as directory:
                check, source = detect_check(directory) or (None, "")
        return Base(
            repository=mirror.repository,
            commit=fetched.commit,
            tree=fetched.tree,
            branch=fetched.branch or "",
            committed_at=fetched.committed_at,
            check=check,
            check_source=source,
        )

    @activity.defn
    async def collect_changes(self, request: CollectChanges) -> ChangeSet:
        """What a step really changed, read from its workspace and kept as a patch. Safe to call twice."""
        async with beating():
            change, patch, listing = await self._guarded(asyncio.to_thread(self._collect, request))
            return await self._ledger.tx(self._keep_change, request, change, patch, listing)

    def _collect(self, request: CollectChanges) -> tuple[ChangeSet, bytes, bytes]:
        use = request.workspace
        self._workspaces.ensure(use.name, use.ref, use.state, self._read)
        mirror, tree = self._workspaces.snapshot(use.name)
        start = self._workspaces.start_tree(use.name)
        files = _changes(mirror, start, tree)
        outside = tuple(one.path for one in files if not _allowed(one.path, request))
        if outside and request.drop_outside:
            tree = mirror.restore(tree, outside, start)
            files = _changes(mirror, start, tree)
        named = listed(files, outside)
        change = ChangeSet(
            item=request.item,
            summary=request.summary,
            files=named.files,
            outside=named.outside,
            counts=named.counts,
            start_tree=start,
            tree=tree,
        )
        return change, mirror.diff(start, tree), named.listing

    def _keep_change(
        self, connection: Connection, request: CollectChanges, change: ChangeSet, patch: bytes, listing: bytes
    ) -> ChangeSet:
        kept = self._keep(connection, request.run, patch, f"patch of {request.item}", "text/x-diff") if change.files else None
        self._keep_listing(connection, request.run, listing, f"files of {request.item}")
        commit_riders(connection, request)
        return change.model_copy(update={"patch": kept})

    def _keep_listing(self, connection: Connection, run: RunRef, listing: bytes, name: str) -> None:
        if listing:
            self._keep(connection, run, listing, name, "application/json")

    @activity.defn
    async def describe_change(self, request: CollectChanges) -> Shown:
        """The whole change between the repository's base and a workspace's start, for an agent to look at."""
        async with beating():
            shown = await self._guarded(asyncio.to_thread(self._describe, request.workspace.ref))
            await commit_alone(self._ledger, request)
            return shown

    def _describe(self, ref: WorkspaceRef) -> Shown:
        mirror = self._mirrors.open(ref.repository)
        base, tree = mirror.tree_of(ref.base), self._tree(mirror, ref)
        named, diff = listed(_changes(mirror, base, tree)), mirror.diff(base, tree).decode(errors="replace")
        if named.counts is not None:
            diff = f"[{named.counts.files} files changed; the first {len(named.files)} are named]\n{diff}"
        return Shown(files=named.files, diff=for_model(diff, DIFF_LIMIT))

    @activity.defn
    async def integrate(self, request: Integrate) -> Integrated:
        """Put several patches on one tree, in order; the first that does not fit is named with its files. Guesses nothing."""
        async with beating():
            integrated, patch = await self._guarded(asyncio.to_thread(self._integrate, request))
            if patch is None:
                await commit_alone(self._ledger, request)
                return integrated
            return await self._ledger.tx(self._keep_integrated, request, integrated, patch)

    def _integrate(self, request: Integrate) -> tuple[Integrated, bytes | None]:
        mirror = self._mirrors.open(request.start.repository)
        start = tree = self._tree(mirror, request.start)
        for change in request.changes:
            if change.patch is None:
                continue
            applied = mirror.apply(tree, self._read(change.patch.digest))
            if applied.tree is None:
                return Integrated(conflicts=first(applied.conflicts), conflict_item=change.item), None
            tree = applied.tree
        return Integrated(tree=tree), mirror.diff(start, tree)

    def _keep_integrated(self, connection: Connection, request: Integrate, integrated: Integrated, patch: bytes) -> Integrated:
        kept = self._keep(connection, request.run, patch, "integrated patch", "text/x-diff") if patch else None
        commit_riders(connection, request)
        return integrated.model_copy(update={"patch": kept})

    @activity.defn
    async def run_checks(self, request: RunChecks) -> CheckRun:
        """Run a check in the sandbox on a throw-away copy of a tree. What it shows is a result, also when it is red."""
        async with beating():
            sandbox = self._needs_sandbox()
            mirror = self._mirrors.open(request.start.repository)
            tree = await self._guarded(asyncio.to_thread(self._tree, mirror, request.start))
            environment = None if request.environment is None else Path(request.environment)
            ran = await self._guarded(
                run_check(
                    sandbox,
                    self._workspaces,
                    mirror,
                    tree,
                    request.command,
                    environment=environment,
                    limit=timedelta(seconds=request.timeout_s),
                )
            )
            return await kept(lambda: self._ledger.tx(self._keep_run, request, tree, ran))

    def _keep_run(self, connection: Connection, request: RunChecks, tree: str, ran: Ran) -> CheckRun:
        output = self._keep(connection, request.run, ran.output, request.label, "text/plain", untrusted=True)
        failures = first(ran.failures, verdict.FAILURES_LIMIT)
        commit_riders(connection, request)
        return CheckRun(
            command=ran.command,
            tree=tree,
            exit_code=ran.exit_code,
            timed_out=ran.timed_out,
            total=ran.total,
            failures=failures,
            unnamed=ran.unnamed + len(ran.failures) - len(failures),
            output=output,
            tail=ran.tail[-3000:],
            seconds=int(ran.duration.total_seconds()),
        )

    @activity.defn
    async def judge_checks(self, request: Judge) -> Judged:
        """Compute the test report from the runs and keep it. No model has a say in the verdict."""
        report = verdict.report(request.runs, request.base, request.added, request.tester_notes)
        return await committed(self._ledger.tx(self._keep_report, request, report))

    def _keep_report(self, connection: Connection, request: Judge, report: Any) -> Judged:
        kept = self._keep(connection, request.run, report.stored(), "test report", "application/json")
        commit_riders(connection, request)
        return Judged(report=report, artifact=kept.digest)

    @activity.defn
    async def freeze(self, request: Freeze) -> Frozen:
        """Fix the tree, the branch and the action that an approval will allow. Safe to call twice."""
        async with beating():
            frozen, patch, listing = await self._guarded(asyncio.to_thread(self._freeze, request))
            return await self._ledger.tx(self._keep_frozen, request, frozen, patch, listing)

    def _freeze(self, request: Freeze) -> tuple[Frozen, bytes, bytes]:
        mirror = self._mirrors.open(request.base.repository)
        tree = self._tree(mirror, request.start)
        patch = mirror.diff(request.base.tree, tree)
        # Both come from outside. A NUL would be refused only by git, at the push, after the approval.
        title = visible((request.instruction.strip().splitlines() or ["Change"])[0])[:72]
        branch = request.branch or f"baton/{slug(request.instruction)}-{tree[:8]}"
        subject = ChangeSubject(
            repository=request.base.repository,
            base=request.base.commit,
            tree=tree,
            branch=branch,
            patch=ArtifactRef(digest=sha256(patch), size=len(patch), media_type="text/x-diff"),
            message=f"{title}\n\n{visible(request.summary)}\n",
            verdict=request.judged.report.verdict,
            report=request.judged.artifact,
        )
        push = push_of(subject)
        intent = Intent(
            key=push.key(),
            type="git.push",
            arguments=sha256(push.stored()),
            arguments_digest=push.identity(),
            summary=f"push {tree[:12]} as {branch}",
        )
        named = listed(_changes(mirror, request.base.tree, tree))
        return Frozen(subject=subject, intent=intent, files=named.files, counts=named.counts), patch, named.listing

    def _keep_frozen(self, connection: Connection, request: Freeze, frozen: Frozen, patch: bytes, listing: bytes) -> Frozen:
        self._keep(connection, request.run, patch, "the change", "text/x-diff")
        self._keep_listing(connection, request.run, listing, "files of the change")
        self._keep(connection, request.run, push_of(frozen.subject).stored(), "git.push", "application/json")
        commit_riders(connection, request)
        return frozen

    @activity.defn
    async def drop_workspaces(self, request: DropWorkspaces) -> None:
        """Remove every workspace of a run family, and what killed workers left of others. Safe to call twice."""
        async with beating():
            await asyncio.to_thread(self._workspaces.remove, request.run.trace)
            # Of runs that dropped theirs on another machine, too, or before an attempt that came to life again made one.
            await asyncio.to_thread(self._workspaces.sweep, set(await self._ledger.read(runs.open_traces)))
            await commit_alone(self._ledger, request)

    def _needs_sandbox(self) -> Sandbox:
        if self._sandbox is None:
            raise ApplicationError(
                "this worker has no sandbox, so no check is run; `baton doctor` says how to get one",
                type="SandboxUnavailable",
                non_retryable=True,
            )
        return self._sandbox

    def _tree(self, mirror: Mirror, ref: WorkspaceRef) -> str:
        """The tree that a workspace starts from. Its patches were made on exactly what they are applied to here."""
        tree = mirror.tree_of(ref.base)
        for digest in ref.patches:
            applied = mirror.apply(tree, self._read(digest))
            if applied.tree is None:
                raise BatonError(f"patch {digest[:12]}… no longer fits {tree[:12]} in {', '.join(applied.conflicts)}")
            tree = applied.tree
        return tree

    def _read(self, digest: str) -> bytes:
        return self._ledger.read_now(artifacts.get, self._ledger.files, digest)

    def _keep(
        self, connection: Connection, run: RunRef, data: bytes, name: str, media_type: str, *, untrusted: bool = False
    ) -> ArtifactRef:
        kept = artifacts.put(connection, self._ledger.files, data, media_type)
        artifacts.note_seen(connection, run.trace, run.path, kept.digest, name, untrusted=untrusted)
        return kept

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Errors that a retry cannot mend end the activity at once, with the text that says what to do."""
        try:
            return await work
        except NOT_MENDED as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None


def push_of(subject: ChangeSubject) -> GitPush:
    """The push that an approved change means: exactly its bytes."""
    return GitPush(
        repository=subject.repository,
        base=subject.base,
        tree=subject.tree,
        branch=subject.branch,
        message=subject.message,
        patch=subject.patch.digest,
    )


def _changes(mirror: Mirror, old: str, new: str) -> tuple[FileChange, ...]:
    """What differs between two trees, as a contract."""
    found = mirror.changes(old, new)
    return tuple(FileChange(path=one.path, status=one.status, added=one.added, removed=one.removed) for one in found)


def _allowed(path: str, request: CollectChanges) -> bool:
    if any(fnmatchcase(path, one) for one in request.never):
        return False
    return any(path == one or fnmatchcase(path, one) for one in request.allowed)
