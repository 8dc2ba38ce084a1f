"""Deliveries whose writer is a program of ours instead of a model."""

import shutil
from pathlib import Path
from typing import Any

import config
from contracts.programs import ProgramSetting

WRITER = '[agents]\nwriter = [{{ model = "command:{name}" }}]\n'

SAID = """
import json, sys
told = json.load(sys.stdin)
task = told["task"]
def end(outcome="done", **more):
    print(json.dumps({"outcome": outcome, **more}))
"""
"""How each of our programs begins."""

FIX = """
path = "shop/pricing.py"
text = open(path).read()
open(path, "w").write(text.replace("int(cents * (100 - percent) / 100)", "(cents * (100 - percent) + 50) // 100"))
"""


def agents(folder: Path, routes: str = WRITER.format(name="ours")) -> Path:
    """A copy of the shipped agents, with these routes of single agents."""
    shutil.copytree(config.HOME / "agents", folder)
    file = folder / "routes.toml"
    file.write_text(routes + "\n" + file.read_text())
    return folder


def program(text: str, **more: Any) -> ProgramSetting:
    """A program in Python that begins as `SAID`."""
    return ProgramSetting(about="writes for tests", argv=("python3", "-c", SAID + text), **more)


def cmdline(path: Path) -> bytes:
    """A file of /proc; empty where its process has just ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
