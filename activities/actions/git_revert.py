"""The adapter of `git.revert`: a commit that takes a pushed change back, as a new branch, looked for before it is sent."""

from datetime import datetime

from activities.git import PERMANENT, Mirror, Mirrors, TreeRefused
from contracts.actions import GitPush, Receipt
from contracts.authors import DEFAULT, author_of
from contracts.effects.git_revert import GitRevert
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.ids import slug
from contracts.intents import Arguments


class GitRevertAdapter:
    """Recognises its effect by the tree: the branch's head has the files without the change."""

    permanent: tuple[type[BatonError], ...] = (*PERMANENT, Refused, Misconfigured, ContractViolation)

    def __init__(self, mirrors: Mirrors, author: str = DEFAULT) -> None:
        self._mirrors = mirrors
        self._author = author

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """What is taken back, and from where the branch starts."""
        wanted = GitRevert.read(arguments)
        return (f"in {wanted.repository}", f"takes back {wanted.commit}", f"branch {wanted.branch} from {wanted.onto}")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """A revert of the revert's commit."""
        done = GitRevert.read(arguments)
        return reverting(done.repository, done.branch, receipt.reference)

    def find(self, arguments: bytes) -> str | None:
        """Ask the remote now; return the commit id if the branch is there and has these files, else None."""
        wanted = GitRevert.read(arguments)
        mirror = self._mirrors.open(wanted.repository)
        head = mirror.remote_head(wanted.branch)
        return head.commit if head is not None and head.tree == _without(mirror, wanted) else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Push and return the commit id. The same arguments and time give the same commit.

        Raises `TreeRefused` where the change cannot be taken back without touching what came after it.
        """
        wanted = GitRevert.read(arguments)
        mirror = self._mirrors.open(wanted.repository)
        tree = _without(mirror, wanted)
        name, address = author_of(self._author) or ("", "")
        message = f"Revert {wanted.commit[:12]}\n\nThis takes back commit {wanted.commit}.\n"
        commit = mirror.commit(tree, wanted.onto, message, author=name, email=address, when=when)
        mirror.push(commit, wanted.branch, expected=None)
        return commit


def reverting(repository: str, branch: str, commit: str) -> Arguments | None:
    """The action that takes a pushed commit back, on a branch named after its own; None where no commit is known."""
    if len(commit) not in (40, 64):
        return None
    return GitRevert(repository=repository, commit=commit, onto=commit, branch=f"revert/{slug(branch, 60)}-{commit[:8]}")


def of_push(arguments: bytes, receipt: Receipt) -> Arguments | None:
    """The action that takes a push back."""
    push = GitPush.read(arguments)
    return reverting(push.repository, push.branch, receipt.reference)


def _without(mirror: Mirror, wanted: GitRevert) -> str:
    """The tree of `onto` without what `commit` changed against its first parent. Raises `TreeRefused` for a conflict."""
    changed, onto = mirror.fetch(wanted.commit), mirror.fetch(wanted.onto)
    before = mirror.before(wanted.commit)
    if before is None:
        raise TreeRefused(f"commit {wanted.commit[:12]} is the first of its repository; there is nothing to go back to")
    # Three-way, from the change: what leads back to before it, and what came after it, both count.
    merged = mirror.merge(changed.tree, onto.tree, before)
    if merged.tree is None:
        clash = ", ".join(merged.conflicts[:5])
        raise TreeRefused(f"commit {wanted.commit[:12]} cannot be taken back: later commits changed the same lines of {clash}")
    if merged.tree == onto.tree:
        raise TreeRefused(f"commit {wanted.commit[:12]} changes nothing that {wanted.onto[:12]} has: nothing to take back")
    return merged.tree
