"""The adapter of `git.push`: one approved tree as a branch, found before it is sent."""

from collections.abc import Callable
from datetime import datetime

from activities.git import PERMANENT, GitProblem, Mirror, Mirrors, PatchUnusable, TreeRefused
from contracts.actions import GitPush
from contracts.errors import BatonError, Misconfigured, Refused

AUTHOR = "Baton"
EMAIL = "baton@localhost"


class GitPushAdapter:
    """Synchronous; callers use a thread. Knows an effect by its tree: the branch's head has the approved one."""

    permanent: tuple[type[BatonError], ...] = (*PERMANENT, Refused, Misconfigured)

    def __init__(self, mirrors: Mirrors, read: Callable[[str], bytes]) -> None:
        """`read` gives the artifact of a digest."""
        self._mirrors = mirrors
        self._read = read

    def find(self, arguments: bytes) -> str | None:
        """The commit id, if the remote has this tree on this branch already; asks the remote now. None: it has not."""
        push = GitPush.read(arguments)
        head = self._mirrors.open(push.repository).remote_head(push.branch)
        return head.commit if head is not None and head.tree == push.tree else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Push and return the commit id. The same arguments and time make the same commit.

        Where the tree is not on this machine it is made again. Raises `TreeRefused` where that gives another one, and
        `PushRefused` where the branch exists with something else, or the remote says no.
        """
        push = GitPush.read(arguments)
        mirror = self._mirrors.open(push.repository)
        base = mirror.fetch(push.base)
        if not mirror.holds(push.tree):
            self._make_again(mirror, base.tree, push)
        commit = mirror.commit(push.tree, push.base, push.message, author=AUTHOR, email=EMAIL, when=when)
        # The branch must not be there: what somebody else has put under its name stays as it is.
        mirror.push(commit, push.branch, expected=None)
        return commit

    def _make_again(self, mirror: Mirror, base: str, push: GitPush) -> None:
        """Bring the approved tree here from its base and patch, on a machine that did not freeze it or has lost its mirror."""
        missing = f"the approved files ({push.tree[:12]}) are not on this machine"
        if push.patch is None:
            raise GitProblem(
                f"{missing}, and an earlier release, which approved them, kept no patch with the push. Nothing was pushed: "
                "start the worker that froze them, with its `mirrors` folder, or start the delivery again"
            )
        try:
            made = mirror.apply(base, self._read(push.patch)).tree
        except PatchUnusable:
            made = None
        if made != push.tree:
            raise TreeRefused(
                f"{missing}, and patch {push.patch[:12]} on base {push.base[:12]} does not make them again. "
                "Nothing was pushed: start the delivery again"
            )
