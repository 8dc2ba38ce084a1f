"""A private PostgreSQL server for tests: the distribution's own binaries, a temporary folder, a Unix socket, no network."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest

from ledger.db import Ledger
from ledger.migrate import upgrade
from ledger.tables import metadata
from tests import children

PORT = 5432
"""Only names the socket's file; nothing listens on the network."""

HOW = "install PostgreSQL's server binaries (Debian: apt-get install postgresql) or put initdb and postgres on the PATH"

# Speed before safety: the folder is deleted at the end.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "deadlock_timeout": "200ms",
    "log_min_messages": "warning",
}

KEPT = {"feed_head", "compatibility", "identity"}
"""Tables whose one row a migration wrote."""

EMPTY = "; ".join(
    # Triggers rest meanwhile: they would write about what goes.
    ["SET lock_timeout = '10s'", "SET session_replication_role = replica"]
    + [f'DELETE FROM "{table}"' for table in metadata.tables if table not in KEPT]
    + ["UPDATE feed_head SET seq = 0", "UPDATE identity SET namespace = '', server = ''"]
)


@dataclass
class Postgres:
    """A running server. `migrated` gives an empty ledger each time."""

    socket: Path
    pid: int
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _free: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        """SQLAlchemy's URL of one of its databases."""
        return f"postgresql+psycopg://baton@/{name}?host={self.socket}&port={PORT}"

    def create(self) -> str:
        """A new database without any table; gives back its name."""
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def migrated(self, files: Path) -> Iterator[str]:
        """The URL of a database with the newest schema and no rows. A test that changes the schema makes its own.

        Databases are emptied and used again: to make one takes twenty times as long.
        """
        name = self._free.pop() if self._free else self._migrate(self.create(), files)
        yield self.url(name)
        self._run(EMPTY, name)
        self._free.append(name)

    def asked(self, url: str, statement: str) -> Any:
        """What another client gets for a statement in the database of this URL, outside any transaction of its own."""
        name = url.partition("?")[0].rpartition("/")[2]
        with psycopg.connect(self._conninfo(name), autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            return None if row is None else row[0]

    def _migrate(self, name: str, files: Path) -> str:
        ledger = Ledger(self.url(name), files)
        upgrade(ledger)
        ledger.close()
        return name

    def _run(self, statements: str, name: str = "postgres") -> None:
        # The names are our own, and CREATE DATABASE takes no parameters.
        with psycopg.connect(self._conninfo(name), autocommit=True) as connection:
            connection.execute(statements.encode())

    def _conninfo(self, name: str = "postgres") -> str:
        return f"host={self.socket} port={PORT} user=baton dbname={name}"

    def answers(self) -> bool:
        """True once it takes connections."""
        try:
            psycopg.connect(self._conninfo()).close()
        except psycopg.OperationalError:
            return False
        return True


def binaries() -> Path | None:
    """The folder with initdb and postgres, the newest where there are several; None where there is none."""
    found = shutil.which("initdb")
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders.sort(key=lambda folder: int(folder.parent.name.split(".")[0]), reverse=True)
    folders += [Path(found).resolve().parent] if found else []
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def missing() -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    text = f"there is no PostgreSQL here; {HOW}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A server; stopped by its own process id and deleted at the end."""
    with place() as (bin_folder, folder, user), started(bin_folder, folder, user, OPTIONS) as server:
        yield server


@contextlib.contextmanager
def place() -> Iterator[tuple[Path, Path, pwd.struct_passwd | None]]:
    """The binaries, a folder with an empty cluster in it, and whom the server runs as; deleted at the end."""
    bin_folder = binaries()
    if bin_folder is None:
        missing()
    # Not beneath pytest's own folder: that is closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="baton-pg-"))
    user = server_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        _make_cluster(bin_folder, folder, user)
        yield bin_folder, folder, user
    finally:
        shutil.rmtree(folder)


def server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root, so root becomes somebody else. None: ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _make_cluster(bin_folder: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    options = ("-U", "baton", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
    command = [bin_folder / "initdb", "-D", folder / "data", *options]
    with (folder / "log").open("w") as output, children.started(*command, **how(folder, user, output)) as process:
        if process.wait(children.PATIENCE) != 0:
            pytest.fail(f"initdb failed: {(folder / 'log').read_text()[-2000:]}")


@contextlib.contextmanager
def started(bin_folder: Path, folder: Path, user: pwd.struct_passwd | None, options: Mapping[str, str]) -> Iterator[Postgres]:
    """A server on the cluster in the folder, until the block ends or somebody has ended it before."""
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = [bin_folder / "postgres", "-D", folder / "data", "-k", folder, "-p", str(PORT), *settings]
    with (folder / "log").open("a") as output, children.started(*command, **how(folder, user, output)) as process:
        server = Postgres(folder, process.pid)
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            _stop(process)


def how(folder: Path, user: pwd.struct_passwd | None, output: object) -> dict[str, Any]:
    """How its programs are started: in the folder, as this user, with nothing of our environment."""
    clean = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
    drop = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {"cwd": folder, "env": clean, **streams, **drop}


def _wait(server: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + children.PATIENCE
    while not server.answers():
        if process.poll() is not None or time.monotonic() > ends:
            pytest.fail(f"the PostgreSQL server did not start: {log.read_text()[-2000:]}")
        time.sleep(0.02)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """A fast shutdown of this process, which ends its own children."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(children.PATIENCE)
