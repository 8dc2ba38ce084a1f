"""Tools that read a declared database: which queries it has, and what one of them gives."""

import asyncio
import json
from collections.abc import Mapping, Sequence

from pydantic import Field

from activities.resources import NotDeclared
from activities.resources.databases import QueryRefused, Reader, Rows, Value
from activities.tools.base import Need, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.base import Contract, is_empty
from contracts.errors import Misconfigured
from contracts.step_resources import Database
from contracts.text import visible, weight

ROWS = 100
_WEIGHT = 26_000

_WHICH = Field(default=None, description="name of the database; null: the only one of this step")


class ListQueries(Contract):
    """Of which database."""

    database: str | None = _WHICH


class QueryRow(Contract):
    """One query, what it answers, and the parameters that it takes."""

    name: str
    about: str
    parameters: tuple[str, ...]
    fixed: tuple[str, ...] = Field(default=(), exclude_if=is_empty, description="parameters that are set already")


class Queries(Contract):
    """The queries that may be run."""

    queries: tuple[QueryRow, ...]


class Parameter(Contract):
    """A value for one parameter of the query."""

    name: str
    value: str | int | bool | None


class RunQuery(Contract):
    """Which query, with which values."""

    query: str = Field(description="name of the query, as list_queries shows it")
    parameters: tuple[Parameter, ...] = ()
    limit: int | None = Field(default=None, ge=1, le=ROWS, description=f"rows to show; null: {ROWS}")
    database: str | None = _WHICH


class QueryResult(Contract):
    """Rows of values in the order of the columns. Numbers with a fraction, times and bytes are text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | bool | None, ...], ...]
    more: bool = Field(description="true: there are rows that are not shown")


def _database(context: ToolContext, name: str | None) -> tuple[Reader, Database]:
    use = context.chosen(Database, name)
    try:
        return context.declared().database(use), use
    except (NotDeclared, Misconfigured) as error:
        raise ToolProblem(str(error)) from None


async def _list_queries(context: ToolContext, asked: ListQueries) -> ToolOutcome:
    database, use = _database(context, asked.database)
    rows = (_row(name, one.about, database.parameters(name), use) for name, one in database.queries.items())
    return ToolOutcome(Queries(queries=tuple(sorted(rows, key=lambda row: row.name))))


def _row(name: str, about: str, takes: tuple[str, ...], use: Database) -> QueryRow:
    free, fixed = (tuple(one for one in takes if (one in use.fixed) is wanted) for wanted in (False, True))
    return QueryRow(name=name, about=about, parameters=free, fixed=fixed)


async def _query(context: ToolContext, asked: RunQuery) -> ToolOutcome:
    given = {one.name: one.value for one in asked.parameters}
    if len(given) != len(asked.parameters):
        raise ToolProblem("a parameter is given twice; give each of them once")
    database, use = _database(context, asked.database)
    try:
        given |= _fixed(use, given, database.parameters(asked.query))
        found = await asyncio.to_thread(database.run, asked.query, given, asked.limit or ROWS)
    except QueryRefused as error:
        raise ToolProblem(str(error)) from None
    said = "\n".join(json.dumps(row, ensure_ascii=False) for row in found.rows)
    return ToolOutcome(_shown(found), (Source(f"query {asked.query}", said.encode()),) if found.rows else ())


def _fixed(use: Database, given: Mapping[str, Value], takes: Sequence[str]) -> dict[str, Value]:
    """The values that the story has set. Raises `ToolProblem` where another one is given for them."""
    if others := sorted(name for name, value in given.items() if name in use.fixed and value != use.fixed[name]):
        raise ToolProblem(f"{', '.join(others)} is set for this step and cannot be another one; leave it out")
    return {name: value for name, value in use.fixed.items() if name in takes}


def _shown(found: Rows) -> QueryResult:
    """As many rows as fit, with characters that cannot be seen made visible."""
    shown: list[tuple[str | int | bool | None, ...]] = []
    room = _WEIGHT - sum(weight(name) + 4 for name in found.columns)
    for row in found.rows:
        seen = tuple(visible(one) if isinstance(one, str) else one for one in row)
        room -= sum(weight(str(one)) + 4 for one in seen)
        if room < 0:
            break
        shown.append(seen)
    if found.rows and not shown:
        raise ToolProblem("a row of this query is too long to be shown; an operator has to declare one with fewer columns")
    return QueryResult(columns=found.columns, rows=tuple(shown), more=found.more or len(shown) < len(found.rows))


QUERY_TOOLS = (
    Tool(
        "list_queries",
        "The queries that a declared database can be asked.",
        ListQueries,
        Queries,
        _list_queries,
        Need("database"),
    ),
    Tool("query", "Run one declared query of a database and read its rows.", RunQuery, QueryResult, _query, Need("database")),
)
