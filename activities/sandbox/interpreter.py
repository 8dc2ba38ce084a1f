"""The Python that a check finds where nobody named an environment: ours without our packages, with pytest and nothing else.

Nothing is installed for it. Bubblewrap puts it together for each command out of single read-only parts of this installation,
so there is no state that a check could change, and no package of ours that a check could import.
"""

import re
import sys
import sysconfig
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

PLACE = Path("/check/python")
"""Where it appears inside."""

RUNNER = "/check/run/pytest_on_checkout.py"
"""Starts pytest so that no file of the checkout stands in for pytest or for what it is made of."""

RUNNER_TEXT = '''\
"""Start pytest with the checkout first on the import path, and pytest itself loaded before the checkout can be looked at."""

import os
import pkgutil
import sys

sys.path.pop(0)  # this folder
try:
    import _pytest
    import pytest
except ImportError as error:
    sys.stderr.write(f"pytest cannot be started: {error}. Name an environment that holds pytest\\n")
    sys.exit(127)


class SubTests:
    """Sub-tests share the name of their test in pytest's report: what a failed one says begins with which it is."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        of = getattr(report, "_sub_test_description", None) or getattr(report, "sub_test_description", None)
        crash = getattr(report.longrepr, "reprcrash", None)
        if of is not None and report.failed and crash is not None:
            crash.message = f"{of()} {crash.message}"


class Ended:
    """Tells in the report that not all collected tests have run, whatever ended the session: -x, a plugin, pytest.exit."""

    def __init__(self):
        self.run = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self):
        self.run += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        # None where nothing was collected here (pytest-xdist), or the version of pytest keeps no report under this key.
        report = session.config.stash.get(xml_key, None) if xml_key else None
        if report is not None and 0 < self.run < session.testscollected:
            report.add_global_property("baton-not-run", str(session.testscollected - self.run))


for found in pkgutil.walk_packages(_pytest.__path__, "_pytest."):
    try:
        __import__(found.name)
    except ImportError:
        pass  # a part for another system
import json, pdb, unittest.mock, xml.etree.ElementTree  # noqa: what pytest loads later
xml_key = getattr(sys.modules.get("_pytest.junitxml"), "xml_key", None)
here = os.getcwd()
source = os.path.join(here, "src")
laid_out = os.path.isdir(source) and not os.path.exists(os.path.join(source, "__init__.py"))
sys.path[:0] = [here, source] if laid_out else [here]
sys.argv[0] = "pytest"
sys.exit(pytest.main(plugins=[SubTests(), Ended()]))
'''


def texts() -> dict[str, str]:
    """Files of it that are made here: by their name inside, the text."""
    home = Path(sys.base_prefix) / "bin"
    return {
        RUNNER: RUNNER_TEXT,
        str(PLACE / "pyvenv.cfg"): f"home = {home}\ninclude-system-site-packages = false\n",
        str(PLACE / "bin" / "pytest"): f"#!{PLACE}/bin/python\n{RUNNER_TEXT}",
    }


def options() -> list[str]:
    """Bubblewrap's options for the interpreter itself and its packages. The installation behind it is mounted apart."""
    program = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    made: list[str] = []
    for name in ("python", "python3", program.name):
        # Below a pyvenv.cfg such a link makes a venv, in which Python leaves out the installation's own packages.
        made += ["--symlink", str(program), str(PLACE / "bin" / name)]
    inside = PLACE / "lib" / program.name / "site-packages"
    for path in packages():
        made += ["--ro-bind", str(path), str(inside / path.name)]
    return made


def hidden() -> tuple[Path, ...]:
    """Folders of packages that lie in the installation itself, ours among them where Baton has no environment of its own."""
    purelib, platlib = (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return tuple(dict.fromkeys(path for path in (purelib, platlib) if path.is_dir() and path.is_relative_to(sys.base_prefix)))


@cache
def packages() -> tuple[Path, ...]:
    """Files and folders of pytest and of all that it needs."""
    found: dict[str, Distribution] = {}
    waiting = ["pytest"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = distribution(name)
            waiting += _needed(found[name])
    return tuple(sorted({path for one in found.values() for path in _tops(one)}))


def _needed(one: Distribution) -> list[str]:
    """Names of what is installed of its requirements; what another system or Python would need is not."""
    needed = []
    for name in (re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in one.requires or () if "extra ==" not in line):
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        needed.append(name)
    return needed


def _tops(one: Distribution) -> set[Path]:
    """The distribution's own entries of the folder of packages."""
    names = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "__pycache__")}
    return {path for path in (Path(str(one.locate_file(name))) for name in names) if path.exists()}
