"""A person's machine for the commands in the pages: a home, a repository, an installation, ports that nobody uses."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from commands.demo.repository import make_sample
from tests import forks, scripts
from tests.children import PATIENCE
from tests.docs.pages import Block
from tests.ports import reserved
from tests.scripts import answer, edit, item, plan, read, says, write
from tests.stack import git
from tests.wheels import wheelhouse
from tests.workflows import reviewing

SUBSTITUTIONS = (
    (r"^baton up$", "baton up --port {port} --ui-port {ui_port}"),  # the usual ports may be in use
    (r"^(baton (?:approve|reject|request-changes|answer|done|happened) .*)$", r"\1 --yes"),  # nobody sits at a terminal
    (r"^(baton prepare .*)$", r"\1 --yes"),
    (r"^(.* --wait-for-gate)$", r"\1 || test $? -eq 4"),  # 4 is the answer that the page promises
    (r"^(.*\S) +# exit code (\d+)$", r"\1 && exit 1 || test $? -eq \2"),  # the page promises this one
)
"""How a block's lines are run where they cannot be run as they stand."""

KEPT = """touch {file}
. {file}
{script}
if [ -v RUN ]; then declare -p RUN > {file}; fi"""
"""A reader's shell keeps from block to block what a page has it remember."""


@dataclass
class Machine:
    """`run` runs a block as its reader would, in the folder of the installation. `printed`: what the last block printed."""

    folder: Path
    port: int
    ui_port: int
    variables: dict[str, str] = field(default_factory=dict)
    printed: str = ""

    @property
    def state(self) -> Path:
        """The state folder of this machine's user."""
        return Path(self.variables["HOME"]) / ".local" / "state" / "baton"

    @property
    def here(self) -> Path:
        """The folder of the installation."""
        return self.folder / "baton"

    @property
    def shop(self) -> Path:
        """The user's own repository."""
        return self.folder / "home" / "src" / "shop"

    def run(self, block: Block, *arguments: str) -> str:
        """Run one block; gives back all that it printed. An exit code that the page does not promise fails the test."""
        if block.language == "python":
            self.printed = self.command(block.where, sys.executable, "-c", block.text, *arguments)
            return self.printed
        script = block.text
        for pattern, replacement in SUBSTITUTIONS:
            wanted = replacement.format(port=self.port, ui_port=self.ui_port)
            script = re.sub(pattern, wanted, script, flags=re.MULTILINE)
        script = KEPT.format(file=shlex.quote(str(self.folder / "variables")), script=script)
        self.printed = self.command(block.where, "bash", "-euo", "pipefail", "-c", script)
        return self.printed

    def command(self, where: str, *command: str) -> str:
        """Run one program to its end."""
        done = subprocess.run(
            command,
            cwd=self.here,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (
            f"{where}: exit code {done.returncode}\n{shlex.join(command)[:2000]}\n{done.stdout[-4000:]}"
        )
        return done.stdout


WEB = Path(sys.prefix) / "packages" / "web"
"""Wheels of the web framework in the page on checks, put there by `make`."""


def set_up(folder: Path, *, keyless: bool = False) -> Machine:
    """Everything but the running parts: those the pages start themselves. `keyless`: without any model."""
    machine = Machine(folder, reserved(), reserved())
    machine.here.mkdir()
    (machine.here / ".venv").symlink_to(sys.prefix)
    origin = make_sample(folder / "sample")
    machine.shop.parent.mkdir(parents=True)
    git(folder, "clone", "--quiet", str(origin), str(machine.shop))
    _branch_to_review(machine.shop)
    (folder / "home" / ".gitconfig").write_text("[user]\n\tname = Maria\n\temail = maria@localhost\n")
    wheels = wheelhouse(folder / "wheels")
    machine.variables = {
        "HOME": str(folder / "home"),
        "PATH": f"{forks.script(folder / 'bin' / 'baton').parent}:{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TEMPORAL_ADDRESS": f"127.0.0.1:{machine.port}",
        "BATON_MODEL": "scripted:pages",
        "BATON_SCRIPT": str(_script(folder / "script.yaml")),
        # What the page on checks installs was downloaded with what tests need: no registry is asked.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{WEB} {wheels}",
    }
    for name in ("BATON_MODEL", "BATON_SCRIPT") if keyless else ():
        del machine.variables[name]
    return machine


def _branch_to_review(shop: Path) -> None:
    """A branch with a change that the scripted reviewers find fault with; `main` stays checked out."""
    path = shop / "shop" / "pricing.py"
    git(shop, "checkout", "--quiet", "-b", "shorter-prices")
    path.write_text(path.read_text().replace(reviewing.OLD, reviewing.NEW))
    git(shop, "commit", "--quiet", "--all", "--message=Shorter")
    git(shop, "checkout", "--quiet", "main")


def _script(path: Path) -> Path:
    """A model that needs as few turns as possible, for the shop and for the tea room."""
    old, new = "int(cents * (100 - percent) / 100)", "(cents * (100 - percent) + 50) // 100"
    tea = "GET /prices/coffee"
    return scripts.save(
        path,
        says("planner", read("app.py"), answer(plan(item("unknown", ["app.py"]), summary=MISSING)), text=tea),
        scripts.writer("unknown", edit("app.py", "import Flask\n", "import Flask, abort\n"), edit("app.py", PRICE, FOUND)),
        says("tester", write("test_unknown.py", UNKNOWN), answer(scripts.notes()), text=tea),
        says("planner", read("shop/pricing.py"), answer(plan(item("fix", ["shop/pricing.py"])))),
        scripts.writer("fix", edit("shop/pricing.py", old, new)),
        scripts.a_tester(),
        *reviewing.HAPPY,
    )


MISSING = "An unknown name is answered with 404."
PRICE = "def price(name):\n"
FOUND = f"{PRICE}    if name not in PRICES:\n        abort(404)\n"
UNKNOWN = """from app import app


def test_an_unknown_name_is_not_found():
    assert app.test_client().get("/prices/coffee").status_code == 404
"""
