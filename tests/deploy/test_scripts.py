"""The scripts of deploy/, run against the real parts that are here: PostgreSQL, a Temporal server, a worker."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.request import urlopen

import psycopg
import pytest
from sqlalchemy.engine import make_url
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.testing import WorkflowEnvironment

from commands import server
from converter import DATA_CONVERTER
from ledger.db import Ledger
from ledger.migrate import standing, upgrade
from search_attributes import SEARCH_ATTRIBUTES
from tests import postgres, stack
from tests.children import PATIENCE
from tests.deploy.test_compose import ROOT, load
from tests.ports import reserved
from tests.postgres import Postgres

DEPLOY = ROOT / "deploy"
SECRETS = "/run/secrets"


def run(*command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, with these variables beside a PATH that has our programs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, env={"PATH": path, **variables}, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/"
    )


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with fresh secrets."""
    script = tmp_path / "make-secrets.sh"
    script.write_text((DEPLOY / "make-secrets.sh").read_text())
    assert run("sh", script).returncode == 0
    return tmp_path / "secrets"


@pytest.fixture
def database() -> Iterator[Postgres]:
    """A PostgreSQL server of the test's own: roles belong to a whole server."""
    with postgres.running() as started:
        yield started


def made_by(init: Path, database: Postgres) -> "subprocess.CompletedProcess[str]":
    """What the image's entry point makes of a script."""
    where = ("--host", database.socket, "--username", "baton", "--dbname", "postgres", "--no-psqlrc")
    return run("psql", *where, "--set", "ON_ERROR_STOP=1", "--file", init)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[tuple[WorkflowEnvironment, int, int]]:
    """A Temporal server with the team's dynamic settings, and the ports of its HTTP interface and of its UI."""
    http, ui = reserved(), reserved()
    extra = [part for value in server.DYNAMIC_CONFIG for part in ("--dynamic-config-value", value)]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server.temporal_program()),
        dev_server_extra_args=[*extra, "--http-port", str(http)],
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        data_converter=DATA_CONVERTER,
        ui=True,
        ui_port=ui,
    ) as environment:
        yield environment, http, ui


@pytest.mark.parametrize("script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_every_script_is_one_for_a_plain_shell(script: Path) -> None:
    """The images have no bash: the system's plain shell reads each script."""
    assert script.read_text().startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in script.read_text()
    assert run("sh", "-n", script).stderr == ""


def test_secrets_are_made_once(secrets: Path) -> None:
    """Every file that the compose file names is made, the ledger's URL fits, and a second run changes nothing."""
    made = {file.name: file.read_text() for file in secrets.iterdir()}
    assert set(made) == set(load()["secrets"])
    url = make_url(made["ledger_url"])
    assert (url.username, url.password, url.host, url.database) == ("ledger", made["ledger_db_password"], "postgres", "ledger")
    passwords = {made[name] for name in ("postgres_password", "temporal_db_password", "ledger_db_password")}
    assert len(passwords) == 3
    assert {len(one) for one in passwords} == {48}
    (secrets / "anthropic_api_key").write_text("mine")
    assert run("sh", secrets.parent / "make-secrets.sh").returncode == 0
    again = {file.name: file.read_text() for file in secrets.iterdir()}
    assert again == made | {"anthropic_api_key": "mine"}


def test_secrets_are_closed_to_others_and_open_to_containers(secrets: Path) -> None:
    """The folder keeps others of this machine out; a container's user can read the file that is mounted for it."""
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o644}


def test_git_never_sees_a_secret() -> None:
    """A file in the secrets' folder is ignored; only the rule itself is kept."""
    asked = run("git", "-C", ROOT, "check-ignore", "--no-index", "deploy/secrets/ledger_url", "deploy/secrets/.gitignore")
    assert asked.stdout.split() == ["deploy/secrets/ledger_url"]


def test_the_database_is_made_with_two_owners(database: Postgres, secrets: Path, tmp_path: Path) -> None:
    """init.sql makes three databases with passwords from files; the ledger migrates in its own, and Temporal cannot open it."""
    sql = tmp_path / "init.sql"
    sql.write_text((DEPLOY / "postgres/init.sql").read_text().replace(SECRETS, str(secrets)))
    assert made_by(sql, database).stderr == ""
    with psycopg.connect(host=str(database.socket), user="baton", dbname="postgres") as connection:
        owners = connection.execute("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datdba > 10").fetchall()
        scram = "SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'SCRAM-SHA-256$%' AND NOT rolsuper ORDER BY 1"
        assert connection.execute(scram).fetchall() == [("ledger",), ("temporal",)]
    assert set(owners) == {("temporal", "temporal"), ("temporal_visibility", "temporal"), ("ledger", "ledger")}
    ledger = Ledger(f"postgresql+psycopg://ledger@/ledger?host={database.socket}", tmp_path)
    upgrade(ledger)
    assert standing(ledger).state == "current"
    ledger.close()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(host=str(database.socket), user="temporal", dbname="ledger")
    with psycopg.connect(host=str(database.socket), user="temporal", dbname="temporal_visibility") as connection:
        # What Temporal's schema begins with, as an owner who is no superuser.
        connection.execute("CREATE EXTENSION btree_gin; CREATE TABLE schema_version (n int)")


@pytest.mark.parametrize("missing", ["temporal_db_password", "ledger_db_password"])
def test_a_missing_password_makes_no_role(database: Postgres, secrets: Path, tmp_path: Path, missing: str) -> None:
    """Without one of its secret files the database does not come up with an open door: the script stops, and says why."""
    (secrets / missing).unlink()
    sql = tmp_path / "init.sql"
    sql.write_text((DEPLOY / "postgres/init.sql").read_text().replace(SECRETS, str(secrets)))
    done = made_by(sql, database)
    assert done.returncode != 0
    assert "a password is empty; run deploy/make-secrets.sh" in done.stderr
    with psycopg.connect(host=str(database.socket), user="baton", dbname="postgres") as connection:
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname IN ('temporal', 'ledger')").fetchall()
    assert roles == []


def test_the_server_gets_its_password_from_a_file(secrets: Path, tmp_path: Path) -> None:
    """start-server.sh hands the file's password to the image's entry point, in whose place it goes on."""
    entry, script = tmp_path / "entrypoint.sh", tmp_path / "start-server.sh"
    entry.write_text('#!/bin/sh\nprintf "%s %s" "$$" "$POSTGRES_PWD"\n')
    entry.chmod(0o755)
    text = (DEPLOY / "temporal/start-server.sh").read_text().replace(SECRETS, str(secrets))
    script.write_text(text.replace("/etc/temporal/entrypoint.sh", str(entry)).replace("exec ", 'printf "%s " "$$"; exec '))
    before, after, password = run("sh", script).stdout.split()
    assert before == after
    assert password == (secrets / "temporal_db_password").read_text()


async def test_the_namespace_is_made_as_the_code_wants_it(temporal: tuple[WorkflowEnvironment, int, int]) -> None:
    """setup-namespace.sh makes exactly the search attributes that runs set, keeps runs as long as `baton up`, and repeats."""
    client = temporal[0].client
    address = client.service_client.config.target_host
    for _ in range(2):
        done = run("sh", DEPLOY / "temporal/setup-namespace.sh", TEMPORAL_ADDRESS=address, TEMPORAL_NAMESPACE="team")
        assert done.returncode == 0, done.stderr
    asked = DescribeNamespaceRequest(namespace="team")
    described = await client.workflow_service.describe_namespace(asked)
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == server.RETENTION
    have = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="team"))
    wanted = {key.name: int(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    assert {name: int(kind) for name, kind in have.custom_attributes.items()} == wanted


@pytest.mark.parametrize(("service", "inside"), [("temporal", 7243), ("temporal-ui", 8080)])
def test_the_urls_of_the_health_checks_answer(
    temporal: tuple[WorkflowEnvironment, int, int], service: str, inside: int
) -> None:
    """Server and UI of these versions answer with 200 where their health checks look."""
    url = load()["services"][service]["healthcheck"]["test"][-1]
    port = temporal[1] if service == "temporal" else temporal[2]
    assert f":{inside}/" in url
    with urlopen(url.replace(str(inside), str(port)), timeout=PATIENCE) as answer:
        assert answer.status == 200


async def test_a_worker_is_healthy_while_it_polls_and_has_a_ledger(
    temporal: tuple[WorkflowEnvironment, int, int], tmp_path: Path
) -> None:
    """healthy.py says yes beside a polling worker, and no, with the reason, for another queue, no ledger and no server."""
    client = temporal[0].client
    address = client.service_client.config.target_host
    async with stack.stack(client, tmp_path / "state") as one:

        async def polled() -> bool | None:
            return (await healthy(address, one.settings.task_queue, tmp_path / "state")).returncode == 0 or None

        await stack.until(polled, "the worker is healthy")
        queue = one.settings.task_queue
        other = await healthy(address, "another-queue", tmp_path / "state")
        gone = await healthy("127.0.0.1:1", queue, tmp_path / "state")
        closed = await healthy(address, queue, tmp_path / "state", BATON_LEDGER_URL_FILE="/no/such/file")
    assert (other.returncode, "polls 'another-queue'" in other.stderr) == (1, True)
    assert (gone.returncode, "cannot be reached" in gone.stderr) == (1, True)
    assert (closed.returncode, "secret file /no/such/file" in closed.stderr) == (1, True)


async def healthy(address: str, queue: str, state: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the health check as the container does, with the compose file's own command."""
    command = load()["services"]["worker"]["healthcheck"]["test"]
    assert command[:2] == ["CMD", "python"]
    variables = {"TEMPORAL_ADDRESS": address, "BATON_TASK_QUEUE": queue, "BATON_STATE": str(state), **more}
    return await asyncio.to_thread(run, sys.executable, ROOT / command[2], **variables)
