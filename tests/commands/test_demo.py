"""The demo as a new user meets it: from nothing to a pushed fix, at a terminal and without one, and Ctrl-C."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import processes, server
from commands.demo.report import report_lines
from contracts.delivery.run import DeliveryReport
from contracts.delivery.testing import TestReport
from contracts.repositories import FileChange
from tests import children, ports
from tests.children import PATIENCE
from tests.demo import Ran, state_in
from tests.depth import soak
from tests.stack import git


class Screen:
    """A demo on a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self.text = ""
        self._seen = 0

    def until(self, wanted: str) -> None:
        """Read the screen until a text stands on it, below what the last call found."""
        ends = time.monotonic() + PATIENCE
        while wanted not in self.text[self._seen :]:
            assert time.monotonic() < ends, f"{wanted!r} did not appear on:\n{self.text}"
            ready, _, _ = select.select([self._terminal], [], [], 1)
            if ready:
                try:
                    self.text += os.read(self._terminal, 65536).decode(errors="replace")
                except OSError:  # the other end closed: nothing more will come
                    assert wanted in self.text[self._seen :], f"{wanted!r} never appeared on:\n{self.text}"
        self._seen = self.text.index(wanted, self._seen) + len(wanted)

    def read_to_the_end(self) -> None:
        """Take in what it prints until it has closed the terminal."""
        with contextlib.suppress(OSError):  # nothing more will come
            while more := os.read(self._terminal, 65536):
                self.text += more.decode(errors="replace")

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._terminal, text.encode())


@contextmanager
def at_terminal(folder: Path, *arguments: str, **variables: str) -> Iterator[Screen]:
    """Run the demo in a folder, on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, str(server.ROOT / "starter.py"), "demo", *arguments]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with children.started(*command, **streams, cwd=folder, env=_environment(folder) | variables) as process:
        os.close(theirs)
        try:
            yield Screen(process, ours)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE)
            os.close(ours)


def _environment(home: Path) -> dict[str, str]:
    """This process's environment with another home and without a key: then the model is scripted.

    Temporal's settings are somebody's who works with another server: the demo speaks to its own as it is.
    """
    left_out = ("BATON_", "ANTHROPIC_", "OPENAI_", "XDG_STATE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"HOME": str(home), "TEMPORAL_API_KEY": "abc", "TEMPORAL_NAMESPACE": "prod"}


def _left_running(folder: Path) -> list[str]:
    return [name for name in ("server", "worker") if processes.find(state_in(folder), name) is not None]


@pytest.fixture
def alone() -> Iterator[None]:
    """No other demo runs meanwhile: each would take the usual ports."""
    with ports.usual():
        yield


def test_the_demo_approves_as_it_is_told_and_exits_0(demo: Ran) -> None:
    """`--approve-as NAME`: both gates are approved as NAME, the fix is at the origin, nothing is left running, exit 0."""
    assert demo.code == 0, demo.printed
    origin = state_in(demo.folder) / "sample" / "origin.git"
    branch = git(origin, "branch", "--list", "baton/*", "--format=%(refname:short)")
    assert "(cents * (100 - percent) + 50) // 100" in git(origin, "show", f"{branch}:shop/pricing.py")
    assert "plan-1 by maria, change-1 by maria" in demo.printed
    assert "temporal workflow update execute" in demo.printed
    assert "SCRIPTED" in demo.printed
    assert "no floating point number takes part in the result" in demo.printed, "all of the plan, not only its facts"
    assert "[cut here" not in demo.printed
    for line in demo.printed.splitlines():
        if line.startswith(("REPORT", "Run ", "  GATE")) or "  cost" in line:
            assert "[scripted model]" in line
    assert _left_running(demo.folder) == []


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("names", ["ANTHROPIC_API_KEY BATON_MODEL", *soak("ANTHROPIC_API_KEY", "BATON_MODEL")])
def test_the_demo_asks_at_a_terminal_and_only_an_answer_decides(tmp_path: Path, names: str) -> None:
    """It never approves by itself: two yeses typed at the start are dropped, what is neither yes nor no is asked again.

    The no ends it, and a rejected plan is not a success: the exit code is not 0. With a key, or a model of one's own, in the
    shell the script answers all the same, and says how to ask the model. Nothing listens where that model would be, so that
    asking it would never come to a plan.
    """
    with ports.hold() as place:
        port = place.getsockname()[1]
        there = {
            "ANTHROPIC_API_KEY": {"ANTHROPIC_API_KEY": "sk-test", "BATON_ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}"},
            "BATON_MODEL": {"BATON_MODEL": "openai:paid", "BATON_OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"},
        }
        with at_terminal(tmp_path, **{key: value for name in names.split() for key, value in there[name].items()}) as screen:
            screen.type("y\ny\n")
            screen.until("SCRIPTED")
            screen.until("`baton demo --real-model`")
            screen.until("Approve plan-1 as")
            screen.type("perhaps\n")
            screen.until("that is neither y nor n")
            # Only now: what is typed before the second question stands there is dropped like what was typed at the start.
            screen.until("Approve plan-1 as")
            screen.type("n\n")
            screen.until("Stopped what the demo started")
            screen.until("removes it")
            code = screen.process.wait(PATIENCE)
    assert code == 1
    assert "approve by" not in screen.text
    assert "could_not" in screen.text
    assert "[scripted model]" in screen.text
    plain = "env -u TEMPORAL_API_KEY -u TEMPORAL_NAMESPACE TEMPORAL_CONFIG_FILE=/dev/null "
    assert f"{plain}TEMPORAL_ADDRESS=127.0.0.1:" in screen.text, "what is printed to copy works in this shell"
    assert _left_running(tmp_path) == []
    assert f"rm -r {state_in(tmp_path)} removes it" in "".join(screen.text.split("\r\n"))
    made = {path.relative_to(tmp_path).parts[:4] for path in tmp_path.rglob("*") if path.is_file()}
    assert made <= {(".local", "state", "baton", "demo")}, "nothing is left but what it says"


@pytest.mark.usefixtures("alone")
def test_a_real_model_needs_settings(tmp_path: Path) -> None:
    """Asked for one that is not set, the demo starts nothing and says what to set."""
    with at_terminal(tmp_path, "--real-model") as screen:
        screen.until("no model is set")
        assert screen.process.wait(PATIENCE) == 2
    assert _left_running(tmp_path) == []


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("at", ["its server starts", *soak("a gate")])
@pytest.mark.parametrize("number", [signal.SIGINT, *soak(signal.SIGTERM, signal.SIGHUP)], ids=lambda number: number.name)
def test_an_interrupted_demo_stops_everything_it_started(tmp_path: Path, number: signal.Signals, at: str) -> None:
    """Ctrl-C, `kill` and a closed terminal end it, however often they come: no process and no traceback.

    `test_interrupts.py` has each of them come first.
    """
    with at_terminal(tmp_path) as screen:
        if at == "a gate":
            screen.until("Approve plan-1 as")
            assert (state_in(tmp_path) / "ledger.db").exists()
        else:
            children.until(lambda: _left_running(tmp_path) == ["server"], "the demo has started its server")
        screen.process.send_signal(number)
        screen.until("Stopping the demo")
        for another in (number, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            screen.process.send_signal(another)
        screen.until("Stopped what the demo started")
        code = screen.process.wait(PATIENCE)
        screen.read_to_the_end()
    assert code == 130
    assert "Traceback" not in screen.text
    assert _left_running(tmp_path) == []


def test_a_report_steers_no_terminal(tmp_path: Path) -> None:
    """Names of files and tests, and what agents and people said, come as text on lines of their own."""
    evil = "\x1b]0;owned\x07\x9b2J\u202e\nREPORT: done"
    tests = TestReport.model_construct(verdict="failed", why=evil, fixed=(evil,))
    report = DeliveryReport.model_construct(
        run="deliver-1",
        state="done",
        reason=evil,
        summary=evil,
        files=(FileChange(path=evil, status="added", added=1, removed=0),),
        tests=tests,
        approved_by=(evil,),
        branch=evil,
        commit="0" * 40,
        usd_micros=0,
        tokens=0,
    )
    shown = "\n".join(report_lines(report, tmp_path, " [scripted model]"))
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    assert shown.count("\nREPORT") == 1
