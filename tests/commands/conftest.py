"""The command line as a person or a script uses it: in this process for speed, in a process of its own where that matters."""

import asyncio
import json
import os
import pty
import select
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

import starter
from ledger.db import Ledger
from tests import children, forks, scripts
from tests.ledger import samples
from tests.scripts import a_tester, answer, edit, item, plan, says, writer
from tests.stack import Stack, dev_server, sample, stack

NOWHERE = "127.0.0.1:1"
"""An address on which nothing listens."""


Dialogue = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its JSON document: there must be exactly one on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        assert document["schema"] == 1
        return document


class Baton:
    """Runs `baton` in a folder of its own, without Temporal unless a test points it somewhere."""

    def __init__(self, folder: Path, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.state = folder, state
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("BATON_", "TEMPORAL_", "ANTHROPIC_", "OPENAI_"))]:
            monkeypatch.delenv(name)
        self.set(BATON_STATE=state, TEMPORAL_ADDRESS=NOWHERE)

    def set(self, **variables: object) -> None:
        """Set environment variables for the commands that follow."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, str(value))

    def use(self, stack: Stack) -> None:
        """Talk to this stack: its server, its task queue, its ledger."""
        address = stack.client.service_client.config.target_host
        self.set(BATON_STATE=stack.settings.state, BATON_TASK_QUEUE=stack.settings.task_queue, TEMPORAL_ADDRESS=address)

    def __call__(self, *arguments: str) -> Ran:
        """One command line in this process: no terminal, nobody to ask."""
        self._capsys.readouterr()
        code = starter.call(arguments)
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    async def live(self, *arguments: str) -> Ran:
        """As a call, beside a worker that runs in this process."""
        return await asyncio.to_thread(self, *arguments)

    def process(self, *arguments: str, typed: Dialogue | None = None, **variables: str) -> Ran:
        """One command line in a process of its own, a fork. With `typed` it sits at a terminal where somebody types that.

        Each of `typed` is what has to stand on the screen, after what stood there for the one before, and what is typed then.
        """
        command = [*forks.program(), *arguments]
        environment = {**os.environ, **variables}
        if typed is None:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=children.PATIENCE
            )
            return Ran(done.returncode, done.stdout, done.stderr)
        return at_terminal(command, environment, typed)


def at_terminal(command: list[str], environment: dict[str, str], typed: Dialogue) -> Ran:
    """Run with a terminal on all three streams; what it prints comes back as `out`."""
    ours, theirs = pty.openpty()
    shown, at = b"", 0
    try:
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        with children.started(*command, env={**environment, "TERM": "xterm"}, **streams) as process:
            os.close(theirs)
            for wanted, line in typed:
                while (found := shown.find(wanted.encode(), at)) < 0:
                    try:
                        more = _read(ours)
                    except AssertionError as waits:
                        raise AssertionError(f"{wanted!r} never stood on the screen; {waits}:\n{shown.decode()}") from None
                    assert more, f"{wanted!r} never stood on the screen:\n{shown.decode(errors='replace')}"
                    shown += more
                at = found + len(wanted.encode())
                os.write(ours, line.encode())
            shown += b"".join(iter(lambda: _read(ours), b""))
            code = process.wait(children.PATIENCE)
    finally:
        os.close(ours)
    return Ran(code, shown.decode(), "")


def _read(terminal: int) -> bytes:
    """What comes next; nothing at the end. Fails where the program waits for somebody to type."""
    ready, _, _ = select.select([terminal], [], [], children.PATIENCE)
    assert ready, "the program is waiting for more to be typed"
    try:
        return os.read(terminal, 65_536)
    except OSError:  # what Linux says when the other side of a terminal is closed
        return b""


@pytest.fixture
def baton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Baton:
    """The command line in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Baton(folder, tmp_path / "state", monkeypatch, capsys)


@pytest.fixture
def ledger(baton: Baton, sqlite_template: Path) -> Iterator[Ledger]:
    """The ledger that `baton` reads, with a schema and nothing in it."""
    baton.state.mkdir(exist_ok=True)
    shutil.copy(sqlite_template, baton.state / "ledger.db")
    opened = Ledger(f"sqlite:///{baton.state / 'ledger.db'}", baton.state / "artifacts")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
async def client() -> AsyncIterator[Client]:
    """A client of the session's dev server."""
    async with dev_server("frontend.WorkflowPauseEnabled=true") as environment:
        yield environment.client


Begin = Callable[..., str]


@pytest.fixture
def begin(ledger: Ledger) -> Begin:
    """Insert a run; gives back its workflow id."""
    from ledger import runs

    def begun(trace: str = "trace-1", **changes: Any) -> str:
        asked, began = samples.begin(trace, **changes)
        ledger.tx_now(runs.begin, asked, began)
        return asked.run.workflow_id

    return begun


CONVERSATIONS = (
    says("planner", answer(plan(item("fix", ["README.md"])))),
    writer("fix", edit("README.md", "Prices are whole cents.\n", "Prices are whole cents, always.\n")),
    a_tester(),
)
Serve = Callable[..., AbstractAsyncContextManager[Stack]]


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """The repository that is asked for a change."""
    return sample(tmp_path / "sample")


@pytest.fixture
def serve(client: Client, tmp_path: Path, baton: Baton) -> Serve:
    """A worker, and a command line that talks to it."""

    @asynccontextmanager
    async def served(*conversations: dict[str, Any], **settings: Any) -> AsyncIterator[Stack]:
        script = scripts.save(tmp_path / "script.yaml", *(conversations or CONVERSATIONS))
        async with stack(client, baton.state, script, beats=True, **settings) as running:
            baton.use(running)
            yield running

    return served


def asking(origin: Path, *more: str) -> tuple[str, ...]:
    """The command line of a delivery whose check is quick."""
    return ("deliver", "-r", str(origin), "-i", "Say it clearer", "--check", "true", *more)
