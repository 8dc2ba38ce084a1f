"""The runner of the lanes: nothing is run twice or by nobody, and what a lane says can be read."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests import children, lanes
from tests.lanes import LANES, NOT_CORE, PROOF, ROOT, SUITE

FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))


def runs(asked: Sequence[str], file: str) -> bool:
    """Whether pytest, told this, runs the file."""
    left_out = [one.removeprefix("--ignore=") for one in asked if one.startswith("--ignore=")]
    chosen = [one for one in asked if not one.startswith("--")]

    def within(paths: Sequence[str]) -> bool:
        return any(file == path or file.startswith(f"{path}/") for path in paths)

    return within(chosen) and not within(left_out)


def without_one_lane(lanes: Mapping[str, Sequence[str]]) -> list[str]:
    """Files that no lane runs, or several."""
    return [file for file in FILES if sum(runs(asked, file) for asked in lanes.values()) != 1]


def test_every_test_is_in_exactly_one_lane() -> None:
    """No file of tests is left out of the suite, and none is run twice."""
    assert len(FILES) > 100
    assert without_one_lane(LANES) == []
    assert set(SUITE) == set(LANES) - {"benchmarks", "interop"}
    assert all((ROOT / path).exists() for path in NOT_CORE)
    assert set(without_one_lane(LANES | {"core": ("tests",)})) == {one for one in FILES if runs(NOT_CORE, one)}
    assert without_one_lane({"proof": PROOF}) != []


def written(folder: Path, **tests: str) -> dict[str, Sequence[str]]:
    """Lanes of one file each."""
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text)
    return {name: ("-p", "no:asyncio", "--rootdir", str(folder), str(folder / f"test_{name}.py")) for name in tests}


def test_lanes_run_side_by_side_and_a_failure_can_be_read(tmp_path: Path) -> None:
    """Each waits for the other one's mark. Outputs do not mix, that of the failed lane comes last, then all times."""
    meet = "import pathlib, time\nhere = pathlib.Path(__file__).parent\n"
    meet += "def test_meets():\n    (here / '{0}').touch()\n    while not (here / '{1}').exists(): time.sleep(0.01)\n"
    bad = "def test_fails():\n    print('what it said')\n    assert 1 == 2\n"
    said: list[str] = []
    code = lanes.run(written(tmp_path, bad=meet.format("a", "b") + bad, good=meet.format("b", "a")), said.append, 0.1)
    text = "\n".join(said)
    assert code == 1
    assert text.index("= good =") < text.index("= bad =") < text.index("what it said") < text.index("\nbad ")
    assert re.search(r"^bad +0:\d\d  1 failed, 1 passed in ", text, re.MULTILINE)
    assert re.search(r"^good +0:\d\d  1 passed in ", text, re.MULTILINE)
    assert re.fullmatch(r"1 failed, 2 passed in \d+\.\d\ds \(0:\d\d\)", said[-1])
    assert any("bad begins" in line or "bad 50%" in line or "bad 100%" in line for line in said)


def test_a_lane_that_dies_is_a_failure(tmp_path: Path) -> None:
    """A pytest that ends in the middle, and one that finds no test, fail the whole."""
    said: list[str] = []
    assert lanes.run(written(tmp_path, dies="import os\ndef test_dies():\n    os._exit(3)\n", none=""), said.append) == 5
    assert re.fullmatch(r"1 error in \d+\.\d\ds \(0:\d\d\)", said[-1])
    assert any("dies" in line and "ended with exit code 3 and without a summary" in line for line in said)


def test_what_the_interpreter_says_at_its_end_hides_no_summary(tmp_path: Path) -> None:
    """A warning after the closing line; what a test prints that looks like one counts for nothing once its pytest has died."""
    late = "import atexit, os\natexit.register(os.write, 2, b'Exception ignored in: a socket\\n')\n"
    printed = "import os\ndef test_dies():\n    os.write(1, b'\\n2 passed in 0.02s\\n')\n    os._exit(3)\n"
    said: list[str] = []
    assert lanes.run(written(tmp_path, late=late + "def test_fails():\n    assert 1 == 2\n", printed=printed), said.append) == 3
    text = "\n".join(said)
    assert "Exception ignored in: a socket" in text
    assert re.search(r"^late +0:\d\d  1 failed in ", text, re.MULTILINE)
    assert re.search(r"^printed +0:\d\d  1 error: ended with exit code 3 and without a summary", text, re.MULTILINE)


def test_a_lane_that_is_asked_to_stop_cleans_up(tmp_path: Path) -> None:
    """SIGTERM to the runner ends each pytest as Ctrl-C would: with its fixtures."""
    wait = "import pathlib, pytest, time\nhere = pathlib.Path(__file__).parent\n@pytest.fixture\ndef thing():\n    yield\n"
    wait += "    (here / 'cleaned').touch()\ndef test_waits(thing):\n    (here / 'waits').touch()\n    time.sleep(1000)\n"
    asked = written(tmp_path, waits=wait)
    program = f"import sys; from tests import lanes; sys.exit(lanes.run({asked!r}, print))"
    with children.started(sys.executable, "-c", program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        children.until((tmp_path / "waits").exists, "the test waits")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=children.PATIENCE)
    assert process.returncode == 2
    assert "KeyboardInterrupt" in said
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("ignored", ["INT", "HUP"])
def test_children_begin_with_no_signal_ignored(ignored: str) -> None:
    """Also beneath `&` or `nohup`: what this process ignores it goes on ignoring, and what it starts does not."""
    program = (
        "import os, signal, subprocess, sys; from tests import children; children.ignore_for_ourselves_only();"
        f"os.kill(os.getpid(), signal.SIG{ignored});"
        f"show = 'import signal; print(signal.getsignal(signal.SIG{ignored}) == signal.SIG_IGN)';"
        "subprocess.run([sys.executable, '-c', show], check=True)"
    )
    command = ["sh", "-c", f"trap '' {ignored}; exec {sys.executable} -c \"$1\"", "sh", program]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
