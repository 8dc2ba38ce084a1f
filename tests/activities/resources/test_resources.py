"""Declared folders, logs and databases: read through their tools, by name, and nothing beside them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from activities.resources import NotDeclared, Resources
from activities.resources import databases as reading
from activities.tools.base import Need, Tool, ToolContext, ToolProblem
from activities.tools.registry import TOOLS
from contracts.errors import Misconfigured
from contracts.step_resources import Database, DatabaseSetting, Declared, Folder, FolderSetting, Logs, LogsSetting, QuerySetting
from tests.activities.agentfiles import agent, tool
from tests.postgres import Postgres

ONE = "select id, total, note from orders where customer = :customer order by id"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder, log files with others beside them, and a way out."""
    (tmp_path / "secret").write_text("outside\n")
    top = tmp_path / "shelf"
    (top / "deep").mkdir(parents=True)
    (top / "api.log").write_text("started\nERROR no connection to db:5432\n")
    (top / "deep" / "old.log").write_text("ERROR long ago\n")
    (top / "passwords.txt").write_text("ERROR nobody may see this\n")
    (top / "away").symlink_to(tmp_path)
    return top


def declared(shelf: Path, **more: Any) -> Resources:
    """A worker's resources."""
    folders = {"handbook": FolderSetting(path=shelf)}
    logs = {"api": LogsSetting(path=shelf, files="*.log"), "gone": LogsSetting(path=shelf / "nothing")}
    return Resources(folders, logs, **more)


def on(*given: Folder | Logs | Database) -> Declared:
    """What a step was given."""
    kinds = {"folders": Folder, "logs": Logs, "databases": Database}
    return Declared(**{name: [one for one in given if isinstance(one, kind)] for name, kind in kinds.items()})


async def called(name: str, resources: Resources, *given: Folder | Logs | Database, **arguments: Any) -> Any:
    """What a tool gives a step that has these."""
    context = ToolContext("trace", "path", "agent", given=on(*given), resources=resources)
    return (await TOOLS[name].call(context, json.dumps(arguments).encode())).result


async def refused(name: str, resources: Resources, *given: Folder | Logs | Database, **arguments: Any) -> str:
    """What it says where it does not."""
    with pytest.raises(ToolProblem) as caught:
        await called(name, resources, *given, **arguments)
    return str(caught.value)


async def test_a_folder_is_read_as_a_workspace_is(shelf: Path) -> None:
    """List, read, search, each by the folder's name or by none where there is one."""
    of = (declared(shelf), Folder(name="handbook"))
    listed = await called("list_folder", *of, pattern="**/*.log")
    assert [entry.path for entry in listed.entries] == ["api.log", "deep/old.log"]
    assert (await called("read_folder", *of, path="api.log", folder="handbook")).text.startswith("started\n")
    assert (await called("search_folder", *of, pattern="ERROR")).matches == 3


@pytest.mark.parametrize("path", ["../secret", "away/secret", "/etc/passwd", "deep/../../secret"])
async def test_nothing_leads_out_of_a_folder(shelf: Path, path: str) -> None:
    """Not by name, and not by a link."""
    said = await refused("read_folder", declared(shelf), Folder(name="handbook"), path=path)
    assert "outside" not in said


async def test_logs_are_the_declared_files_alone(shelf: Path) -> None:
    """What lies beside them is not listed, not found, not read, and not named where a file is missing."""
    of = (declared(shelf), Logs(name="api"))
    listed = await called("list_logs", *of)
    assert [(entry.path, entry.kind) for entry in listed.entries] == [("api.log", "file"), ("deep", "folder")]
    found = await called("search_logs", *of, pattern="ERROR")
    assert found.rows == ("api.log:2:ERROR no connection to db:5432", "deep/old.log:1:ERROR long ago")
    assert (await called("read_log", *of, path="deep/old.log")).total_lines == 1
    for name, arguments in (("read_log", {}), ("search_logs", {"pattern": "ERROR"})):
        said = await refused(name, *of, path="passwords.txt", **arguments)
        assert said.startswith("there is no passwords.txt; ")
        assert "similar" not in said
    assert "passwords" not in await refused("read_log", *of, path="password.txt")


async def test_a_step_has_what_it_was_given(shelf: Path) -> None:
    """A worker's other resources are not the step's; with several of a kind a call names one."""
    both = (declared(shelf), Logs(name="api"), Logs(name="gone"))
    assert await refused("list_folder", declared(shelf), Logs(name="api")) == (
        "this step has no folder, so there is nothing that this tool could read"
    )
    assert await refused("list_logs", *both) == "this step has more than one logs; say which: api, gone"
    assert await refused("list_logs", *both, logs="web") == "this step has no logs 'web'; it has: api, gone"
    assert "is no folder on this machine" in await refused("list_logs", *both, logs="gone")


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (Folder(name="wiki"), "no folder is called 'wiki' here; there are handbook. Declare it in the worker's baton.toml as"),
        (Logs(name="web"), r"no service's logs is called 'web' here; there are api, gone.*\[logs.web\]"),
        (Database(name="crm"), r"no database is called 'crm' here; none is declared.*\[databases.crm\]"),
        (Folder(name="handbook", access="write"), r"may only be read; set write = true in \[folders.handbook\]"),
    ],
)
def test_what_is_not_declared_is_refused_with_the_way_out(shelf: Path, use: Folder | Logs | Database, said: str) -> None:
    """The message says which table of which file is missing."""
    with pytest.raises(NotDeclared, match=said):
        declared(shelf).find(use)


@pytest.fixture(params=["sqlite", "postgresql"])
def orders(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with three orders."""
    rows = "insert into orders values (1, 'ada', 12.50, 'first'), (2, 'ada', 7, NULL), (3, 'bob', 1, 'x')"
    table = "create table orders (id integer, customer text, total numeric, note text)"
    if request.param == "sqlite":
        file = tmp_path / "a shop?.db"
        with sqlite3.connect(file) as connection:
            connection.execute(table)
            connection.execute(rows)
        connection.close()
        return f"sqlite:///{file}".replace("?", "%3F")
    server: Postgres = request.getfixturevalue("postgres")
    url = server.url(server.create())
    with psycopg.connect(url.replace("+psycopg", "")) as postgres:
        postgres.execute(table)
        postgres.execute(rows)
    return url


def shop(url: str, **queries: str) -> Resources:
    """A worker with one database."""
    said = {name: QuerySetting(about=f"answers {name}", sql=sql) for name, sql in ({"orders": ONE} | queries).items()}
    return Resources(databases={"crm": DatabaseSetting(url=SecretStr(url), queries=said)})


CRM = Database(name="crm")
ADA = {"name": "customer", "value": "ada"}


async def test_a_database_answers_its_declared_queries(orders: str) -> None:
    """By name and with parameters; what a model says is a value and never a part of the statement."""
    known = await called("list_queries", shop(orders), CRM)
    assert [(one.name, one.about, one.parameters) for one in known.queries] == [("orders", "answers orders", ("customer",))]
    ada = [{"name": "customer", "value": "ada"}]
    found = await called("query", shop(orders), CRM, query="orders", parameters=ada, limit=1)
    assert found.columns == ("id", "total", "note")
    assert (found.rows[0][0], found.rows[0][2], found.more) == (1, "first", True)
    evil = [{"name": "customer", "value": "ada' or '1'='1"}]
    assert (await called("query", shop(orders), CRM, query="orders", parameters=evil)).rows == ()


@pytest.mark.parametrize(
    "sql",
    [
        "delete from orders",
        "insert into orders values (4, 'eve', 1, 'y') returning id",
        "create table other (id integer)",
        "drop table orders",
    ],
)
async def test_a_database_is_only_read(orders: str, sql: str) -> None:
    """Also where somebody declares a statement that writes: the database itself refuses it."""
    of = (shop(orders, change=sql, all="select count(*) as n from orders"), CRM)
    said = await refused("query", *of, query="change")
    assert "read" in said.lower(), said
    assert (await called("query", *of, query="all")).rows == ((3,),)


async def test_a_parameter_that_the_story_sets_cannot_be_another_one(orders: str) -> None:
    """A tool call may leave it out or say the same; with another value it is refused, and nothing is read."""
    bound, one = Database(name="crm", fixed={"customer": "ada", "other": 1}), {"query": "orders"}
    [known] = (await called("list_queries", shop(orders), bound)).queries
    assert (known.parameters, known.fixed) == ((), ("customer",))
    found = await called("query", shop(orders), bound, **one)
    assert found.rows == (await called("query", shop(orders), CRM, **one, parameters=[ADA])).rows
    assert found.rows == (await called("query", shop(orders), bound, **one, parameters=[ADA])).rows
    for evil in ("bob", "", None, "ada "):
        said = await refused("query", shop(orders), bound, **one, parameters=[{"name": "customer", "value": evil}])
        assert said == "customer is set for this step and cannot be another one; leave it out"


async def test_a_query_that_cannot_run_says_why(orders: str) -> None:
    """Missing and unknown parameters, unknown queries, a statement that is wrong."""
    of = (shop(orders, broken="select nothing from nowhere"), CRM)
    assert await refused("query", *of, query="order") == "the database crm has no query 'order'; it has: broken, orders"
    assert await refused("query", *of, query="orders") == "orders takes the parameters customer; got none"
    twice = [{"name": "customer", "value": "a"}, {"name": "customer", "value": "b"}]
    assert "given twice" in await refused("query", *of, query="orders", parameters=twice)
    assert "the database crm did not answer broken: " in await refused("query", *of, query="broken")


async def test_a_query_that_takes_too_long_is_ended(orders: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement of an hour does not hold a worker for that hour."""
    monkeypatch.setattr(reading, "SECONDS", 1)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as n from n"
    said = await refused("query", shop(orders, endless=endless), CRM, query="endless")
    assert "the database crm did not answer endless: " in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("not a url", "is not a database URL"),
        ("mysql://u:hunter2@h/d", "mysql is not known; write sqlite:///FILE or postgresql"),
        ("postgresql+psycopg2://u:hunter2@h/d", r"postgresql\+psycopg2 is not known"),
    ],
)
def test_a_database_that_cannot_be_named_is_refused_without_its_password(url: str, said: str) -> None:
    """The table is named, the secret is not."""
    with pytest.raises(Misconfigured, match=said) as caught:
        shop(url).find(CRM)
    assert "hunter2" not in str(caught.value)
    assert "[databases.crm]" in str(caught.value)


async def test_a_database_that_is_away_does_not_show_its_password(tmp_path: Path) -> None:
    """A missing file is an error and is not made."""
    missing = tmp_path / "missing.db"
    assert "unable to open" in await refused("query", shop(f"sqlite:///{missing}", n="select 1 as n"), CRM, query="n")
    assert not missing.exists()
    url = make_url("postgresql+psycopg://u:hunter2@127.0.0.1:1/d").render_as_string(hide_password=False)
    said = await refused("query", shop(url, n="select 1 as n"), CRM, query="n")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("has", "needs", "said"),
    [
        ({}, Need("workspace"), "works on `workspace: read`, and resources has no such line"),
        (
            {"workspace": "read"},
            Need("workspace", "write"),
            "works on `workspace: write`, and resources has only `workspace: read`",
        ),
        ({"folder": "read"}, Need("logs"), "works on `logs: read`, and resources has no such line"),
        ({"logs": "write"}, Need("logs"), "logs can only be read"),
    ],
)
def test_an_agent_that_lacks_what_its_tool_needs_is_not_loaded(
    tmp_path: Path, has: dict[str, str], needs: Need, said: str
) -> None:
    """While a person can still mend the file, and not in the middle of a run."""
    tools: dict[str, Tool] = {"read_file": tool(needs=needs)}
    with pytest.raises(Misconfigured, match=f"helper/v1.md: .*{said}"):
        agent(tmp_path, tools=tools, resources=has)


@pytest.mark.parametrize("has", [{"workspace": "write"}, {"workspace": "read", "logs": "read"}])
def test_an_agent_that_declares_them_is_loaded(tmp_path: Path, has: dict[str, str]) -> None:
    """Writing includes reading, and its pin says what a step has to give it."""
    loaded = agent(tmp_path, tools={"read_file": tool(needs=Need("workspace"))}, resources=has)
    assert loaded.pin(()).resources == has
