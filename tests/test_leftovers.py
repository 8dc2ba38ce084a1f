"""A test that fails takes no other with it."""

import subprocess
import sys
from pathlib import Path

from tests.lanes import ROOT

LEAVES = """
import asyncio, gc, socket

async def test_fails_with_a_connection_and_a_task():
    connection = socket.socket()
    cycle = [connection]
    cycle.append(cycle)
    globals()["task"] = asyncio.create_task(asyncio.sleep(1000))
    assert connection is None

async def test_comes_after():
    assert task.cancelled()
    for _ in range(3):
        gc.collect()

def test_comes_last():
    gc.collect()
"""
SETTINGS = """
[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "session"
asyncio_default_test_loop_scope = "session"
filterwarnings = ["error", "ignore::pytest.PytestAssertRewriteWarning"]
"""


def outcome(folder: Path, *more: str) -> str:
    """What pytest says of the tests above."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "test_leaves.py").write_text(LEAVES)
    command = [sys.executable, "-m", "pytest", "-q", *more, "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_what_a_failed_test_leaves_fails_no_other(tmp_path: Path) -> None:
    """Its connection is complained of in its own report, and its task is cancelled; without this both reach the next test."""
    said = outcome(tmp_path, "-p", "tests.leftovers")
    assert "1 failed, 2 passed" in said, said
    assert "Left behind" in said
    assert "unclosed <socket.socket" in said
    assert "3 failed" in outcome(tmp_path)
