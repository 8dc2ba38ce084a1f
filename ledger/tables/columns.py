"""What all tables have in common: their metadata, and the columns that most of them are made of."""

from sqlalchemy import BigInteger, Column, MetaData, Text

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
