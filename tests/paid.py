"""The shipped agents with a model that costs money, for tests of what money does."""

import shutil
from pathlib import Path

from config import HOME

PRICE = "{ input = 1_000_000, output = 2_000_000 }"
ROUTES = "[classes]\n" + "".join(
    f'{name} = [{{ model = "openai:test", price = {PRICE} }}]\n'
    for name in ("thinker", "worker", "reviewer", "router", "fast", "tester", "planner", "writer")
)


def copied(folder: Path) -> Path:
    """The shipped agents in a folder of the test's own, with one priced model for every class."""
    shutil.copytree(HOME / "agents", folder)
    (folder / "routes.toml").write_text(ROUTES)
    return folder
