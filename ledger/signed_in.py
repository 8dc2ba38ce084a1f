"""Signing in to the console. Secrets are random and leave this process; the ledger keeps their digests alone."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, insert, or_, select, update

from contracts.base import digest_of
from contracts.known import Way
from ledger.db import server_us
from ledger.tables import console_session, sign_in_link

LINK_LASTS = timedelta(minutes=15)
"""How long a link that nobody has used signs somebody in."""

IDLE = timedelta(minutes=15)
"""How long a session lasts without a request. A page that is open in front of somebody makes some."""

LASTS = timedelta(hours=12)
"""How long a session lasts at most."""

_TO_THE = timedelta(minutes=1)
"""How exactly the last request is known: a write for each of them would be one for each picture of a page."""


@dataclass(frozen=True)
class SignedIn:
    """Somebody's session. `forms` is what each of its forms has to carry: another site cannot know it."""

    person: str
    forms: str
    way: Way = "link"


def make_link(connection: Connection, person: str) -> str:
    """Make a link's secret that signs this person in once, within `LINK_LASTS`. Calling twice makes two."""
    secret = secrets.token_urlsafe(32)
    expires = server_us(connection) + LINK_LASTS // timedelta(microseconds=1)
    connection.execute(insert(sign_in_link).values(digest=digest_of("link", secret), person=person, expires_at=expires))
    return secret


def person_of_link(connection: Connection, secret: str) -> str | None:
    """Whom a link would sign in; None if it is unknown, was used, or is too old. It only reads."""
    query = select(sign_in_link.c.person).where(
        sign_in_link.c.digest == digest_of("link", secret),
        sign_in_link.c.used_at.is_(None),
        sign_in_link.c.expires_at > server_us(connection),
    )
    return connection.execute(query).scalar()


def sign_in(connection: Connection, secret: str, before: str = "") -> str | None:
    """Use a link up and `begin` a session. Returns the session's secret; None if the link does not count (any more)."""
    now, digest = server_us(connection), digest_of("link", secret)
    unused = (sign_in_link.c.digest == digest, sign_in_link.c.used_at.is_(None), sign_in_link.c.expires_at > now)
    # The condition is in the statement that changes the row: of two that come at once one is refused.
    used = connection.execute(update(sign_in_link).where(*unused).values(used_at=now).returning(sign_in_link.c.person)).scalar()
    return None if used is None else begin(connection, used, "link", before)


def begin(connection: Connection, person: str, way: Way, before: str = "") -> str:
    """Begin a session of this person. Returns its secret, which is always a new one.

    `before` is what the browser had brought along: that session ends, whosever it was.
    """
    sweep(connection)
    if before:
        sign_out(connection, before)
    session, now = secrets.token_urlsafe(32), server_us(connection)
    row = {"digest": digest_of("session", session), "person": person, "began_at": now, "seen_at": now, "way": way}
    connection.execute(insert(console_session).values(**row))
    return session


def find(connection: Connection, session: str) -> tuple[SignedIn, bool] | None:
    """The session with this secret, and whether `seen` is due; None if it is unknown or over. It only reads."""
    row = connection.execute(select(console_session).where(console_session.c.digest == digest_of("session", session))).first()
    if row is None or row.ended_at is not None:
        return None
    now = server_us(connection)
    idle, since = timedelta(microseconds=now - row.seen_at), timedelta(microseconds=now - row.began_at)
    if idle > IDLE or since > LASTS:
        return None
    return SignedIn(row.person, digest_of("forms", session), row.way), idle >= _TO_THE


def seen(connection: Connection, session: str) -> None:
    """Note that the session was used now. One that has ended stays so."""
    mine = (console_session.c.digest == digest_of("session", session), console_session.c.ended_at.is_(None))
    connection.execute(update(console_session).where(*mine).values(seen_at=server_us(connection)))


def sign_out(connection: Connection, session: str) -> None:
    """End the session. Safe to call twice, and with one that is unknown."""
    mine = (console_session.c.digest == digest_of("session", session), console_session.c.ended_at.is_(None))
    connection.execute(update(console_session).where(*mine).values(ended_at=server_us(connection)))


def end_all(connection: Connection, person: str) -> None:
    """End every session of this person, and have no link that was made for them count any more. Safe to call twice."""
    now = server_us(connection)
    going = (console_session.c.person == person, console_session.c.ended_at.is_(None))
    connection.execute(update(console_session).where(*going).values(ended_at=now))
    connection.execute(sign_in_link.delete().where(sign_in_link.c.person == person, sign_in_link.c.used_at.is_(None)))


def sweep(connection: Connection) -> None:
    """Remove links and sessions that count no more."""
    now = server_us(connection)
    old = now - LASTS // timedelta(microseconds=1)
    connection.execute(sign_in_link.delete().where(sign_in_link.c.expires_at < now))
    over = or_(console_session.c.began_at < old, console_session.c.ended_at.is_not(None))
    connection.execute(console_session.delete().where(over))
