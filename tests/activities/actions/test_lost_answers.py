"""The target has acted, and the connection ends before its answer: it is asked, or a person is, and nothing is sent blindly."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from activities.actions.adapter import Unclear
from ledger import actions
from tests.activities.actions.cases import approved, deliver, wanted
from tests.activities.actions.conftest import World
from tests.postgres import PORT

LOST = {
    "looked-up": "found",
    "once": "sent",  # again, under the same key: the receiver acts once
    "blind": "unknown",
    "mail": "unknown",
    "pull": "found",
    "comment": "found",
    "postgres": "found",
}
"""Every target that answers over a connection, and how the next attempt knows what happened. A command that fails is not among
them: its check is asked in the same attempt.
"""


class _Cuts(socketserver.StreamRequestHandler):
    """Passes on what a client and PostgreSQL say to each other, up to a COMMIT: that arrives, and its answer does not."""

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.server.real)  # type: ignore[attr-defined]
            cuts = threading.Event()
            back = threading.Thread(target=self._back, args=(server, cuts))
            back.start()
            while said := self.connection.recv(65536):
                if b"COMMIT" in said:
                    cuts.set()
                server.sendall(said)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _back(self, server: socket.socket, cuts: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (said := server.recv(65536)) and not cuts.is_set():
                self.connection.sendall(said)
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _cutting(real: Path, folder: Path) -> Iterator[None]:
    """A socket in this folder that leads to PostgreSQL's own, and loses the answer to every COMMIT."""

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(str(folder / f".s.PGSQL.{PORT}"), _Cuts) as server:
        server.real = str(real / f".s.PGSQL.{PORT}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", LOST)
async def test_a_lost_answer_is_asked_for_or_unknown(world: World, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """By the target's own book it has acted once when the answer is lost, and once in the end."""
    adapter, arguments = wanted(world.outside.origin)[name]
    own = {field: f"lost/{arguments[field]}" for field in ("event", "head") if field in arguments}
    if adapter == "sql.execute":  # the table of the keys is made by the first statement, with a COMMIT of its own
        await deliver(world.outside.actions(world.ledger), approved(world.ledger, adapter, arguments | {"event": "first"}))
    meant, before = approved(world.ledger, adapter, arguments | own), world.effects()[name]
    # Short: the path of a socket has at most 107 bytes.
    cut = tmp_path_factory.mktemp("pg")
    real = Path(world.outside.postgres.partition("host=")[2].partition("&")[0])
    losing = replace(world.outside, postgres=world.outside.postgres.replace(str(real), str(cut)))
    world.web.loses = world.mail.loses = True
    try:
        with _cutting(real, cut), pytest.raises((Unclear, ApplicationError)):
            await deliver(losing.actions(world.ledger), meant)
    finally:
        world.web.loses = world.mail.loses = False
    assert world.effects()[name] - before == 1
    assert world.ledger.read_now(actions.get, meant.key).state == "sending"
    try:
        outcome: str = (await deliver(world.outside.actions(world.ledger), meant)).how
    except ApplicationError as error:
        outcome = {("OutcomeUnknown", True): "unknown"}[str(error.type), error.non_retryable]
    assert (outcome, world.effects()[name] - before) == (LOST[name], 1)
