"""A mirror: our own bare copy of a repository. All work with a user's or stranger's files goes through one."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.files.locks import locked
from activities.git import differences, known, listing, references, source, trees
from activities.git.attributes import Attributes
from activities.git.blobs import blobs as read_blobs
from activities.git.command import Git
from activities.git.differences import TreeChange
from activities.git.errors import PushRefused, RepositoryUnreachable, RevisionUnknown
from activities.git.lfs import Store
from activities.git.lfs_pointers import Made, nothing_made
from activities.git.quota import room
from activities.git.remote import Remote
from activities.git.rules import Added, added, attributes_in
from activities.git.standing import RemoteHead, Standing
from activities.git.trees import Applied, Kept
from activities.git.uncommitted import Uncommitted

LOCK_WAIT = timedelta(minutes=15)
"""How long a fetch waits for another process that is fetching the same repository."""

_ID = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_KEPT = "refs/baton/kept"


@dataclass(frozen=True)
class Fetched:
    """A revision that the mirror now holds. `branch` is None if a tag or commit was asked for."""

    commit: str
    tree: str
    branch: str | None
    committed_at: datetime


class Mirror:
    """One repository's mirror. Every method may be called from several threads and processes at once."""

    def __init__(self, git: Git, address: source.Address, limit: int, made: Made = nothing_made) -> None:
        """`limit` is the largest size of the mirror in bytes, which no fetch may exceed; `made` as in `lfs.Store`."""
        self._git = git
        self._address = address
        self._limit = limit
        self._remote = Remote(git, address)
        self.lfs = Store(git, address, limit, made)

    @property
    def directory(self) -> Path:
        """The bare repository. Not for use by git under any other configuration."""
        return self._git.directory

    @property
    def repository(self) -> str:
        """The address to make this mirror again: a local path is absolute, so it means the same in any process."""
        return self._address.url

    def tree_of(self, base: str) -> str:
        """The tree of a commit or tree id, fetched with all its files if it is not here. Raises `RevisionUnknown`."""
        if not _ID.match(base):
            raise RevisionUnknown(f"{base[:80]!r} is no full commit or tree id; fetch a branch or tag to get one")
        if not self.holds(base):
            # It may be no commit of the remote but a tree, which this fetch brings along: the check below decides.
            with self._locked(), suppress(RevisionUnknown):
                self._commit_by_id(base)
            if not self.holds(base):
                raise RevisionUnknown(f"{self._address.shown} has no commit or tree {base}; check the id")
        return known.tree_of(self.directory, base)

    def holds(self, base: str) -> bool:
        """True if all files of the commit or tree are here. A killed fetch may have brought only some of them."""
        return known.holds(self._git, base)

    def restore(self, tree: str, paths: Sequence[str], source: str) -> str:
        """The tree with these paths as they are in `source`: restored, or removed if `source` has none."""
        return trees.restore(self._git, tree, paths, source)

    def fetch(self, revision: str | None = None) -> Fetched:
        """Fetch a branch, tag or full commit id; None means the repository's main branch. Safe to call twice.

        A commit that is here already is not fetched again. Raises `RepositoryUnreachable` or `RevisionUnknown`.
        """
        with self._locked():
            if revision is not None and _ID.match(revision):
                return self._described(self._peeled(self._commit_by_id(revision), revision), None)
            name, found = self._named(revision)
            # Only what is missing: a branch that has not moved costs one query to the remote and no fetch.
            if not self._has(found):
                self._fetch(f"+{name}:refs/baton/fetched/{found}")
            branch = name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None
            return self._described(self._peeled(found, name), branch)

    def check(self, tree: str) -> None:
        """Raise `TreeRefused` for a tree that `checkout` would refuse, before anybody pays for work on it."""
        trees.check(self._git, tree)

    def checkout(self, tree: str, directory: Path, *, keep: Kept | None = None, converted: bool = False) -> None:
        """Make the folder hold exactly this tree (or commit), whatever it held before, without any of git's own files.

        Symbolic links are links: whoever opens files there must not follow them. `keep` is where an index is kept for
        `snapshot`. With `converted` text has the line ends and encoding that `.gitattributes` ask for; never for `snapshot`,
        which stores files as they are. Raises `TreeRefused` for a tree that is too large, would write into a .git folder,
        or has a link that no system can make.
        """
        trees.checkout(self._git, tree, directory, keep, converted=converted)

    def snapshot(self, directory: Path, parent: str, kept: Path | None = None) -> str:
        """The tree of the folder's files, ignored ones too; modes that the folder cannot show come from `parent`.

        Empty folders are left out. With the kept index of `parent` only changed files are read; the tree is the same.
        Raises `TreeRefused` for a nested repository, a pipe, or an unreadable file.
        """
        return trees.snapshot(self._git, directory, parent, kept)

    def diff(self, old: str, new: str) -> bytes:
        """The patch from one tree to another, binary files included. Empty if they are equal."""
        return differences.diff(self._git, old, new)

    def lines(self, old: str, new: str, path: str) -> bytes:
        """The changed lines of one file as a diff without context. Empty for what is not text."""
        return differences.lines(self._git, old, new, path)

    def paths(self, tree: str) -> tuple[str, ...]:
        """The paths of all files of a tree."""
        return trees.paths(self._git, tree)

    def naming(self, tree: str, names: Sequence[str]) -> tuple[str, ...]:
        """The paths of all files of a tree whose text holds one of the names as it is."""
        return listing.naming(self._git, tree, names)

    def changes(self, old: str, new: str) -> tuple[TreeChange, ...]:
        """What differs between two trees, by path."""
        return differences.changes(self._git, old, new)

    def added(self, old: str, new: str) -> Added:
        """The paths that are new in a tree, and those of them that it ignores."""
        return added(self._git, old, new)

    def attributes(self, tree: str, paths: Sequence[str] | None) -> dict[str, Attributes]:
        """What the tree's `.gitattributes` say of these paths. None: of all files that pass through a filter."""
        return attributes_in(self._git, tree, paths)

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that both have in their history; None if they share none."""
        found = self._git.run("merge-base", one, other, codes=(0, 1))
        return found.output.decode().strip() or None

    def before(self, commit: str) -> str | None:
        """The tree of a commit's first parent; None for a commit without one. The commit must be here: `fetch`."""
        found = self._git.run("rev-parse", "--verify", "--quiet", f"{commit}^1^{{tree}}", codes=(0, 1, 128))
        return found.output.decode().strip() if found.code == 0 else None

    def content(self, tree: str, path: str) -> bytes | None:
        """The content of a file of the tree (or commit); None if it has no such file. Links and submodules are not files."""
        return trees.content(self._git, tree, path)

    def blobs(self, identities: Sequence[str], largest: int, together: int) -> Iterator[tuple[str, int, bytes | None]]:
        """Id, size and content of these blobs; None where that is too large, alone or together with the others."""
        return read_blobs(self._git, identities, largest, together)

    def apply(self, tree: str, patch: bytes) -> Applied:
        """The tree with the patch applied, three-way if its base is known. Raises `PatchUnusable` for what is no patch."""
        return known.apply(self._git, tree, patch)

    def merge(self, base: str, ours: str, theirs: str) -> Applied:
        """Both changes since `base` together, or the paths that clash. Each may be a tree or a commit."""
        return trees.merge(self._git, base, ours, theirs)

    def commit(self, tree: str, parent: str | None, message: str, *, author: str, email: str, when: datetime) -> str:
        """A commit of the tree on `parent`. The same arguments give the same id, so calling twice is safe."""
        return trees.commit(self._git, tree, parent, message, author=author, email=email, when=when)

    def remote_head(self, branch: str) -> RemoteHead | None:
        """Ask the repository now where the branch stands, and fetch that commit. None if it has no such branch."""
        name = references.branch(self._git, branch)
        with self._locked():
            found = self._remote.listed(name).get(name)
            if found is None:
                return None
            if not self._has(found):
                self._fetch(f"+{name}:refs/baton/fetched/{found}")
            return RemoteHead(found, self._git.line("rev-parse", "--verify", f"{found}^{{tree}}"))

    def standing(self, branch: str | None) -> Standing:
        """What the repository has now that a push of this branch would meet. Asks it once; brings nothing here."""
        checked_out = "" if branch is None else source.checked_out(self._address, self._git, branch)
        return Standing(self._remote.heads(), checked_out)

    def hooks(self) -> str:
        """That a repository on this machine has hooks for pushes, which ours do not run; "" where it has none."""
        return source.hooks(self._address, self._git)

    def uncommitted(self) -> Uncommitted | None:
        """What lies in the repository's working folder and in no commit; None where it has no such folder here."""
        return source.uncommitted(self._address, self._git)

    def push(self, commit: str, branch: str, *, expected: str | None) -> None:
        """Set the branch to the commit if it stands at `expected` (None: if it does not exist). Nothing else is changed.

        Raises `PushRefused` if the repository refused, `RepositoryUnreachable` if it was not reached at all, and
        `RemoteUnknown` if its answer was cut off. Calling it again after success is refused or changes nothing.
        """
        name = references.branch(self._git, branch)
        with self._locked():
            self._remote.push(commit, name, expected=expected)

    def closed(self, commit: str, branch: str) -> str:
        """Why the repository takes no push of this machine, in its own words; "" if it does, or does not answer now."""
        name = references.branch(self._git, branch)
        if self._address.path is not None:
            return ""  # a push to a folder of this machine asks nobody for leave
        try:
            with suppress(RepositoryUnreachable), self._locked():
                self._remote.admitted(commit, name)
        except PushRefused as refused:
            return str(refused)
        return ""

    def _named(self, revision: str | None) -> tuple[str, str]:
        """The full name and id of a revision at the remote."""
        if revision is None or revision == "HEAD":
            listed = self._remote.listed("HEAD")
            if "HEAD" not in listed:
                raise RevisionUnknown(
                    f"{self._address.shown} has no main branch; is it empty? Commit something or name a branch"
                )
            return listed.get("", "HEAD"), listed["HEAD"]
        references.check_revision(self._git, revision)
        wanted = [revision] if revision.startswith("refs/") else [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        listed = self._remote.listed(*wanted)
        for name in wanted:
            if name in listed:
                return name, listed[name]
        raise RevisionUnknown(
            f"{self._address.shown} has no branch or tag {revision!r}. Name one that it has, or a full commit id "
            "(a shortened one could mean several)"
        )

    def _commit_by_id(self, commit: str) -> str:
        if self._has(commit):
            return commit
        try:
            self._fetch(f"+{commit}:{_KEPT}/{commit}")
        except RepositoryUnreachable:  # many servers give only what a branch or tag names
            self._fetch("+refs/heads/*:refs/baton/all/heads/*", "+refs/tags/*:refs/baton/all/tags/*")
        if not self._has(commit):
            raise RevisionUnknown(f"{self._address.shown} has no commit {commit} in any branch or tag; check the id")
        return commit

    def _peeled(self, found: str, name: str) -> str:
        """The commit that an id leads to: its own, or a tag's. Raises `RevisionUnknown` for the id of a file or a folder."""
        commit = self._git.run("rev-parse", "--verify", "--quiet", f"{found}^{{commit}}", codes=(0, 1, 128))
        if commit.code != 0:
            raise RevisionUnknown(f"{name} of {self._address.shown} names no commit; name a branch, or a tag of a commit")
        return commit.output.decode().strip()

    def _described(self, commit: str, branch: str | None) -> Fetched:
        # Records that the commit is here completely, for `_has`; and keeps it, even if the remote deletes it.
        self._git.run("update-ref", f"{_KEPT}/{commit}", commit)
        tree, seconds = self._git.line("log", "-1", "--no-show-signature", "--format=%T %ct", commit, "--").split()
        return Fetched(commit, tree, branch, datetime.fromtimestamp(int(seconds), UTC))

    def _has(self, commit: str) -> bool:
        """True if the commit is here with everything it needs: only completely fetched commits have a ref."""
        if self._git.run("for-each-ref", f"{_KEPT}/{commit}", f"refs/baton/fetched/{commit}").output:
            return True
        reached = self._git.run("for-each-ref", "--count=1", f"--contains={commit}", "refs/baton", codes=(0, 128, 129))
        return reached.code == 0 and bool(reached.output)

    def _fetch(self, *specifications: str) -> None:
        try:
            self._fetch_from(specifications)
        except RepositoryUnreachable:
            if not source.is_partial(self._address, self._git):
                raise
            try:  # without the history, whose files it leaves to its own remote
                self._fetch_from(specifications, "--depth=1")
            except RepositoryUnreachable:
                raise source.lacks_files(self._address) from None

    def _fetch_from(self, specifications: Sequence[str], *more: str) -> None:
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow", *more)
        with room(self.directory, self._limit, self._address.shown) as left:
            self._remote.read("fetch", *options, "--no-recurse-submodules", "--", "{url}", *specifications, largest=left)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(self.directory / "baton.lock", LOCK_WAIT, f"the mirror of {self._address.shown}"):
            yield
