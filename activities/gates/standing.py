"""The policy in force: what the ledger has, not what a worker's file says today.

What a file tightens counts as soon as a worker starts with it. What it loosens counts once the owners of the policy have
approved it (`proposing`); until then every worker goes by the stricter of the two, entry by entry.

Keys are the exception, see `anchored`: they also have to be in the file of the worker that checks a signature.
"""

from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import Connection

from activities.gates import lines, orders
from activities.gates.comparison import Change, compare, together
from activities.gates.policy import Policy
from contracts.base import canonical
from contracts.errors import Misconfigured
from ledger import policies
from ledger.policies import How


class InForce(Protocol):
    """Where the policy that counts now comes from."""

    def now(self, connection: Connection) -> Policy:
        """The policy in force. It only reads, and is cheap enough for every decision."""
        ...


@dataclass(frozen=True)
class Pending:
    """What a file loosens that nobody has approved, and what holds meanwhile."""

    policy: Policy
    changes: tuple[Change, ...] = ()

    @property
    def told(self) -> str:
        """What waits for an approval, in one line; "" if nothing does."""
        return "; ".join(str(one) for one in self.changes)


def anchored(policy: Policy, file: Policy) -> Policy:
    """The policy without the keys that this machine's own file does not have, and with an identity no laxer than the file's.

    Whoever can write to the ledger can write a policy into it, and must not be able to name keys with it.
    """
    people = {
        name: one.model_copy(update={"keys": orders.SUBSET.both(one.keys, file.keys_of(name))}) if one.keys else one
        for name, one in policy.people.items()
    }
    return policy.model_copy(update={"identity": orders.IDENTITY.both(policy.identity, file.identity), "people": people})


class Standing:
    """The policy in force, for one worker: read from the ledger again whenever a newer version is there."""

    def __init__(self, file: Policy, where: str) -> None:
        """`file` is the worker's own policy file, `where` its name for people."""
        self.file = file
        self._where = where
        self._nth = 0
        self._policy = file

    @property
    def policy(self) -> Policy:
        """The one that was in force when somebody last looked."""
        return self._policy

    def now(self, connection: Connection) -> Policy:
        """The policy in force; the file's while the ledger has none. Raises `Misconfigured` for one of a newer release."""
        newest = policies.newest_number(connection)
        if newest != self._nth:
            self._policy, self._nth = anchored(stored(connection) or self.file, self.file), newest
        return self._policy

    def take_up(self, connection: Connection, worker: str) -> Pending:
        """Put into force what the file tightens, and say what it loosens. Call it once a worker starts; safe to call twice.

        The first file that a ledger meets is taken as it is. Each version is a feed line with its reason.
        """
        while True:
            nth, before = policies.newest_number(connection), stored(connection)
            made, how, waiting = _made_of(before, self.file)
            if before is not None and not compare(before, made):
                self._policy, self._nth = anchored(before, self.file), nth
                return Pending(before, waiting)
            why = f"{self._where}, read by {worker}"
            if policies.add(connection, nth + 1, made.digest, body_of(made), how, why, worker):
                break
        self._policy, self._nth = anchored(made, self.file), nth + 1
        changes = compare(before, made) if before is not None else ()
        policies.tell(connection, lines.policy_in_force(nth + 1, made.digest, how, why, changes, waiting))
        return Pending(made, waiting)


class Onlooker:
    """The policy that counts here, as `effective` says it, for a process that is no worker and puts nothing into force."""

    def __init__(self, file: Policy) -> None:
        """`file` is this machine's own policy file."""
        self._file = file
        self._known: tuple[int, Policy] | None = None

    def now(self, connection: Connection) -> Policy:
        """The policy that counts now; parsed again only once a newer version is there. Raises as `Standing.now`."""
        newest = policies.newest_number(connection)
        if self._known is None or self._known[0] != newest:
            self._known = newest, effective(connection, self._file).policy
        return self._known[1]


def _made_of(before: Policy | None, file: Policy) -> tuple[Policy, How, tuple[Change, ...]]:
    if before is None:
        return file, "found", ()
    waiting = tuple(one for one in compare(before, file) if one.how == "loosened")
    return (together(before, file), "merged", waiting) if waiting else (file, "tightened", ())


def effective(connection: Connection, file: Policy) -> Pending:
    """What counts with this file, without a worker: the policy in force with what the file tightens. It only reads."""
    before = stored(connection)
    made, _, waiting = _made_of(before, file)
    return Pending(made, waiting)


def body_of(policy: Policy) -> str:
    """A policy as the ledger keeps it, its digest beside it."""
    return canonical(policy.model_dump(mode="json", by_alias=True) | {"digest": policy.digest}).decode()


def stored(connection: Connection) -> Policy | None:
    """The policy in force as the ledger has it; None while it has none. Raises `Misconfigured` for one of a newer release."""
    row = policies.newest(connection)
    return None if row is None else parsed(row.body, row.digest)


def parsed(body: str, digest: str) -> Policy:
    """A policy that the ledger has kept. Raises `Misconfigured` if only a newer release can read it."""
    try:
        return Policy.model_validate_json(body).model_copy(update={"digest": digest})
    except ValidationError as error:
        raise Misconfigured(
            "the policy in force was put there by a newer release and cannot be read by this one: upgrade this machine "
            f"({error.error_count()} keys are not known here)"
        ) from None
