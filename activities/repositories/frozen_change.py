"""The change as it is approved and pushed: a fixed tree, branch and message, and the push that follows from them."""

import asyncio

from sqlalchemy import Connection
from temporalio import activity

from activities.git import Mirror, RepositoryUnreachable
from activities.git.standing import Standing
from activities.repositories.forms import form_facts
from activities.repositories.listing import listed
from activities.repositories.names import collisions, ignored
from activities.repositories.pushes import earlier_push
from activities.repositories.shared import Repositories, as_contracts, guarded
from activities.repositories.storage import storage_facts
from activities.running.commit import commit_riders
from activities.running.heartbeat import beating
from contracts import authors, branches
from contracts.actions import GitPush
from contracts.authors import DEFAULT
from contracts.base import ArtifactRef, sha256
from contracts.branches import words_of
from contracts.delivery.change import ChangeSubject, Freeze, Frozen, Redirect
from contracts.intents import Intent
from contracts.runs import RunRef
from contracts.text import visible

FIXED = ("repository", "branch", "author", "message")
"""Repository, branch and author come from the run's input or a person; the message is shown with the change, as its diff is."""


class FrozenChange:
    """The activities `freeze` and `redirect`."""

    def __init__(self, repositories: Repositories, author: str = DEFAULT, *, trailers: bool = True) -> None:
        """`author` is whom commits name; with `trailers` a commit says which run made it."""
        self._repos = repositories
        self._author = None if author == DEFAULT else author
        self._trailers = trailers

    @activity.defn
    async def freeze(self, request: Freeze) -> Frozen:
        """Fix the tree, the branch and the action that an approval will allow. Safe to call twice."""
        async with beating():
            frozen, patch, listing = await guarded(asyncio.to_thread(self._freeze, request))
            return await self._repos.ledger.tx(self._keep_frozen, request, frozen, patch, listing)

    def _freeze(self, request: Freeze) -> tuple[Frozen, bytes, bytes]:
        mirror = self._repos.mirrors.open(request.base.repository)
        tree = self._repos.tree(mirror, request.start)
        patch = mirror.diff(request.base.tree, tree)
        # Both texts come from outside. A NUL in them would be refused by git only at the push, after the approval.
        title = visible((request.instruction.strip().splitlines() or ["Change"])[0])[:72]
        standing = _standing(mirror, request.branch)
        # With the tree in its name: the same change made again gets the same branch, and another change another one.
        branch = request.branch or _made(standing, f"{words_of(request.instruction)}-{tree[:8]}")
        subject = ChangeSubject(
            repository=request.base.repository,
            base=request.base.commit,
            tree=tree,
            branch=branch,
            # By digest alone, here: the bytes are kept in the transaction that commits the rest.
            patch=ArtifactRef(digest=sha256(patch), size=len(patch), media_type="text/x-diff"),
            message=f"{title}\n\n{visible(request.summary)}\n{self._trailer(request.run)}",
            verdict=request.judged.report.verdict,
            report=request.judged.artifact,
            author=self._author,
        )
        intent = Intent.of("git.push", push_of(subject), f"push {tree[:12]} as {branch}", fixed=FIXED)
        found = mirror.changes(request.base.tree, tree)
        named = listed(as_contracts(found))
        forms = (*form_facts(mirror, found, patch), *storage_facts(mirror, request.base.tree, tree, found))
        new = mirror.added(request.base.tree, tree)
        there, blocked = self._target(mirror, standing, subject)
        frozen = Frozen(
            subject=subject,
            intent=intent,
            files=named.files,
            counts=named.counts,
            forms=forms,
            collisions=collisions(new.new, new.tree),
            ignored=ignored(new.ignored),
            there=there,
            blocked=blocked,
        )
        return frozen, patch, named.listing

    def _trailer(self, run: RunRef) -> str:
        return f"\nBaton-Run: {run.workflow_id}\n" if self._trailers else ""

    @activity.defn
    async def redirect(self, request: Redirect) -> Frozen:
        """The same tree as another branch or by another author; `blocked` says why that cannot be. Safe to call twice."""
        async with beating():
            frozen = await guarded(asyncio.to_thread(self._redirect, request))
            return await self._repos.ledger.tx(self._keep_redirected, request, frozen)

    def _redirect(self, request: Redirect) -> Frozen:
        before, branch, author = request.frozen.subject, request.branch, request.author or request.frozen.subject.author
        blocked = branches.refusal(branch) or (authors.refusal(author) if author else "")
        if blocked:
            return request.frozen.model_copy(update={"blocked": blocked, "there": ""})
        subject = before.model_copy(update={"branch": branch, "author": author})
        mirror = self._repos.mirrors.open(subject.repository)
        there, blocked = self._target(mirror, _standing(mirror, branch), subject)
        by = f" by {author}" if author else ""
        intent = Intent.of("git.push", push_of(subject), f"push {subject.tree[:12]} as {branch}{by}", fixed=FIXED)
        return request.frozen.model_copy(update={"subject": subject, "intent": intent, "there": there, "blocked": blocked})

    def _keep_redirected(self, connection: Connection, request: Redirect, frozen: Frozen) -> Frozen:
        self._keep_push(connection, request.run, frozen)
        commit_riders(connection, request)
        return frozen

    def _keep_push(self, connection: Connection, run: RunRef, frozen: Frozen) -> None:
        push = push_of(frozen.subject)
        made_from = (frozen.subject.patch.digest,)
        self._repos.keep(connection, run, push.stored(), "git.push", "application/json", made_from=made_from)

    def _target(self, mirror: Mirror, standing: Standing | None, subject: ChangeSubject) -> tuple[str, str]:
        """That the target has this already, and why it cannot take it; both "" where the way is free, or it did not answer."""
        branch, tree = subject.branch, subject.tree
        if standing is None:
            return "", ""
        head = mirror.remote_head(branch) if branch in standing.heads else None
        if head is None or head.tree != tree:
            return "", standing.problem(branch) or mirror.closed(subject.base, branch)
        pushed = earlier_push(self._repos, mirror, branch)
        by = f"pushed by {pushed.run}" if pushed else "and no run of this ledger has pushed it"
        return f"branch {branch} is there already with exactly these files, {by} (commit {head.commit[:12]})", ""

    def _keep_frozen(self, connection: Connection, request: Freeze, frozen: Frozen, patch: bytes, listing: bytes) -> Frozen:
        made_from = request.start.patches
        self._repos.keep(connection, request.run, patch, "the change", "text/x-diff", sources=("repo",), made_from=made_from)
        self._repos.keep_listing(connection, request.run, listing, "files of the change")
        self._keep_push(connection, request.run, frozen)
        commit_riders(connection, request)
        return frozen


def _standing(mirror: Mirror, branch: str | None) -> Standing | None:
    """What the target has now; None where it does not answer: the push asks again, and waits for it."""
    try:
        return mirror.standing(branch)
    except RepositoryUnreachable:
        return None


def _made(standing: Standing | None, words: str) -> str:
    """A name of our own for the branch: below `baton/`, or beside it where a branch of that name leaves no room."""
    branch = f"baton/{words}"
    if standing is None or standing.collision(branch) is None:
        return branch
    beside = f"baton-{words}"
    return beside if standing.collision(beside) is None else standing.free(beside)


def push_of(subject: ChangeSubject) -> GitPush:
    """The push that an approved change means: exactly its bytes."""
    return GitPush(
        repository=subject.repository,
        base=subject.base,
        tree=subject.tree,
        branch=subject.branch,
        message=subject.message,
        patch=subject.patch.digest,
        author=subject.author,
    )
