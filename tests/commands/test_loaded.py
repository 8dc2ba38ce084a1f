"""What a command loads before it answers: its own module, one database's dialect, and nothing that it does not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import starter
from commands.server import ROOT
from contracts.runs import RunChange
from ledger import runs
from ledger.db import Ledger
from tests import children
from tests.commands.conftest import NOWHERE, Baton, Begin
from tests.ledger import samples

SLOW = ("temporalio", "sqlalchemy", "pydantic")
"""What takes longest to load; without a ledger and settings nothing of it is needed."""

ELSEWHERE = (
    *("temporalio", "google.protobuf", "alembic", "anthropic", "openai", "psycopg", "jinja2", "yaml", "structlog"),
    *("genai_prices", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "activities.agents", "workflows"),
)
"""What only workers need, or a command that asks Temporal, or the other database."""

READING = {
    ("spend",): ("commands.look.spend", 86),
    ("feed",): ("commands.look.feed", 86),
    ("show", "delivery-trace-1"): ("commands.look.runs", 165),
    ("status",): ("commands.look.status", 142),
    ("runs", "--project", "default"): ("commands.look.runs", 152),
}
"""Each with its module, and with most modules of ours that it may load."""

LOOK = """
import json, sys
import starter
code = starter.call(sys.argv[1:])
sys.stderr.write(chr(10) + json.dumps([code, sorted(sys.modules)]))
"""


@pytest.fixture
def ended(begin: Begin, ledger: Ledger) -> str:
    """A run that has ended by itself: Temporal has no other word on it."""
    name = begin()
    ledger.tx_now(runs.change, samples.ref(), RunChange(state="done", next="nothing"))
    return name


def loaded(baton: Baton, *arguments: str) -> tuple[str, list[str]]:
    """What one command line printed, and the modules that its process had loaded at its end."""
    variables = {
        "BATON_STATE": str(baton.state),
        "TEMPORAL_ADDRESS": NOWHERE,
        "PYTHONPATH": str(ROOT),
        "HOME": str(baton.folder),
    }
    command = [sys.executable, "-c", LOOK, *arguments]
    done = subprocess.run(
        command, cwd=baton.folder, env=variables, capture_output=True, text=True, timeout=children.PATIENCE, check=True
    )
    code, modules = json.loads(done.stderr.rpartition("\n")[2])
    assert code == 0, done.stderr
    return done.stdout + done.stderr.rpartition("\n")[0], modules


def _of(modules: list[str], *names: str) -> list[str]:
    return [one for one in modules if any(f"{one}.".startswith(f"{name}.") for name in names)]


def test_help_loads_nothing_slow() -> None:
    """Assembling the commands imports no Temporal SDK, no database and no pydantic: help is there at once."""
    script = f"import sys, starter; starter.assemble(); print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_command_that_reads_loads_what_it_needs(baton: Baton, ended: str, arguments: tuple[str, ...]) -> None:
    """On a ledger whose run has ended nobody asks Temporal; of all commands, and of the dialects, one is loaded."""
    module, most = READING[arguments]
    said, modules = loaded(baton, *arguments)
    assert "could not be asked" not in said
    assert _of(modules, *ELSEWHERE) == []
    assert [one for one in starter.COMMANDS if one in modules] == [module]
    ours = _of(modules, "commands", "contracts", "ledger", "activities", "config", "contexts", "places")
    assert len(ours) <= most, f"{len(ours)} modules of ours: {ours}"


@pytest.mark.parametrize("arguments", [("runs",), ("runs", "--project", "default")], ids=" ".join)
def test_an_open_run_is_asked_for(baton: Baton, begin: Begin, arguments: tuple[str, ...]) -> None:
    """While a run is open Temporal is asked, whatever project is listed."""
    begin()
    said, modules = loaded(baton, *arguments)
    assert "Temporal could not be asked" in said
    assert "temporalio.client" in modules
    assert _of(modules, "temporalio.worker", "workflows") == []


def test_each_command_is_listed_with_its_module() -> None:
    """A name in the list leads to the module that adds it: with any other it would be said not to be there."""
    for names in starter.COMMANDS.values():
        modules = [one for one, has in starter.COMMANDS.items() if set(has) & set(names)]
        made = typer.main.get_command(starter.assemble(modules)).commands  # type: ignore[attr-defined]  # it is a group
        assert set(made) == {name for one in modules for name in starter.COMMANDS[one]}


def test_a_worker_loads_no_other_database_and_no_model() -> None:
    """Before it has read its settings: which provider and which database it needs they alone can say."""
    script = "import json, sys, worker; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    others = ("anthropic", "openai", "psycopg", "alembic", "genai_prices", "commands", "console")
    assert _of(json.loads(done.stdout), *others, "sqlalchemy.orm", "sqlalchemy.dialects.postgresql") == []


def test_a_worker_collects_garbage_once_it_works(tmp_path: Path) -> None:
    """`python worker.py` looks for none while it starts; from then on as usual, but not through what it has loaded."""
    script = """
import gc, runpy, sys
usual, sys.argv = gc.get_threshold(), ["worker.py", "--help"]
try:
    there = runpy.run_path(PATH, run_name="__main__")
except SystemExit:
    pass
started = gc.get_threshold()
import worker
worker.COLLECTS = usual
worker.end_start()
print(started[0] > usual[0], gc.get_threshold() == usual, gc.get_freeze_count() > 100_000)
""".replace("PATH", repr(str(ROOT / "worker.py")))
    variables = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True True"
