"""Workers that are broken on purpose. What the audit reports as right is worth something only while it finds these."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, select, update

import worker
import worker_parts
from activities.actions.git_push import GitPushAdapter
from activities.providers import openai
from activities.runs.upkeep import Upkeep
from activities.turns import models, reservation
from contracts.actions import GitPush
from contracts.conversation import ModelReply, ModelRequest
from contracts.runs import RunChange, RunRef
from ledger import runs, turns
from ledger.money import spend
from ledger.run_rows import RunRow
from ledger.tables import scope
from tests.chaos.asks import AskWhenTold
from tests.chaos.deadlines import Rounds
from tests.workflows.performs import Performs
from workflows.kit import gate


class Careless(GitPushAdapter):
    """Never asks the target what it has, and sends without a key: every try makes a commit of its own."""

    def find(self, arguments: bytes) -> str | None:
        """Look nowhere."""
        return None

    def send(self, arguments: bytes, when: datetime) -> str:
        """Set the branch to a new commit, whatever stands there."""
        push = GitPush.read(arguments)
        mirror = self._mirrors.open(push.repository)
        mirror.fetch(push.base)
        head = mirror.remote_head(push.branch)
        commit = mirror.commit(
            push.tree, push.base, push.message, author="Baton", email="baton@localhost", when=datetime.now(UTC)
        )
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
    for looks in (models, reservation):
        vars(looks)["turns"] = SimpleNamespace(**blind)


def _ask() -> None:
    """The shipped worker, which also serves the small runs of `tests/chaos/asks.py`."""
    vars(worker)["WORKFLOWS"] = (*worker.WORKFLOWS, AskWhenTold)


def _ask_greedily() -> None:
    """Take by a look at each ceiling from before anything was spent: what all have taken since then is not looked at."""
    _ask()
    shipped = spend.reserve

    # Not by the first look of each worker: where that comes late it sees no room, and nothing is overdrawn.
    def look_once(connection: Connection, key: str, scopes: Sequence[spend.Scope], amount: int, **more: Any) -> str:
        for wanted in scopes:
            spend.begin(connection, wanted)
            row = connection.execute(select(scope).where(scope.c.id == wanted.id)).one()
            if amount > row.ceiling:
                raise spend.CeilingReached(wanted.id, row.ceiling, row.spent, row.held, amount)
        return shipped(connection, key, scopes, amount, **more)

    def take(connection: Connection, wanted: spend.Scope, amount: int) -> None:
        connection.execute(update(scope).where(scope.c.id == wanted.id).values(held=scope.c.held + amount))

    vars(spend).update(reserve=look_once, _take=take)


def _ask_forgivingly() -> None:
    """A call that was lost with its worker is taken to have cost nothing."""
    _ask()
    shipped = spend.close
    vars(spend)["close"] = lambda connection, reservation, *_: shipped(connection, reservation, "released")


def _perform() -> None:
    """The shipped worker, which also serves a pipeline that performs one action."""
    vars(worker)["WORKFLOWS"] = (*worker.WORKFLOWS, Performs)


def _race() -> None:
    """The shipped worker, which also serves runs that open one gate after the other."""
    vars(worker)["WORKFLOWS"] = (*worker.WORKFLOWS, Rounds)


async def _in_time(*_: object) -> bool:
    """What is seen together with the deadline came before it, for all that anybody knows."""
    return True


def _race_late() -> None:
    _race()
    vars(gate)["came_before"] = _in_time


def _perform_carelessly() -> None:
    _perform()
    vars(worker_parts).update(GitPushAdapter=Careless)


def _take_changes_as_they_come() -> None:
    """What a run's row says is what came last, also where it is older."""
    shipped = runs.change

    def change(connection: Connection, ref: RunRef, wanted: RunChange, row: RunRow | None = None) -> str | None:
        return shipped(connection, ref, wanted.model_copy(update={"nth": 0}), row)

    vars(runs)["change"] = change


async def _nothing_gone(*_: object) -> tuple[int, str]:
    """What a round of upkeep finds that does not ask Temporal."""
    return 0, ""


VARIANTS: dict[str, Callable[[], object]] = {
    "shipped": lambda: None,
    "careless": lambda: vars(worker_parts).update(GitPushAdapter=Careless),
    "keyless": lambda: vars(openai).update(OpenAI=Keyless),
    "forgetful": _forget,
    "asks": _ask,
    "greedy": _ask_greedily,
    "forgiving": _ask_forgivingly,
    "performs": _perform,
    "races": _race,
    "races-late": _race_late,
    "unordered": _take_changes_as_they_come,
    "unasked": lambda: setattr(Upkeep, "_gone", _nothing_gone),
    "performs-careless": _perform_carelessly,
}


def become(variant: str) -> None:
    """Break this process as asked; `shipped` leaves it as it is."""
    VARIANTS[variant]()
