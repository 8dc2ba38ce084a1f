"""No test uses the state or the contexts of the person who runs the tests: both are looked for in a folder of this test run."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import places

VARIABLES = {"XDG_STATE_HOME": places.state_home, "XDG_CONFIG_HOME": places.config_home}
OURS = {"baton", "temporalio"}
"""Folders of settings that would change what tests do. Others, such as pip's, say how this machine reaches its registries."""

own = places.default_state()
"""The state folder of the person who runs the tests."""


def move_out() -> Path:
    """Set the variables by which those folders are found, for this process and all that it starts. Removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="baton-tests-home-"))
    atexit.register(_remove, folder, os.getpid())
    for variable, home in VARIABLES.items():
        before = home()
        (folder / variable).mkdir()
        if variable == "XDG_CONFIG_HOME" and before.is_dir():
            for one in before.iterdir():
                if one.name not in OURS:
                    (folder / variable / one.name).symlink_to(one)
        os.environ[variable] = str(folder / variable)
    return folder


def _remove(folder: Path, of: int) -> None:
    if os.getpid() == of:  # a fork that ends runs this as well, and the folder is still in use
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def the_users_own_state_is_left_alone() -> Iterator[None]:
    """A test, or a child of one, that makes the default state folder of the person who runs the tests fails the run."""
    there = own.exists()
    yield
    assert own.exists() == there, f"a test has made {own}; give what it starts a BATON_STATE or a HOME of its own"
