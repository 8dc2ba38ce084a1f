"""What agents say in the operator's house. Each anomaly asks for something else, and a script goes by the words."""

import shutil
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT
from tests.scripts import a_tester, answer, could_not, edit, item, plan, read, says, summary, write, writer

PLAIN = "Prices are whole cents.\n"
ONE_FILE = "one file only"
"""The objection to a plan after which the planner gives up."""
SHORTER = "say it shorter"
"""The objection after which there is a second plan."""
CLASH = "Two at once, please"
OF_A_SOURCE = "By the price list, please"
SOURCE = "shop/pricing.py"
BETTER = "what it should do instead"
"""What the runbook has the operator say, word for word."""

OLD = "    return int(cents * (100 - percent) / 100)\n"
FIXED = "    return (cents * (100 - percent) + 50) // 100\n"
ROUNDED = "    return round(cents * (100 - percent) / 100)\n"


def clearer(text: str) -> dict[str, Any]:
    """The turn that changes the README."""
    return edit("README.md", PLAIN, text)


AGAIN = says(
    "writer",
    read(SOURCE),
    clearer("Prices are whole cents; half a cent rounds up.\n"),
    answer(summary()),
    text="do yours on top of them",
)
CONVERSATIONS = (
    says("router", answer({"verdict": "trivial", "why": "one line in a text"})),
    says("planner", answer(plan(item("fix", ["README.md"]), summary="as the operator said")), text=BETTER),
    says("planner", could_not("two files cannot be one"), text=ONE_FILE),
    says("planner", answer(plan(item("fix", ["README.md"]), summary="shorter")), text=SHORTER),
    says("planner", answer(plan(item("round", [SOURCE]), item("tell", ["README.md"]))), text=CLASH),
    says("planner", read(SOURCE), answer(plan(item("fix", ["README.md"]))), text=OF_A_SOURCE),
    says("planner", answer(plan(item("fix", ["README.md"])))),
    AGAIN,
    writer("round", edit(SOURCE, OLD, FIXED)),
    writer("tell", edit(SOURCE, OLD, ROUNDED)),
    writer("change", clearer("Prices are whole cents, says the writer.\n")),
    writer("fix", clearer("Prices are whole cents, always.\n")),
    a_tester(write("tests/test_more.py", "def test_more():\n    pass\n")),
)

AT_THE_GATEWAY = says("solo", clearer("Prices are whole cents, and no less.\n"), answer(summary()))
"""What the one model says that costs money."""


def agents(folder: Path) -> Path:
    """The shipped agents: all scripted, but for the one that makes small changes alone, whose model costs money."""
    shutil.copytree(ROOT / "agents", folder)
    classes = "".join(
        f'{name} = [{{ model = "scripted:house" }}]\n' for name in ("thinker", "worker", "reviewer", "router", "fast")
    )
    price = "price = { input = 1_000_000, output = 2_000_000 }"
    (folder / "routes.toml").write_text(f'[classes]\n{classes}\n[agents]\nsolo = [{{ model = "gateway:small", {price} }}]\n')
    return folder
