"""PgBouncer for tests: the distribution's own program before a private PostgreSQL server, on a Unix socket, no network."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest

from tests import children
from tests.postgres import PORT, Postgres, how, server_user

HOW = "install it (Debian: apt-get install pgbouncer) or put pgbouncer on the PATH"

CONNECTIONS = 2
"""Connections to the server that all clients share: few, so that two transactions of a client rarely get the same one."""

EACH_ITS_OWN = 40
"""The same by session, where each client has one for as long as it is there."""


def program() -> Path | None:
    """The program; None where there is none."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))
    return Path(found) if found else None


def missing() -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    text = f"there is no PgBouncer here; {HOW}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@contextlib.contextmanager
def before(server: Postgres, mode: str = "transaction", **settings: object) -> Iterator[Postgres]:
    """The same server as seen through a PgBouncer in this pool mode; stopped by its own process id at the end.

    `settings` are further lines of its pgbouncer.ini, or others in place of ours.
    """
    found = program()
    if found is None:
        missing()
    folder = Path(tempfile.mkdtemp(prefix="baton-pgb-"))
    user = server_user()
    try:
        (folder / "pgbouncer.ini").write_text(_settings(server, folder, mode, settings))
        if user is not None:  # it refuses to run as root
            for path in (folder, folder / "pgbouncer.ini"):
                os.chown(path, user.pw_uid, user.pw_gid)
        with (folder / "log").open("a") as output:
            command = [found, folder / "pgbouncer.ini"]
            with children.started(*command, **how(folder, user, output)) as process:
                yield _answering(Postgres(folder, process.pid), process, folder / "log")
                process.terminate()
                process.wait(children.PATIENCE)
    finally:
        shutil.rmtree(folder)


def _settings(server: Postgres, folder: Path, mode: str, more: Mapping[str, object]) -> str:
    lines = {
        "unix_socket_dir": folder,
        "listen_port": PORT,
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": EACH_ITS_OWN if mode == "session" else CONNECTIONS,
        "max_client_conn": 200,
        **more,
    }
    body = "\n".join(f"{name} = {value}" for name, value in lines.items())
    return f"[databases]\n* = host={server.socket} port={PORT} user=baton\n\n[pgbouncer]\n{body}\n"


def _answering(pooler: Postgres, process: "subprocess.Popen[bytes]", log: Path) -> Postgres:
    ends = time.monotonic() + children.PATIENCE
    while True:
        try:
            psycopg.connect(f"host={pooler.socket} port={PORT} user=baton dbname=postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > ends:
                pytest.fail(f"PgBouncer did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        else:
            return pooler
