"""The adapter of `git.push`: one approved tree as a branch, looked for before it is sent."""

from collections.abc import Callable
from datetime import datetime

from activities.git import PERMANENT, GitProblem, Mirror, Mirrors, PatchUnusable, PushRefused, TreeRefused
from contracts.actions import GitPush
from contracts.authors import DEFAULT, author_of
from contracts.errors import BatonError, Misconfigured, Refused
from contracts.text import one_line


def _nobody(key: str) -> str:
    del key
    return ""


class GitPushAdapter:
    """Synchronous: call it in a thread. Recognises its effect by the tree: the branch's head has the approved one."""

    permanent: tuple[type[BatonError], ...] = (*PERMANENT, Refused, Misconfigured)

    def __init__(self, mirrors: Mirrors, read: Callable[[str], bytes], approver: Callable[[str], str] = _nobody) -> None:
        """`read` returns the artifact with a digest, `approver` who approved the action with a key, "" for nobody."""
        self._mirrors = mirrors
        self._read = read
        self._approver = approver

    def find(self, arguments: bytes) -> str | None:
        """Ask the remote now; return the commit id if it already has this tree on this branch, else None."""
        push = GitPush.read(arguments)
        head = self._mirrors.open(push.repository).remote_head(push.branch)
        return head.commit if head is not None and head.tree == push.tree else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Push and return the commit id. The same arguments and time give the same commit.

        A tree that is not on this machine is rebuilt. What Git LFS keeps of it is uploaded first. Raises `TreeRefused` if the
        rebuilt tree is another one, and `PushRefused` if the branch exists with something else or the remote refuses.
        """
        push = GitPush.read(arguments)
        mirror = self._mirrors.open(push.repository)
        base = mirror.fetch(push.base)
        if not mirror.holds(push.tree):
            self._make_again(mirror, base.tree, push)
        name, address = author_of(push.author or DEFAULT) or ("", "")  # checked when it was set; git refuses empty ones
        by = self._approver(push.key())
        message = f"{push.message.rstrip()}\nApproved-by: {one_line(by, 200)}\n" if by else push.message
        commit = mirror.commit(push.tree, push.base, message, author=name, email=address, when=when)
        try:
            mirror.lfs.upload(base.tree, push.tree)
        except PushRefused:
            mirror.remote_head(push.branch)  # where it does not answer at all, that was no refusal
            raise
        # The branch must not exist: whatever somebody else has pushed under that name stays.
        mirror.push(commit, push.branch, expected=None)
        return commit

    def _make_again(self, mirror: Mirror, base: str, push: GitPush) -> None:
        """Rebuild the approved tree from its base and patch, on a machine that did not freeze it or has lost its mirror."""
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
                f"{missing}, and patch {push.patch[:12]} on base {push.base[:12]} does not rebuild them. "
                "Nothing was pushed: start the delivery again"
            )
