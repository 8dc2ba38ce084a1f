"""How often somebody tried to sign in, counted in the ledger: all consoles that run on it count together."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, case, or_, update

from contracts.base import digest_of
from ledger.db import server_us
from ledger.statement import insert_into
from ledger.tables import sign_in_try


@dataclass(frozen=True)
class Limit:
    """At most so many tries of one subject within a time that begins with the first of them."""

    subject: str
    most: int
    within: timedelta


LINKS = Limit("links", 20, timedelta(minutes=1))
"""Of links that do not count. They cannot be guessed; this keeps a program from asking the ledger all day."""

PASSWORDS = Limit("passwords", 100, timedelta(minutes=15))
"""Of passwords, over all names."""

_KEPT = timedelta(hours=1)


def of_name(name: str) -> Limit:
    """The limit of passwords for one name, known or not. Its digest is kept: people type passwords where names belong."""
    return Limit(f"name:{digest_of('name', name)}", 10, timedelta(minutes=15))


def count(connection: Connection, *limits: Limit) -> bool:
    """Count one try of each; False, and none is counted, if one of them has reached its limit. Give them in one order."""
    connection.execute(sign_in_try.delete().where(sign_in_try.c.since < _before(connection, _KEPT)))
    for at, limit in enumerate(limits):
        if not _counted(connection, limit):
            give_back(connection, *limits[:at])
            return False
    return True


def give_back(connection: Connection, *limits: Limit) -> None:
    """Count one try less of each: it was right."""
    subjects = [limit.subject for limit in limits]
    some = sign_in_try.c.subject.in_(subjects), sign_in_try.c.tries > 0
    connection.execute(update(sign_in_try).where(*some).values(tries=sign_in_try.c.tries - 1))


def _counted(connection: Connection, limit: Limit) -> bool:
    # One statement that both looks and counts: tries that come at once cannot all find room for one more.
    now, over = server_us(connection), sign_in_try.c.since <= _before(connection, limit.within)
    counted = (
        insert_into(connection.dialect.name, sign_in_try)
        .values(subject=limit.subject, since=now, tries=1)
        .on_conflict_do_update(
            index_elements=[sign_in_try.c.subject],
            set_={
                "since": case((over, now), else_=sign_in_try.c.since),
                "tries": case((over, 1), else_=sign_in_try.c.tries + 1),
            },
            where=or_(over, sign_in_try.c.tries < limit.most),
        )
        .returning(sign_in_try.c.tries)
    )
    return connection.execute(counted).scalar() is not None


def _before(connection: Connection, span: timedelta) -> int:
    return server_us(connection) - span // timedelta(microseconds=1)
