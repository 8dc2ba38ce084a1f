"""What stands at the target under a branch's name, and which run of ours has pushed it."""

from dataclasses import dataclass

from sqlalchemy import Connection

from activities.git import Mirror
from activities.repositories.shared import Repositories
from contracts.actions import GitPush, Receipt
from contracts.ids import business_key
from ledger import actions, artifacts
from ledger.views.runs import find_run


@dataclass(frozen=True)
class Pushed:
    """A push of ours that stands at the target now: the run's id, its trace, the commit that it started from, and its own."""

    run: str
    trace: str
    base: str
    commit: str


def earlier_push(repositories: Repositories, mirror: Mirror, branch: str) -> Pushed | None:
    """Our push that made what the branch is now; None where it is not there, or somebody else's. Asks the target."""
    head = mirror.remote_head(branch)
    if head is None:
        return None
    key = business_key("git.push", mirror.repository, branch, head.tree)
    found = repositories.ledger.read_now(_delivered, repositories, key)
    return found if found is not None and found.commit == head.commit else None


def _delivered(connection: Connection, repositories: Repositories, key: str) -> Pushed | None:
    row = actions.find(connection, key)
    if row is None or row.state != "delivered" or not row.receipt:
        return None
    push = GitPush.read(artifacts.get(connection, repositories.ledger.files, row.arguments))
    commit = Receipt.model_validate_json(row.receipt).reference
    return Pushed(find_run(connection, row.trace).workflow_id, row.trace, push.base, commit)
