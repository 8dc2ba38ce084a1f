"""What all tables have in common: their metadata, their partial indexes, and the columns that most of them are made of."""

from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, Index, MetaData, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def words(name: str, **options: object) -> Column[str]:
    """A text that is always there."""
    return Column(name, Text, nullable=False, **options)  # type: ignore[arg-type]


def number(name: str, default: int | None = None) -> Column[int]:
    """64 bits that are always there: micro-dollars, counts, instants in UTC microseconds."""
    return Column(name, BigInteger, nullable=False, server_default=None if default is None else str(default))


class Partial(Index):
    """An index of those rows of which `where`, a condition in SQL, is true.

    The condition is an option of each database. SQLAlchemy loads the dialects of all that are named when an index is made;
    here they are when the option is first read: by a migration, and by no command that only reads.
    """

    def __init__(self, name: str, *columns: str, where: str, unique: bool = False) -> None:
        super().__init__(name, *columns, unique=unique)
        self.where = where

    @cached_property
    def dialect_options(self) -> Any:
        """The options of each database, as SQLAlchemy asks for them."""
        found = super().dialect_options
        for dialect in ("sqlite", "postgresql"):
            found[dialect]["where"] = text(self.where)
        return found
