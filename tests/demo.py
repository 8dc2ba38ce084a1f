"""One whole demo for all tests that look at one: what it prints, and what it leaves behind."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ports
from tests.children import PATIENCE

COMMAND = "baton demo --approve-as maria"


def state_in(home: Path) -> Path:
    """The state folder of a demo whose user has this home."""
    return home / ".local" / "state" / "baton" / "demo"


@dataclass(frozen=True)
class Ran:
    """A demo that has ended: where it ran, its exit code, and all that it printed."""

    folder: Path
    code: int
    printed: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The demo of somebody who has set nothing, run to its end."""
    folder = tmp_path_factory.mktemp("demo")
    variables = {"HOME": str(folder), "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with ports.usual():
        done = subprocess.run(COMMAND.split(), cwd=folder, env=variables, **streams, text=True, timeout=PATIENCE, check=False)
    return Ran(folder, done.returncode, done.stdout)
