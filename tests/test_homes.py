"""The test run itself: it works away from the folders of the person who started it."""

import os
import subprocess
import sys
from pathlib import Path

import config
import contexts
from tests import homes
from tests.children import PATIENCE

SHOW = "import config, contexts; print(config.load().state); print(contexts.file())"


def test_no_test_and_no_child_of_one_uses_the_users_own_folders() -> None:
    """Who names no state folder gets one of this test run, here and in every process that inherits this environment."""
    here = (str(config.load().state), str(contexts.file()))
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert tuple(done.stdout.split()) == here
    for path, variable in zip(here, homes.VARIABLES, strict=True):
        assert Path(path).is_relative_to(os.environ[variable])
        assert "baton-tests-home-" in path
    assert Path(here[0]) != homes.own
