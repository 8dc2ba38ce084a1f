"""Routes to outside programs: what a worker starts with, and what it refuses to, with words that say what to do."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import config
from commands.doctor.programs import programs as doctor
from contracts.errors import Misconfigured
from contracts.money import Ceilings
from contracts.programs import ProgramSetting
from ledger.db import Ledger
from model_choice import build_providers
from tests import ledgers
from tests.workflows.outside import WRITER, agents
from worker_parts import build

TRUE = {"about": "does nothing", "argv": ["true"]}

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "not declared": (WRITER.format(name="ours"), {}, "no program is called 'ours' here; none is declared"),
    "another": (WRITER.format(name="ours"), {"other": TRUE}, "no program is called 'ours' here; there are other"),
    "a variable": (WRITER.format(name="ours"), {"ours": TRUE | {"variables": {"K": "NOT_SET_HERE"}}}, "names NOT_SET_HERE"),
    "tools": (
        '[agents]\nplanner = [{ model = "command:ours" }]\n',
        {"ours": TRUE},
        "cannot do the steps of planner",
    ),
    "no agent": ('[agents]\nnobody = [{ model = "command:ours" }]\n', {"ours": TRUE}, "names nobody; there are "),
    "never first": (
        '[agents]\nwriter = [{ model = "command:ours", when = ["unsure"] }]\n',
        {"ours": TRUE},
        "agent 'writer' has no choice that is tried first",
    ),
}


@contextlib.contextmanager
def _ledger(settings: config.Settings) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(settings.database, settings.artifacts)) as ledger:
        ledgers.migrate(ledger)
        yield ledger


@pytest.mark.parametrize("case", REFUSED)
def test_a_worker_does_not_start_with_what_cannot_work(tmp_path: Path, case: str) -> None:
    """Before any run: the message names the table or the route."""
    routes, programs, why = REFUSED[case]
    own = {name: ProgramSetting.model_validate(table) for name, table in programs.items()}
    settings = config.Settings(state=tmp_path / "state", agents=agents(tmp_path / "agents", routes), programs=own)
    with _ledger(settings) as ledger, pytest.raises(Misconfigured, match=why):
        build(settings, ledger)


def test_an_unmetered_route_is_no_free_one(tmp_path: Path) -> None:
    """Without ceilings a worker refuses it as it does a paid model: that nobody can count the cost does not make it none."""
    own = {"ours": ProgramSetting.model_validate(TRUE)}
    limits = Ceilings(run_usd=Decimal(1), agent_day_usd=None, month_usd=Decimal(5))
    settings = config.Settings(state=tmp_path / "state", agents=agents(tmp_path / "agents"), programs=own, ceilings=limits)
    assert "command" in build_providers(settings)
    with _ledger(settings) as ledger, pytest.raises(Misconfigured, match="command:ours costs money"):
        build(settings, ledger)


@pytest.mark.parametrize(
    "table",
    [
        {"argv": []},
        {"argv": ["-x"]},
        {"hosts": ["example.com"]},
        {"timeout": "PT13H"},
        {"variables": {"A B": "C"}},
        {"sh": "x"},
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, Any]) -> None:
    """An empty command, an option as a program, a host without a port, no end in time, a name that is none, an unknown key."""
    with pytest.raises(ValueError, match=next(iter(table))):
        ProgramSetting.model_validate(TRUE | table)


async def test_doctor_looks_for_programs_where_they_would_run(tmp_path: Path) -> None:
    """One that is there, one that is not, and a variable that this machine lacks."""
    own = {
        "ours": ProgramSetting.model_validate(TRUE),
        "gone": ProgramSetting(about="x", argv=("no-such-agent",)),
        "blind": ProgramSetting(about="x", argv=("true",), variables={"K": "NOT_SET_HERE"}),
    }
    settings = config.Settings(state=tmp_path / "state", agents=agents(tmp_path / "agents"), programs=own)
    said = {(one.level, one.text.split(":")[0], one.text) for one in await doctor(settings)}
    assert [text for level, _, text in said if level == "fail"] == ["[programs.gone]: there is no no-such-agent in the sandbox"]
    assert any(level == "warn" and "NOT_SET_HERE" in text for level, _, text in said)
    assert any(level == "ok" and text.startswith("ours: ") and "unmetered" in text for level, _, text in said)
