"""The hashes of people's passwords for the console. What was typed never comes here."""

from sqlalchemy import Connection, delete, insert, select, update

from ledger import signed_in
from ledger.db import plain, server_us
from ledger.tables import console_password


def hash_of(connection: Connection, person: str) -> str | None:
    """The hash of this person's password; None if there is none. It only reads."""
    return connection.execute(select(console_password.c.hash).where(console_password.c.person == plain(person))).scalar()


def put(connection: Connection, person: str, hashed: str) -> bool:
    """Give this person a password, and end every session and link of theirs. True if there was another one before."""
    there = remove(connection, person)
    connection.execute(insert(console_password).values(person=person, hash=hashed, changed_at=server_us(connection)))
    return there


def remove(connection: Connection, person: str) -> bool:
    """Take this person's password away, and end every session and link of theirs. True if there was one; safe to call twice."""
    signed_in.end_all(connection, person)
    return connection.execute(delete(console_password).where(console_password.c.person == person)).rowcount == 1


def rehash(connection: Connection, person: str, old: str, hashed: str) -> None:
    """Keep the same password under newer parameters. Nothing happens if it was changed meanwhile."""
    same = (console_password.c.person == person, console_password.c.hash == old)
    connection.execute(update(console_password).where(*same).values(hash=hashed))
