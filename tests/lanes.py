"""The suite as lanes: pytest processes side by side, that share nothing. `python -m tests.lanes` runs the suite.

`--lane core` runs one lane; any other argument is pytest's, and goes to one pytest: `python -m tests.lanes tests/wire -x`.
`--soak` runs the same tests in depth: see `tests/depth.py`.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests import children, depth

ROOT = Path(__file__).parent.parent

CHAOS = ("tests/chaos", "tests/faults", "tests/outage")
"""What mostly waits: for killed workers to be missed, for databases to come back."""

PROOF = (
    "tests/acceptance",
    "tests/activities/actions/test_dying.py",
    "tests/activities/actions/test_lost_answers.py",
    "tests/browser",
    "tests/commands/test_belonging.py",
    "tests/commands/test_demo.py",
    "tests/commands/test_surroundings.py",
    "tests/commands/test_up.py",
    "tests/docs/test_commands.py",
    "tests/docs/test_extending.py",
    "tests/faults/test_full.py",
    "tests/faults/test_full_workspaces.py",
    "tests/faults/test_pooler.py",
    "tests/operator",
    "tests/wire/test_proxy.py",
)
"""What people run and see, from end to end: the commands in the pages, the demo, published packages.

In a real browser as well. And where they run it: behind PgBouncer and proxies, on a small full disk, beside another server
or ledger, with another profile, locale or path; and workers that die in the middle of every kind of action, by the targets'
own books.
"""

OUTSIDE = (
    "tests/activities/gates",
    "tests/activities/notices",
    "tests/console",
    "tests/hostile",
    "tests/wire",
    "tests/workflows/test_bad_input.py",
    "tests/workflows/test_bad_input_messages.py",
    "tests/workflows/test_bad_input_starts.py",
    "tests/workflows/test_control.py",
    "tests/workflows/test_deadlines.py",
    "tests/workflows/test_decisions.py",
    "tests/workflows/test_gates.py",
    "tests/workflows/test_hand_over.py",
    "tests/workflows/test_messages.py",
    "tests/workflows/test_parking.py",
    "tests/workflows/test_parking_time.py",
    "tests/workflows/test_pause.py",
    "tests/workflows/test_policy_rules.py",
    "tests/workflows/test_policy_steps.py",
    "tests/workflows/test_races.py",
    "tests/workflows/test_told.py",
    "tests/workflows/test_visible.py",
)
"""What meets a run from outside: what people send, decide, pause and are told, the console that they look at, providers, and
repositories that mean harm. What of it is in `PROOF` is left to that lane."""

WORKFLOWS = ("tests/workflows",)
"""The stories, each on a real Temporal server. What of them is in `OUTSIDE` is left to that lane."""

COMMANDS = ("tests/commands",)
"""What people type, each command a process of its own. What of it is in `PROOF` is left to that lane."""

BENCHMARKS = ("tests/benchmarks/test_smoke.py",)
"""Whether each benchmark still runs: for who changes one, `make bench-smoke`."""

INTEROP = ("tests/interop",)
"""Servers that others wrote, which `make interop` installs: for who changes how Baton speaks to models."""

NOT_CORE = (*WORKFLOWS, *OUTSIDE, *COMMANDS, *CHAOS, *PROOF, *BENCHMARKS, *INTEROP)

LANES: Mapping[str, Sequence[str]] = {
    "core": ("tests", *(f"--ignore={path}" for path in NOT_CORE)),
    "commands": (*COMMANDS, *(f"--ignore={path}" for path in PROOF)),
    "workflows": (*WORKFLOWS, *(f"--ignore={path}" for path in OUTSIDE)),
    "outside": (*OUTSIDE, *(f"--ignore={path}" for path in PROOF)),
    "chaos": (*CHAOS, *(f"--ignore={path}" for path in PROOF)),
    "proof": PROOF,
    "benchmarks": BENCHMARKS,
    "interop": INTEROP,
}
"""What pytest is told in each lane. `core` is everything that is in no other, so that no test can be in two or in none."""

SUITE = ("core", "commands", "workflows", "outside", "chaos", "proof")
"""The lanes that every change runs. Each takes about as long as the others, so that none runs on alone at the end."""

SIGN_OF_LIFE = 30.0
"""Seconds between two lines that say how far the lanes are."""

Say = Callable[[str], None]


@dataclass
class Lane:
    """One pytest process, and the file that it prints to. `seconds` is how long it took, None while it runs."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes]"
    started: float
    seconds: float | None = None

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def progress(self) -> str:
        """How far it says that it is."""
        found = re.findall(r"\[ *(\d+%)\]", self.said)
        return found[-1] if found else "begins"

    @property
    def summary(self) -> str:
        """Pytest's closing line, or how it ended without one. The interpreter may say more while it ends."""
        lines = (line.strip("= ") for line in reversed(self.said.splitlines()))
        code = self.process.returncode
        found = next((line for line in lines if re.match(r"(?:\d+ [a-z]+|no tests ran).* in \d+\.\d+s\b", line)), "")
        if not found or (code and not re.search(r"failed|error|no tests", found)):
            return f"1 error: ended with exit code {code} and without a summary"
        return found


def run(lanes: Mapping[str, Sequence[str]], say: Say, pause: float = SIGN_OF_LIFE) -> int:
    """Run the lanes at the same time; print each lane's output as a whole, a failed one's last. 0 if all passed."""
    with tempfile.TemporaryDirectory(prefix="baton-lanes-") as folder, contextlib.ExitStack() as running:
        begun = [running.enter_context(_started(name, asked, Path(folder))) for name, asked in lanes.items()]
        with _stopped_in_order(begun):
            _wait(begun, say, pause)
        for lane in sorted(begun, key=lambda one: one.process.returncode != 0):
            say(f"\n{f' {lane.name} ':=^80}\n{lane.said.rstrip()}")
        say("")
        for lane in begun:
            say(f"{lane.name:<9} {_clock(lane.seconds or 0)}  {lane.summary}")
        say(_total(begun))
        return max(abs(lane.process.returncode) for lane in begun)


@contextlib.contextmanager
def _started(name: str, asked: Sequence[str], folder: Path) -> Iterator[Lane]:
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{name}", *depth.left_out(), *asked]
    with log.open("wb") as output:
        how = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        with children.started(*command, **how) as process:
            yield Lane(name, log, process, time.monotonic())


def _wait(lanes: Sequence[Lane], say: Say, pause: float) -> None:
    """Until all have ended, with a sign of life now and then."""
    told = time.monotonic()
    while waiting := [lane for lane in lanes if lane.seconds is None]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            waiting[0].process.wait(min(1.0, pause))
        now = time.monotonic()
        for lane in waiting:
            if lane.process.poll() is not None:
                lane.seconds = now - lane.started
                say(f"{_clock(lane.seconds)}  {lane.name} has ended: {lane.summary}")
        if now - told >= pause and any(lane.seconds is None for lane in lanes):
            told = now
            say(f"{_clock(now - lanes[0].started)}  " + ", ".join(f"{lane.name} {lane.progress}" for lane in lanes))


@contextlib.contextmanager
def _stopped_in_order(lanes: Sequence[Lane]) -> Iterator[None]:
    """Asked to stop, the lanes end as pytest does after Ctrl-C: with what their tests have started. A terminal tells all."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for lane in lanes:
            if number != signal.SIGINT and lane.process.poll() is None:
                lane.process.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _total(lanes: Sequence[Lane]) -> str:
    """One closing line for all, as pytest writes it."""
    counts: Counter[str] = Counter()
    for lane in lanes:
        for number, what in re.findall(r"(\d+) ([a-z]+)", lane.summary.rpartition(" in ")[0] or lane.summary.partition(":")[0]):
            counts["error" if what == "errors" else "warnings" if what == "warning" else what] += int(number)
    order = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "error")
    seconds = max(lane.seconds or 0 for lane in lanes)
    said = ", ".join(f"{counts[what]} {what}" for what in order if counts[what])
    return f"{said} in {seconds:.2f}s ({_clock(seconds)})"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(given: Sequence[str] | None = None) -> int:
    """All lanes; or one lane, or what else pytest is asked for, in place of this process."""
    parser = argparse.ArgumentParser(prog="tests.lanes", description=__doc__)
    parser.add_argument("--lane", choices=sorted(LANES))
    parser.add_argument("--soak", action="store_true")
    asked, more = parser.parse_known_args(given)
    if asked.soak:
        os.environ[depth.VARIABLE] = "soak"
    children.ignore_for_ourselves_only()
    if asked.lane is not None or more:
        lane = (*depth.left_out(), *LANES[asked.lane]) if asked.lane else ()
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *lane, *more])
    return run({name: LANES[name] for name in SUITE}, _say)


if __name__ == "__main__":
    sys.exit(main())
