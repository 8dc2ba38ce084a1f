"""What is done once a transaction is committed: until then, what it has seen and written may still be undone."""

from collections.abc import Callable

from sqlalchemy import Connection

_WAITING = "baton_afterwards"


def begin(connection: Connection) -> None:
    """Forget what an earlier transaction on this database connection has left. Called as each begins."""
    connection.info[_WAITING] = []


def call(connection: Connection, what: Callable[[], object]) -> None:
    """Call this once the transaction is committed; never if it is not. It must not fail, nor use the connection."""
    connection.info.setdefault(_WAITING, []).append(what)


def waiting(connection: Connection) -> int:
    """How many calls wait for the commit."""
    return len(connection.info.get(_WAITING) or ())


def forget(connection: Connection, first: int) -> None:
    """Forget those that came after the first ones: their part of the transaction was undone."""
    del connection.info.get(_WAITING, [])[first:]


def committed(connection: Connection) -> None:
    """Make the calls. For who has just committed."""
    for what in connection.info.pop(_WAITING, ()):
        what()
