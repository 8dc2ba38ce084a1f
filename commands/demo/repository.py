"""The sample repository that the demo delivers to."""

import os
import shutil
import subprocess
from pathlib import Path

from contracts.errors import BatonError

SAMPLE = Path(__file__).parent / "sample" / "repository"


def make_sample(folder: Path) -> Path:
    """Build the sample origin if it does not exist: a bare repository with one commit that has a real defect."""
    origin = folder / "origin.git"
    if origin.exists():
        return origin
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(SAMPLE, work, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    identity = {"NAME": "Sample", "EMAIL": "sample@localhost", "DATE": "2026-01-05T09:00:00+00:00"}
    variables = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in identity.items()}
    # Fixed dates and no user configuration: the commit id is the same on every machine, and the README shows it.
    variables |= {"PATH": os.environ.get("PATH", ""), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message=The shop"],
        ["clone", "--quiet", "--bare", str(work), str(origin)],
    ):
        done = subprocess.run(["git", *arguments], cwd=work, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BatonError(f"git {arguments[0]} failed while building the sample repository: {done.stderr.strip()[:300]}")
    return origin
