"""Two revisions compared: what differs, and whether the quotes of findings are really there."""

import asyncio
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.git import Fetched, Mirror, PatchUnusable
from activities.git.command import AnswerTooLarge
from activities.repositories.fetch import INPUT_ERRORS
from activities.repositories.grouping import WHOLE, Group, groups_of, parts_of
from activities.repositories.listing import first, listed
from activities.repositories.looking import Looking, named, said_in
from activities.repositories.merging import as_ranked, differing, dropped, faults, left_out, lowered, rank
from activities.repositories.quotes import plain
from activities.repositories.shared import Repositories, changes, guarded
from activities.running.commit import commit_alone, commit_riders
from activities.running.heartbeat import beating
from contracts.base import ArtifactRef, canonical, sha256
from contracts.diffs import lines_of
from contracts.exact import exact
from contracts.findings import Checked, CheckFindings, Ranked, Unproven
from contracts.repositories import Compared, CompareRevisions, DescribeGroup, FileChange, FileGroup, Shown, WorkspaceRef
from contracts.text import for_model

DIFF_LIMIT = 24 * 1024
"""Most characters of a diff in a prompt; agents read the files, or the artifact, for the rest."""

SHOWN_BYTES = 48 * 1024
"""Most bytes of findings in a report. The artifact has all of them."""

NAMED_BEYOND = 20
"""Most files that are named because no group has room for them."""

DIFFER = 20
"""Most disagreements that a report shows."""


class Comparison:
    """The activities `compare_revisions`, `describe_group` and `check_findings`. None runs anything from the repository."""

    def __init__(self, repositories: Repositories) -> None:
        self._repos = repositories

    @activity.defn
    async def compare_revisions(self, request: CompareRevisions) -> Compared:
        """What a head, or a patch, changes since it left the base. Safe to call twice.

        An unknown revision, a patch that does not apply and an empty diff are refused as input.
        """
        async with beating():
            compared, diff, listing = await guarded(self._compared(request))
            return await self._repos.ledger.tx(self._keep, request, compared, diff, listing)

    async def _compared(self, request: CompareRevisions) -> tuple[Compared, bytes, bytes]:
        try:
            return await asyncio.to_thread(self._compare, request)
        except (*INPUT_ERRORS, PatchUnusable) as error:
            raise _refused(str(error)) from None
        except AnswerTooLarge:
            raise _refused("the diff is too large to review in one go; name a base that is nearer to the change") from None

    def _compare(self, request: CompareRevisions) -> tuple[Compared, bytes, bytes]:
        mirror = self._repos.mirrors.open(request.repository)
        base = mirror.fetch(request.base)
        start, head, tree, note = _ends(mirror, base, request)
        mirror.check(tree)
        diff = mirror.diff(start, tree)
        if not diff:
            raise _refused(f"there is nothing to review: {_named(request)} changes nothing since {start[:12]}")
        # By digest alone, here: the bytes are kept in the transaction that commits the rest.
        patch = ArtifactRef(digest=sha256(diff), size=len(diff), media_type="text/x-diff")
        named = listed(changes(mirror, start, tree))
        groups, beyond = groups_of(self._parts(diff)) if len(diff) > WHOLE else ([], [])
        compared = Compared(
            repository=mirror.repository,
            base=start,
            head=head,
            files=named.files,
            counts=named.counts,
            patch=patch,
            shown=for_model(diff.decode(errors="replace"), DIFF_LIMIT),
            ref=WorkspaceRef(repository=mirror.repository, base=head or start, patches=() if head else (patch.digest,)),
            note=note,
            groups=tuple(_as_contract(number, one) for number, one in enumerate(groups, 1)) if len(groups) > 1 else (),
            not_grouped=first(beyond, NAMED_BEYOND),
        )
        return compared, diff, named.listing

    @staticmethod
    def _parts(diff: bytes) -> list[tuple[str, bytes]]:
        return [(_path(part), part) for part in parts_of(diff)]

    def _keep(self, connection: Connection, request: CompareRevisions, made: Compared, diff: bytes, listing: bytes) -> Compared:
        self._repos.keep(connection, request.run, diff, "the difference", "text/x-diff", untrusted=True, sources=("repo",))
        self._repos.keep_listing(connection, request.run, listing, "files of the difference")
        for group, of in zip(made.groups, groups_of(self._parts(diff))[0] if made.groups else (), strict=True):
            name = f"part {group.name} of the difference"
            self._repos.keep(connection, request.run, of.patch, name, "text/x-diff", untrusted=True)
        commit_riders(connection, request)
        return made

    @activity.defn
    async def describe_group(self, request: DescribeGroup) -> Shown:
        """A group's files and its part of the difference, cut where it is long. Safe to call twice."""
        async with beating():
            patch = await guarded(asyncio.to_thread(self._repos.patch, request.group.patch.digest))
        files = files_in(patch, request.group.paths)
        await commit_alone(self._repos.ledger, request)
        return Shown(files=files, diff=for_model(patch.decode(errors="replace"), DIFF_LIMIT))

    @activity.defn
    async def check_findings(self, request: CheckFindings) -> Checked:
        """The findings whose quotes were found, worst first, each once; the others with the reason. Safe to call twice.

        Where a synthesiser has merged them, its list counts, and what it has dropped of the critical and high ones is put back.
        A suggested patch that does not apply at the head, or touches another file, is left out, and the finding says so.
        """
        async with beating():
            checked = await guarded(asyncio.to_thread(self._check, request))
            return await self._repos.ledger.tx(self._keep_checked, request, checked)

    def _check(self, request: CheckFindings) -> Checked:
        mirror = self._repos.mirrors.open(request.compared.repository)
        tree = self._repos.tree(mirror, request.compared.ref)
        looked = Looking(mirror, tree, request.compared.base, plain(self._repos.patch(request.compared.patch.digest)))
        said = self._repos.ledger.read_now(said_in, request)
        proven, unproven = looked.up(said.findings)
        merged, missed = looked.up(said.merged)
        found = faults(proven)
        differ, kept = differing(found), found
        if said.merged_by:
            lost = list(left_out(found, [one for _, one in merged]))
            kept = faults([*named(merged, found), *(pair for fault in lost for pair in fault.said)])
            differ += [*lowered(found, kept, said.merged_by), *(dropped(fault, said.merged_by) for fault in lost)]
            unproven = missed
        findings = tuple(sorted((looked.mended(as_ranked(fault)) for fault in kept), key=rank))
        every, left = tuple(differ[:DIFFER]), said.not_looked_at
        unproven.sort(key=lambda one: rank(one.finding))
        return Checked(findings=findings, unproven=tuple(unproven), disagreements=every, not_looked_at=left)

    def _keep_checked(self, connection: Connection, request: CheckFindings, checked: Checked) -> Checked:
        made_from = (*request.made_by, request.compared.patch.digest)
        kept = self._repos.keep(
            connection, request.run, checked.stored(), "findings", "application/json", untrusted=True, made_from=made_from
        )
        commit_riders(connection, request)
        kept_rows = list(_within([*checked.findings, *checked.unproven]))
        findings = tuple(one for one in kept_rows if isinstance(one, Ranked))
        unproven = tuple(one for one in kept_rows if isinstance(one, Unproven))
        left = len(checked.findings) + len(checked.unproven) - len(kept_rows)
        shown = {"findings": findings, "unproven": unproven, "left_out": left, "artifact": kept.digest}
        return checked.model_copy(update=shown)


def _within(rows: Sequence[Ranked | Unproven]) -> Iterator[Ranked | Unproven]:
    """The first ones, as many as fit into a report."""
    room = SHOWN_BYTES
    for one in rows:
        room -= len(canonical(one.model_dump(mode="json")))
        if room < 0:
            return
        yield one


def _ends(mirror: Mirror, base: Fetched, request: CompareRevisions) -> tuple[str, str, str, str]:
    """The commit to compare with, the head ("" for a patch), the tree at the head, and a note for people."""
    if request.patch is None:
        head = mirror.fetch(request.head)
        start = mirror.merge_base(base.commit, head.commit)
        note = "" if start else "the two share no history: this is the plain diff between them"
        return start or base.commit, head.commit, head.tree, note
    # Git calls a patch corrupt whose last line has no end, as happens to pasted ones.
    patch = request.patch if request.patch.endswith("\n") else f"{request.patch}\n"
    applied = mirror.apply(base.tree, patch.encode())
    if applied.tree is None:
        where = ", ".join(applied.conflicts[:20])
        raise _refused(f"the patch does not apply to {base.commit[:12]}, in {where}; name the base that it was made on")
    return base.commit, "", applied.tree, ""


def _as_contract(number: int, group: Group) -> FileGroup:
    patch = ArtifactRef(digest=sha256(group.patch), size=len(group.patch), media_type="text/x-diff")
    return FileGroup(name=f"g{number:02}", paths=first(group.paths), patch=patch)


def _path(part: bytes) -> str:
    line = next((line for line in reversed(list(lines_of(part))) if line.path), None)
    return "" if line is None else exact(line.path)


def files_in(patch: bytes, paths: Sequence[str]) -> tuple[FileChange, ...]:
    """The files of a part of a difference, with their counts."""
    counted = {path: [0, 0] for path in paths}
    for line in lines_of(patch):
        if line.kind in ("added", "removed") and (path := exact(line.path)) in counted:
            counted[path][line.kind == "removed"] += 1
    return tuple(FileChange(path=path, status="modified", added=one[0], removed=one[1]) for path, one in counted.items())


def _named(request: CompareRevisions) -> str:
    return request.head or "the patch"


def _refused(text: str) -> ApplicationError:
    return ApplicationError(text, type="InputRefused", non_retryable=True)
