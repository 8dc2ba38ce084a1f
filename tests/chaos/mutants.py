"""Workers that are broken on purpose. What the audit reports as right is worth something only while it finds these."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import worker
from activities import models
from activities.actions.git_push import AUTHOR, EMAIL, GitPushAdapter
from activities.providers import openai
from contracts.actions import GitPush
from contracts.conversation import ModelReply, ModelRequest
from ledger import turns


class Careless(GitPushAdapter):
    """Never asks the target what it has, and sends without a key: every try makes a commit of its own."""

    def find(self, arguments: bytes) -> str | None:
        """Look nowhere."""
        return None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Set the branch to a new commit, whatever stands there."""
        push = GitPush.read(arguments)
        mirror = self._mirrors.open(push.repository)
        head = mirror.remote_head(push.branch)
        commit = mirror.commit(push.tree, push.base, push.message, author=AUTHOR, email=EMAIL, when=datetime.now(UTC))
        mirror.push(commit, push.branch, expected=head.commit if head else None)
        return commit


class Keyless(openai.OpenAI):
    """Sends every call under a key of its own: what the provider did for an earlier attempt cannot be found again."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask once more."""
        return await super().complete(request.model_copy(update={"key": secrets.token_hex(32)}))


def _forget() -> None:
    """A model call that never looks for the turn that an earlier attempt has stored."""
    blind = {**vars(turns), "find": lambda *_: None}
    vars(models)["turns"] = SimpleNamespace(**blind)


VARIANTS: dict[str, Callable[[], object]] = {
    "shipped": lambda: None,
    "careless": lambda: vars(worker).update(GitPushAdapter=Careless),
    "keyless": lambda: vars(openai).update(OpenAI=Keyless),
    "forgetful": _forget,
}


def become(variant: str) -> None:
    """Break this process as asked; `shipped` leaves it as it is."""
    VARIANTS[variant]()
