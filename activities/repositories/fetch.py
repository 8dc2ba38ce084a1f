"""Fetching a repository: what a run starts from, and which check proves a change."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.git import BranchTaken, Fetched, Mirror, NoRepository, RepositoryRefused, RevisionUnknown, TreeRefused
from activities.repositories.detection import detect
from activities.repositories.pushes import earlier_push
from activities.repositories.shared import Repositories, guarded, required
from activities.repositories.storage import kept_elsewhere
from activities.running.commit import commit_alone
from activities.running.heartbeat import beating
from activities.sandbox import Sandbox
from contracts.branches import refusal
from contracts.repositories import Base, PrepareRepository

INPUT_ERRORS = (NoRepository, RevisionUnknown, RepositoryRefused, TreeRefused, BranchTaken)
"""Errors of the repository, revision or branch that a person named: only that person can fix them."""


class Fetch:
    """The activity `prepare_repository`."""

    def __init__(self, repositories: Repositories, sandbox: Sandbox | None) -> None:
        """`sandbox` None: checks are refused, with the way to get one."""
        self._repos = repositories
        self._sandbox = sandbox

    @activity.defn
    async def prepare_repository(self, request: PrepareRepository) -> Base:
        """Fetch into our mirror and return what the run starts from, and which check proves a change. Safe to call twice."""
        async with beating():
            base = await guarded(self._prepared(request))
            if base.check is not None and not request.checks_later:
                required(self._sandbox)  # before anything is paid for that could not be checked later
            await commit_alone(self._repos.ledger, request)
            return base

    async def _prepared(self, request: PrepareRepository) -> Base:
        """As `_prepare`, with errors of what the input names turned into a refused input: they are not failures of ours."""
        try:
            return await asyncio.to_thread(self._prepare, request)
        except INPUT_ERRORS as error:
            raise ApplicationError(str(error), type="InputRefused", non_retryable=True) from None

    def _prepare(self, request: PrepareRepository) -> Base:
        mirror = self._repos.mirrors.open(request.repository)
        fetched = mirror.fetch(request.base)
        check, source = (request.check or "").strip() or None, "declared"  # a blank command passes and proves nothing
        notes = (*_uncommitted(mirror), *self._branch(request, mirror, fetched), *_unpushable(mirror, request, fetched))
        notes = (*notes, *kept_elsewhere(mirror, fetched.tree))
        # Before anything is paid for: a tree that no workspace can hold ends the run at once.
        mirror.check(fetched.tree)
        with self._repos.workspaces.scratch(mirror, fetched.tree) as directory:
            detected = detect(directory)
        if check is None:
            check, source = (detected.best.command, detected.best.source) if detected.best else (None, "")
        return Base(
            repository=mirror.repository,
            commit=fetched.commit,
            tree=fetched.tree,
            branch=fetched.branch or "",
            committed_at=fetched.committed_at,
            check=check,
            check_source=source,
            notes=notes,
            detected=detected,
        )

    def _branch(self, request: PrepareRepository, mirror: Mirror, fetched: Fetched) -> tuple[str, ...]:
        """What to know about the branch that is going to be pushed. Raises `BranchTaken` where it cannot be."""
        branch = request.branch
        if branch is None:
            return ()
        if why := refusal(branch):
            raise BranchTaken(f"branch: {why}")
        standing = mirror.standing(branch)
        problem = standing.problem(branch)
        if not problem:
            return ()
        pushed = earlier_push(self._repos, mirror, branch)
        # The same change may be asked for again, and a run that was reset meets what it has pushed itself.
        if pushed is None or standing.checked_out or (request.run.trace != pushed.trace and pushed.base != fetched.commit):
            raise BranchTaken(problem)
        return (
            f"branch {branch} is there already, pushed by {pushed.run} from the same base: "
            "only exactly the same files can be approved for it",
        )


def _unpushable(mirror: Mirror, request: PrepareRepository, fetched: Fetched) -> tuple[str, ...]:
    """Known before anything is paid for, but no reason to refuse: a person may push it, or mend that meanwhile."""
    notes = (mirror.closed(fetched.commit, request.branch or "baton/change"), mirror.hooks())
    return tuple(one for one in notes if one)


def _uncommitted(mirror: Mirror) -> tuple[str, ...]:
    found = mirror.uncommitted()
    said = found.told(mirror.repository) if found is not None else ""
    return (said,) if said else ()
