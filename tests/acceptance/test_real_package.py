"""A delivery on the source of a published package: two of its real, published fixes are undone and delivered again."""

import re
import sys
import tarfile
from pathlib import Path

import pytest

from contracts.base import sha256
from tests import depth
from tests.scripts import a_tester, answer, edit, item, plan, read, says, summary, write
from tests.stack import git
from tests.workflows.conftest import Start

CHECK = "python -m pytest -q tests" + ("" if depth.SOAK else " -k 'strutils or urlutils or edges'")

REQUIREMENTS = Path(__file__).parent / "requirements.txt"

AUTHORITY = ("if with_userinfo and (self.username or self.password):", "if with_userinfo and self.username:")
"""boltons 26.2.0: URL.get_authority dropped passwords when the username is empty (its pull request 477)."""

SEPARATOR = ("    return sep.join(ret_list)\n", "    return ' '.join(ret_list)\n")
"""boltons 26.2.0: strutils.args2sh ignored its sep argument (its pull request 454)."""

MORE_TESTS = """\
from boltons.strutils import args2sh
from boltons.urlutils import URL


def test_an_empty_user_keeps_its_password():
    assert URL('http://:secret@example.com/').get_authority(with_userinfo=True) == ':secret@example.com'


def test_nothing_to_join():
    assert args2sh([], sep='|') == ''
"""


def published() -> Path:
    """The package as it was published, which setting up has downloaded. By its hash it is the one that is meant."""
    ((version, digest),) = re.findall(r"^boltons==(\S+) --hash=sha256:(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    file = Path(sys.prefix) / "packages" / f"boltons-{version}.tar.gz"
    assert file.exists(), f"{file} is not there; `make .venv/.package` downloads it"
    assert sha256(file.read_bytes()) == digest, f"{file} is not what {REQUIREMENTS} names; delete both"
    return file


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's source as a repository, with both fixes undone."""
    folder = tmp_path_factory.mktemp("package")
    with tarfile.open(published()) as archive:
        archive.extractall(folder, filter="data")
    source = next(path for path in folder.iterdir() if path.is_dir())
    _undo(source / "boltons" / "urlutils.py", *AUTHORITY)
    _undo(source / "boltons" / "strutils.py", *SEPARATOR)
    git(source, "init", "--quiet", "--initial-branch=master")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message=As published, without two of its fixes")
    return source


def _undo(file: Path, fixed: str, broken: str) -> None:
    text = file.read_text()
    assert text.count(fixed) == 1
    file.write_text(text.replace(fixed, broken))


@pytest.mark.timeout(300)
async def test_two_real_defects_of_a_published_package_are_fixed(start: Start, origin: Path) -> None:
    """Two writers side by side mend two modules; the package's own tests of both decide, in the soak all 500; one branch holds
    both fixes."""
    planner = says(
        "planner",
        read("boltons/urlutils.py"),
        answer(
            plan(
                item("authority", ["boltons/urlutils.py"]),
                item("separator", ["boltons/strutils.py"]),
                summary="Keep a password without a username; honour sep in args2sh.",
            ),
            claims=[
                {
                    "subject": "boltons/urlutils.py",
                    "attribute": "userinfo",
                    "value": "is left out when the username is empty",
                    "evidence": [{"artifact": "@artifact:1", "quote": AUTHORITY[1]}],
                }
            ],
        ),
    )
    writers = [
        says("writer", edit("boltons/urlutils.py", AUTHORITY[1], AUTHORITY[0]), answer(summary()), text="item is `authority`"),
        says("writer", edit("boltons/strutils.py", SEPARATOR[1], SEPARATOR[0]), answer(summary()), text="item is `separator`"),
    ]
    async with start(planner, *writers, a_tester(write("tests/test_baton_edges.py", MORE_TESTS))) as stack:
        run = await stack.deliver(origin, check=CHECK, branch="baton/two-fixes")
        view = await stack.approve(run, "plan")
        await stack.approve(run, "change")
        report = await run.result()
    assert "every claim (1) is backed by quotes from files the agent read" in view.facts
    assert (report.state, report.tests.verdict) == ("done", "passed")
    assert report.tests.fixed == (
        "tests.test_strutils::test_args2sh_sep",
        "tests.test_urlutils::test_password_without_username",
    )
    assert report.tests.runs[0].total > depth.count(150, soak=500)
    changed = git(origin, "diff", "--stat", "--name-only", "master", "baton/two-fixes").split()
    assert changed == ["boltons/strutils.py", "boltons/urlutils.py", "tests/test_baton_edges.py"]
    assert AUTHORITY[0] in git(origin, "show", "baton/two-fixes:boltons/urlutils.py")
