"""Settings: shipped ones, those of the working folder, and those of the environment, key by key."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import config
import worker_parts
from contracts.errors import Misconfigured
from contracts.money import Ceilings, Levels
from ledger.db import Ledger
from tests import ledgers
from tests.children import PATIENCE


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_shipped_file_sets_every_level() -> None:
    """Who sets nothing has modest ceilings at all three levels."""
    shipped = config.load().ceilings
    assert (shipped.run_usd, shipped.agent_day_usd, shipped.month_usd) == (20, 100, 1000)


def test_a_file_of_ones_own_changes_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key in the working folder leaves the other shipped ones; the environment comes before both."""
    Path("baton.toml").write_text("[ceilings]\nmonth_usd = 50.5\n[ceilings.projects.shop]\nrun_usd = 2\n")
    monkeypatch.setenv("BATON_CEILINGS__AGENT_DAY_USD", "7")
    read = config.load().ceilings
    assert (read.run_usd, read.agent_day_usd, read.month_usd) == (20, 7, Decimal("50.5"))
    assert (read.run_default("shop"), read.run_default("other")) == (2, 20)
    assert read.projects == {"shop": Levels(run_usd=Decimal(2))}


def test_the_tables_of_the_page_are_read() -> None:
    """What docs/operating.md says that steps may read, as a reader would copy it."""
    page = (config.HOME / "docs" / "operating.md").read_text()
    (text,) = [block for block in page.split("```toml\n") if block.startswith("[folders.handbook]")]
    Path("baton.toml").write_text(text.split("```")[0])
    read = config.load()
    assert (read.folders["handbook"].path, read.logs["api"].files) == (Path("/srv/handbook"), "*.log")
    assert list(read.databases["crm"].queries) == ["orders"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ceilings]\nrun_ussd = 1", r"ceilings\.run_ussd"),
        ("[ceilings]\nrun_usd = 0", r"ceilings\.run_usd.*greater than 0"),
        ("[ceilings]\nrun_usd = -5", r"ceilings\.run_usd.*greater than 0"),
        ('[ceilings]\nrun_usd = "lots"', r"ceilings\.run_usd"),
        ("[ceilings]\nkept_back = 2000", r"ceilings\.kept_back"),
        ("[ceilngs]\nrun_usd = 1", r"ceilngs"),
        ('[folders.Hand_Book]\npath = "/srv"', r"folders\.Hand_Book.*should match pattern"),
        ('[logs.api]\npaths = "/srv"', r"logs\.api\.path: Field required; logs\.api\.paths: there is no such key"),
        ("[databases.crm]\nwrite = true", r"databases\.crm: .*exactly one of url and url_file"),
        ('[databases.crm]\nurl = "sqlite:///a"\nqueries.all = "select 1"', r"databases\.crm\.queries\.all"),
        ("[growth]\nmultiple = 1", r"growth\.multiple.*greater than 1"),
        ('[growth]\ncontext = "stop"', r"growth\.context"),
    ],
)
def test_a_wrong_limit_is_named(text: str, said: str) -> None:
    """A misspelt or impossible limit is refused by its name: no default slips in for it."""
    Path("baton.toml").write_text(text)
    with pytest.raises(Misconfigured, match=said):
        config.load()


def test_a_table_in_one_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes a whole table into one variable is told the way that works."""
    monkeypatch.setenv("BATON_CEILINGS", "run_usd=5")
    with pytest.raises(Misconfigured, match=r"BATON_CEILINGS is not JSON.*\(BATON_CEILINGS__KEY\), or in baton\.toml"):
        config.load()


def test_a_worker_says_what_is_wrong_with_its_settings(tmp_path: Path) -> None:
    """No traceback: one line that names the key, and exit code 2."""
    Path("baton.toml").write_text("[ceilings]\nrun_ussd = 1")
    command = [sys.executable, str(config.HOME / "worker.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stderr.startswith("baton worker: settings: ceilings.run_ussd")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("level", ["run_usd", "agent_day_usd", "month_usd"])
def test_a_paid_model_needs_every_level(level: str, tmp_path: Path) -> None:
    """A worker that can reach a paid model does not start with a level unset, and says which setting is missing."""
    set_ = {"run_usd": 1, "agent_day_usd": 1, "month_usd": 1}
    ceilings = Ceilings.model_validate({name: value for name, value in set_.items() if name != level})
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "artifacts")
    settings = config.load(ceilings=ceilings, openai_api_key="none")
    ledgers.migrate(ledger)
    with pytest.raises(Misconfigured, match=rf"costs money and {level} is not set.*\[ceilings\] of baton\.toml"):
        worker_parts.build(settings, ledger)
    free = config.load(ceilings=ceilings, openai_base_url="http://127.0.0.1:1/v1", model="openai:local", model_free=True)
    assert worker_parts.build(free, ledger).policy.digest
    ledger.close()
