"""Bring a ledger to this release's schema, and say how the two compare.

Migrations only go forward, all of them in one transaction. The row of `compatibility` names the oldest schema whose release
may still use the ledger: by that an older release knows whether it can work beside a newer one.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError

from contracts.errors import Misconfigured
from ledger.db import Ledger
from ledger.outages import explained, told, unavailable
from ledger.sessions import POOLED
from ledger.tables import compatibility, metadata

if TYPE_CHECKING:
    from alembic.config import Config

INSUFFICIENT_PRIVILEGE = "42501"

_FOLDER = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Standing:
    """A ledger's schema (`at`; None: never migrated) compared with this release's (`head`).

    `newer` is a newer release's schema that this release may use, `too_new` one that it may not.
    """

    at: str | None
    head: str
    state: Literal["empty", "older", "current", "newer", "too_new"]
    missing: tuple[str, ...] = ()
    barred: str = ""
    """Why this role cannot migrate it, and what to do; "" where it can, or where there is nothing to migrate."""
    pooled: bool = False
    """A pooler, such as PgBouncer, stands before the database."""

    @property
    def problem(self) -> str:
        """Why this release cannot use the ledger, and what to do; "" where it can, perhaps after a migration."""
        if self.state == "too_new":
            return (
                f"the ledger's schema is {self.at}, and this release knows {self.head} and older: a newer release has migrated "
                "it in a way that this one cannot use. Start that release, or restore the backup from before the upgrade"
            )
        if self.missing:
            return (
                f"the ledger's schema is {self.at}, but it has no table {', '.join(self.missing)}: it was restored or copied "
                "in part. Restore all of it from a backup"
            )
        return self.barred


def upgrade(ledger: Ledger) -> None:
    """Migrate to the newest schema, whole or not at all. Safe to call at every start, by several processes at once.

    A ledger that is up to date, or newer and still usable, is left as it is. Raises `Misconfigured` if it cannot be used,
    `LedgerUnavailable` if it does not answer.
    """
    found = standing(ledger)
    if found.state in ("empty", "older") and not found.problem:
        with explained(), ledger.engine.begin() as connection:
            found = _migrated(connection)
    if found.problem:
        raise Misconfigured(found.problem)


def standing(ledger: Ledger) -> Standing:
    """How the ledger's schema and this release's compare. Changes nothing. Raises `LedgerUnavailable`."""
    return ledger.read_now(_standing)


def _standing(connection: Connection) -> Standing:
    found = replace(_compared(connection), pooled=bool(connection.info.get(POOLED)))
    if found.state not in ("empty", "older") or connection.dialect.name != "postgresql":
        return found
    return replace(found, barred=_barred(connection))


def _barred(connection: Connection) -> str:
    """Why no table can be made where this role's tables would go. By default only a database's owner may, since 15."""
    asked = "SELECT quote_ident(current_user), quote_ident(s), has_schema_privilege(s, 'CREATE') FROM current_schema() AS s"
    role, schema, may = connection.execute(text(asked)).one()
    if may:
        return ""
    where = f"in the schema {schema}" if schema is not None else "in any schema of its search_path"
    grant = f"GRANT CREATE, USAGE ON SCHEMA {schema or 'public'} TO {role}"
    return (
        f"the role {role} may not make tables {where}. As the database's owner: {grant}; or give it a schema of its own: "
        f"CREATE SCHEMA AUTHORIZATION {role}"
    )


def _compared(connection: Connection) -> Standing:
    at, known = _revision(connection), revisions()
    head = known[-1]
    if at == head:
        return Standing(at, head, "current", _missing(connection))
    if at is None:
        return Standing(at, head, "empty")
    if at in known:
        return Standing(at, head, "older")
    # Revisions are four-digit numbers, so they compare as texts.
    oldest = (
        connection.execute(select(compatibility.c.oldest)).scalar() if inspect(connection).has_table("compatibility") else None
    )
    if oldest is None or oldest > head:
        return Standing(at, head, "too_new")
    return Standing(at, head, "newer", _missing(connection))


def _revision(connection: Connection) -> str | None:
    """Of the ledger, as Alembic has written it; None if it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@functools.cache
def revisions() -> Sequence[str]:
    """This release's, oldest first, by the names of their files: every command asks, and loading Alembic takes its time."""
    return sorted(file.name.partition("_")[0] for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def _missing(connection: Connection) -> tuple[str, ...]:
    return tuple(sorted(set(metadata.tables) - set(inspect(connection).get_table_names())))


def _migrated(connection: Connection) -> Standing:
    """Migrate inside one transaction and return the standing after it. Another process may have been faster."""
    if connection.dialect.name == "postgresql":
        # Two processes that start together must not both create the tables. The number is any that all releases share; the
        # long timeout is for the other's migration. SQLite needs no such lock: BEGIN IMMEDIATE is one.
        connection.execute(text("SET LOCAL lock_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(7120451)"))
    found = _standing(connection)
    if found.state not in ("empty", "older") or found.problem:
        return found
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        known = unavailable(error)
        is_right = getattr(error.orig, "sqlstate", "") == INSUFFICIENT_PRIVILEGE
        # An outage is retried; anything else is wrong with the ledger itself.
        if known is not None and not is_right:
            raise
        was = f"the ledger could not be migrated from {found.at or 'nothing'} to {found.head} and is as it was: {told(error)}. "
        advice = (
            "Migrate it once as the role that owns its tables (any command does it), or give them to this role (REASSIGN OWNED)"
            if is_right
            else "Was it restored in part, or is the database used by something else? Restore it whole, or name an empty one"
        )
        raise Misconfigured(was + advice) from None
    return _standing(connection)


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    # Read as a .ini value, in which a single % begins the name of another one.
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
