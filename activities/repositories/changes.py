"""What was changed: by one step, read from its workspace, and by all steps together."""

import asyncio
from contextlib import suppress

from sqlalchemy import Connection
from temporalio import activity

from activities.repositories.listing import listed
from activities.repositories.shared import Repositories, changes, guarded
from activities.running.commit import commit_alone, commit_riders
from activities.running.heartbeat import beating
from contracts.repositories import ANY_FILE, ChangeSet, CollectChanges, MatchedFiles, MatchFiles, Shown, WorkspaceRef
from contracts.resources import Resource, file_resource, matched
from contracts.text import amount, for_model

SHOWN = 5
"""Most files to name of those that a pattern matches."""

DIFF_LIMIT = 12 * 1024
"""Most characters of a diff that the tester is shown; it can read the files for the rest."""


class Changes:
    """The activities `collect_changes`, `describe_change` and `match_files`."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories

    @activity.defn
    async def collect_changes(self, request: CollectChanges) -> ChangeSet:
        """Read from the workspace what a step really changed, and store it as a patch. Safe to call twice."""
        async with beating():
            change, patch, listing = await guarded(asyncio.to_thread(self._collect, request))
            return await self._repos.ledger.tx(self._keep_change, request, change, patch, listing)

    def _collect(self, request: CollectChanges) -> tuple[ChangeSet, bytes, bytes]:
        use = request.workspace
        self._repos.workspaces.ensure(use.name, use.ref, use.state, self._repos.patch)
        mirror, tree = self._repos.workspaces.snapshot(use.name)
        start = self._repos.workspaces.start_tree(use.name)
        files = changes(mirror, start, tree)
        outside = _outside(tuple(one.path for one in files), request)
        if outside and request.drop_outside:
            # Removed from the tree that goes on, not from the folder: the workspace stays as the agent left it.
            tree = mirror.restore(tree, outside, start)
            files = changes(mirror, start, tree)
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
        item, kept = request.item, None
        made_from = (*request.made_by, *request.workspace.ref.patches)
        if change.files:
            name = f"patch of {item}"
            kept = self._repos.keep(connection, request.run, patch, name, "text/x-diff", sources=("repo",), made_from=made_from)
        self._repos.keep_listing(connection, request.run, listing, f"files of {item}")
        commit_riders(connection, request)
        return change.model_copy(update={"patch": kept})

    @activity.defn
    async def describe_change(self, request: CollectChanges) -> Shown:
        """The whole change between the repository's base and a workspace's start, for an agent to look at."""
        async with beating():
            shown = await guarded(asyncio.to_thread(self._describe, request.workspace.ref))
            await commit_alone(self._repos.ledger, request)
            return shown

    @activity.defn
    async def match_files(self, request: MatchFiles) -> MatchedFiles:
        """Which files globs and folders match now. Only reads."""
        async with beating():
            found = await guarded(asyncio.to_thread(self._match, request))
            await commit_alone(self._repos.ledger, request)
            return found

    def _match(self, request: MatchFiles) -> MatchedFiles:
        mirror = self._repos.mirrors.open(request.start.repository)
        paths = mirror.paths(self._repos.tree(mirror, request.start))
        found = {one: _named((one,), paths) for one in request.patterns}
        counts = {one: len(files) for one, files in found.items()}
        return MatchedFiles(counts=counts, first={one: files[:SHOWN] for one, files in found.items()})

    def _describe(self, ref: WorkspaceRef) -> Shown:
        mirror = self._repos.mirrors.open(ref.repository)
        base, tree = mirror.tree_of(ref.base), self._repos.tree(mirror, ref)
        named, diff = listed(changes(mirror, base, tree)), mirror.diff(base, tree).decode(errors="replace")
        if named.counts is not None:
            diff = f"[{amount(named.counts.files, 'file')} changed; the first {len(named.files)} are named]\n{diff}"
        return Shown(files=named.files, diff=for_model(diff, DIFF_LIMIT))


def _outside(paths: tuple[str, ...], request: CollectChanges) -> tuple[str, ...]:
    """The files that the step was not allowed to write. A star does not cross a slash: `a*` does not allow `a/b/c.yml`."""
    never = set(_named(request.never, paths))
    allowed = set(paths) if ANY_FILE in request.allowed else set(_named(request.allowed, paths))
    return tuple(path for path in paths if path in never or path not in allowed)


def _named(names: tuple[str, ...], paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths that these names match. Each name also matches itself: a file that a person kept can have any name.

    A folder written without its slash, such as `src`, means what is in it: nothing can be below a file of that name.
    """
    patterns: list[Resource] = []
    for name in names:
        with suppress(ValueError):  # a name that no plan may hold is no pattern either
            one = file_resource(name)
            patterns += [one, file_resource(f"{one.name}/")] if one.kind == "file" else [one]
    meant = {*names, *matched(patterns, paths)}
    return tuple(path for path in paths if path in meant)
