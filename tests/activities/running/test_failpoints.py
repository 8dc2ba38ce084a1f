"""Failpoints: off they do nothing, armed they act once at the n-th time, and what is not on the list is refused."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from activities.running import failpoints
from activities.running.failpoints import Point
from commands.server import ROOT
from contracts.errors import Misconfigured
from tests import children
from tests.children import PATIENCE

POINTS = set(get_args(Point))
PROGRAM = """
import sys
from activities.running import failpoints
failpoints.arm(sys.argv[1])
for number in range(1, 6):
    failpoints.reach("tool.before_effect")
    failpoints.reach("model.before_call")
    print(number, flush=True)
"""


def passing(armed: str) -> "subprocess.CompletedProcess[str]":
    """A process that passes two points five times."""
    return subprocess.run([sys.executable, "-c", PROGRAM, armed], cwd=ROOT, capture_output=True, text=True, check=False)


def test_an_armed_point_kills_its_process_at_the_nth_time_and_once(tmp_path: Path) -> None:
    """The process dies by SIGKILL when it passes the point for the third time; with the marker there, the next one lives."""
    marker = tmp_path / "marker"
    died = passing(f"model.before_call kill 3 {marker}")
    assert (died.returncode, died.stdout.split()) == (-signal.SIGKILL, ["1", "2"])
    assert marker.read_text().strip().isdigit()
    lived = passing(f"model.before_call kill 3 {marker}")
    assert (lived.returncode, lived.stdout.split()[-1]) == (0, "5")


def test_a_point_can_stop_its_process_and_it_goes_on_when_told(tmp_path: Path) -> None:
    """With `stop` the process is frozen at the point, and does the rest after SIGCONT."""
    command = [sys.executable, "-c", PROGRAM, f"model.before_call stop 2 {tmp_path / 'marker'}"]
    with children.started(*command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=children.PATIENCE)
    assert (process.returncode, said.split()) == (0, ["1", "2", "3", "4", "5"])


def test_off_nothing_happens() -> None:
    """Without a point armed every point is passed, and a worker gets no interceptor."""
    for point in get_args(Point):
        failpoints.reach(point)
    assert failpoints.interceptors() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model.before_cal kill 1 {}/marker", "there is no failpoint 'model.before_cal'; there are model.before_call, "),
        ("model.before_call explode 1 {}/marker", "'explode' is not an action; there are kill, stop"),
        ("model.before_call kill 0 {}/marker", "write POINT ACTION HITS MARKER"),
        ("model.before_call kill", "write POINT ACTION HITS MARKER"),
        ("model.before_call kill 1 {}/nowhere/marker", "the marker's folder .*/nowhere does not exist"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A misspelt point, action, count or marker is refused with what there is; nothing is armed then."""
    with pytest.raises(Misconfigured, match=says):
        failpoints.arm(text.format(tmp_path))
    assert failpoints.interceptors() == []


def test_a_worker_refuses_an_unknown_point_at_its_start(tmp_path: Path) -> None:
    """`python worker.py` ends with code 2 and names the points, before it connects to anything."""
    variables = {"PATH": os.environ["PATH"], "BATON_STATE": str(tmp_path), "BATON_FAILPOINT": f"nowhere kill 1 {tmp_path}/m"}
    command = [sys.executable, str(ROOT / "worker.py")]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2, done.stderr
    assert "there is no failpoint 'nowhere'; there are model.before_call" in done.stderr
    assert not (tmp_path / "ledger.db").exists()


def test_every_point_is_reached_in_the_code_and_only_the_worker_arms() -> None:
    """The list is what there is: no point without a place, no place without a point, and one caller of `arm`."""
    reached, arming = set(), set()
    for folder in ("activities", "ledger", "workflows", "contracts", "commands"):
        for path in (ROOT / folder).rglob("*.py"):
            reached |= set(re.findall(r"\breach\(\"([^\"]+)\"\)", path.read_text()))
            arming |= {path.name} if re.search(r"failpoints\.arm\(|failpoints import .*\barm\b", path.read_text()) else set()
    assert reached == POINTS
    assert arming == set()
    assert "failpoints.arm(settings.failpoint)" in (ROOT / "worker.py").read_text()
