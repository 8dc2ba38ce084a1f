"""What operators say of messages that were given up: try again, or drop."""

from sqlalchemy import Connection

from activities.notices import lines
from contracts.errors import Refused
from contracts.printed import command
from ledger import channels, feed
from ledger.db import server_us
from ledger.views.notices import Sent, named


def retry(connection: Connection, id: str, by: str, why: str) -> Sent:
    """Have a message tried again that was given up, from the first attempt on and under the same key.

    Raises `NotFound` or `Ambiguous` for its id, and `Refused` if it was not given up.
    """
    found = named(connection, id)
    if not channels.again(connection, found.id, server_us(connection)):
        raise Refused(f"message {found.id} is {found.state}: only one that was given up (dead) can be tried again")
    return _told(connection, found, "had tried again", why, "the worker that has the channel sends it", by)


def drop(connection: Connection, id: str, by: str, why: str) -> Sent:
    """Close a message that was given up, or that waits for its next attempt: it is not sent. Raises as `retry`."""
    found = named(connection, id)
    if not channels.drop(connection, found.id, server_us(connection)):
        raise Refused(
            f"message {found.id} is {found.state} and cannot be dropped; `{command('notify show', found.id)}` tells more"
        )
    return _told(connection, found, "dropped", why, "it is not sent", by)


def _told(connection: Connection, found: Sent, did: str, why: str, next: str, by: str) -> Sent:
    now = named(connection, found.id)
    feed.append(connection, lines.ITSELF, [lines.by_operator(now, did, why, next, by)])
    return now
