"""The adapter of `git.push`: one approved tree as a branch, found before it is sent."""

from datetime import datetime

from activities.git import Mirrors
from contracts.actions import GitPush

AUTHOR = "Baton"
EMAIL = "baton@localhost"


class GitPushAdapter:
    """Synchronous; callers use a thread. Knows an effect by its tree: the branch's head has the approved one."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def find(self, arguments: bytes) -> str | None:
        """The commit id, if the remote has this tree on this branch already; asks the remote now. None: it has not."""
        push = GitPush.read(arguments)
        head = self._mirrors.open(push.repository).remote_head(push.branch)
        return head.commit if head is not None and head.tree == push.tree else None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Push and return the commit id. The same arguments and time make the same commit.

        Raises `PushRefused` where the branch exists with something else, or the remote says no.
        """
        push = GitPush.read(arguments)
        mirror = self._mirrors.open(push.repository)
        commit = mirror.commit(push.tree, push.base, push.message, author=AUTHOR, email=EMAIL, when=when)
        mirror.push(commit, push.branch, expected=None)
        return commit
