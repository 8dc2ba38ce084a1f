"""What holds for every test, and databases for tests: an empty, migrated SQLite file or PostgreSQL database each time."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck

from tests import children, depth, homes, ledgers
from tests import postgres as server
from tests.demo import demo
from tests.homes import the_users_own_state_is_left_alone
from tests.leftovers import no_task_outlives_its_test, pytest_runtest_makereport
from tests.postgres import Postgres

__all__ = ["demo", "no_task_outlives_its_test", "pytest_runtest_makereport", "the_users_own_state_is_left_alone"]

children.ignore_for_ourselves_only()
# What is started here by the hundred is compiled once, also where the environment says that nothing compiled is kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.setdefault("GOGC", "400")  # Temporal servers of tests are short-lived: keeping garbage is cheaper
os.environ.setdefault("GOMAXPROCS", "1")  # and little is asked of each: what looks for work on another core finds none
homes.move_out()
signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, tests end what they have started, as after Ctrl-C

# Neither the machine's speed nor, outside `make soak`, chance decides what an example shows. A fixture is made once for all.
CALM = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)}
hypothesis.settings.register_profile("suite", derandomize=True, max_examples=40, **CALM)
hypothesis.settings.register_profile("soak", print_blob=True, max_examples=1000, **CALM)
hypothesis.settings.load_profile("soak" if depth.SOAK else "suite")


def pytest_collection_finish() -> None:
    """What is imported and collected stays to the end: the garbage collector need not look at all of it again and again."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Leave the keys of whoever runs the tests to those that are asked for with `-m live`: no other may call a real model."""
    if "live" not in config.option.markexpr:
        for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
            os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make chaos` sets these; here, because pytest knows options only from this file when all tests are run."""
    kills = depth.count(16, soak=500)
    parser.addoption("--kills", type=int, default=kills, help="kills that have to land in tests/chaos/test_storm.py")
    parser.addoption("--seed", type=int, default=1, help="what the faults of tests/chaos/test_storm.py are chosen by")
    parser.addoption(
        "--ledger", choices=("sqlite", "postgres"), default="sqlite", help="the ledger of tests/chaos/test_storm.py"
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL server, started when the first test wants it."""
    with server.running() as started:
        yield started


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """A migrated SQLite file to copy."""
    return ledgers.template()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite ledger."""
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgres_url(postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated PostgreSQL ledger."""
    with postgres.migrated(tmp_path) as url:
        yield url
