"""`baton checks`: what it finds in real repositories, the run that proves it, and what it says about wrong inputs."""

from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Baton
from tests.repositories import plain, repository

MIXED = {
    "pyproject.toml": b"[project]\nname = 'shop'\ndependencies = []\n[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "shop/__init__.py": b"def one(): return 1\n",
    "tests/test_one.py": b"from shop import one\n\ndef test_one(): assert one() == 1\n\ndef test_two(): assert one() == 2\n",
    "Makefile": b"test:\n\tpytest\n",
    "uv.lock": b"",
}


def test_a_check_is_found_proven_and_told(baton: Baton, tmp_path: Path) -> None:
    """The command with its reason, the others, the layout, and one run: a base with some red tests is a base."""
    source = repository(tmp_path / "shop", MIXED)
    ran = baton("checks", str(source))
    assert (ran.code, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == f"repository {source} at {plain(source, 'rev-parse', 'HEAD')[:12]}"
    assert lines[1:4] == [
        "check pytest -q",
        "found in pyproject.toml [tool.pytest]",
        "other make test (Makefile target test)",
    ]
    assert "layout Python at the root (flat layout): shop" in lines
    assert "layout versions are fixed in: uv.lock" in lines
    assert "exit code 1" in lines
    assert any(line.startswith("tests 2 tests ran, 1 failed") for line in lines)
    assert "failed: tests.test_one::test_two" in lines
    assert "assert 1 == 2" in ran.out
    assert "proof this check can prove a change" in ran.out.replace("       ", " ")
    assert not baton.state.exists()
    assert plain(source, "status", "--porcelain") == ""


def test_a_check_that_stops_at_the_first_failure_is_not_all_red(baton: Baton, tmp_path: Path) -> None:
    """`-x` in the settings: one failure of one test that ran says nothing about the others."""
    files = {"test_a.py": b"def test_a(): assert 0\n\ndef test_b(): pass\n", "pytest.ini": b"[pytest]\naddopts = -x\n"}
    ran = baton("checks", str(repository(tmp_path / "shop", files)))
    assert ran.code == 0
    assert "1 test ran, 1 failed; it stopped there, before all tests had run" in " ".join(ran.out.split())


def test_the_document_says_the_same(baton: Baton, tmp_path: Path) -> None:
    """`--json`: one document with everything that is shown."""
    found = baton("checks", str(repository(tmp_path / "shop", MIXED)), "--json").json
    assert (found["check"], found["source"], found["usable"]) == ("pytest -q", "pyproject.toml [tool.pytest]", True)
    assert [one["command"] for one in found["candidates"]] == ["pytest -q", "make test"]
    assert (found["ran"]["exit_code"], found["ran"]["total"]) == (1, 2)
    assert found["ran"]["failures"] == ["tests.test_one::test_two"]
    assert (found["problem"], found["mend"], found["not_run"]) == ("", "", "")


CANNOT: list[tuple[dict[str, bytes], str, str]] = [
    ({"test_a.py": b"import notthere\n"}, "collection errors", "the Python package notthere is not in the environment"),
    ({"pytest.ini": b"[pytest]\naddopts = --mypy\n"}, "usage error", "pytest does not know --mypy"),
    ({"pytest.ini": b"", "README.md": b"x"}, "found no tests", "name the folder of the tests"),
    ({"test_a.py": b"def test_a(): assert False\n"}, "the only test fails", "mend the base first"),
    ({"Makefile": b"test:\n\tnothere --all\n"}, "exit code 2", "the program nothere is not in the sandbox"),
    ({"justfile": b"test:\n  true\n"}, "just was not found", "install just (Debian: just) below /usr"),
    ({"Makefile": b"test:\n\tfalse\n"}, "exit code 2", "mend the base first"),
]


BELOW = [
    {"backend/pyproject.toml": b"[project]\nname = 'app'\n"},
    {"backend/pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '-ra'\n"},
    {"backend/setup.cfg": b"[metadata]\nname = app\n"},
]


@pytest.mark.parametrize("manifest", BELOW, ids=["manifest", "settings", "setup"])
@pytest.mark.parametrize("place", ["backend/app", "backend/src/app"])
def test_a_project_one_folder_down_is_proven(baton: Baton, tmp_path: Path, manifest: dict[str, bytes], place: str) -> None:
    """Its tests find its own package, whatever configures them there and wherever the package lies."""
    uses = b"from app.core import VALUE\n\ndef test_it(): assert VALUE == 7\n"
    source = repository(
        tmp_path / "shop", manifest | {f"{place}/core.py": b"VALUE = 7\n", "backend/tests/test_core.py": uses, "README": b""}
    )
    ran = baton("checks", str(source), "--json")
    assert (ran.code, ran.json["usable"], ran.json["ran"]["total"]) == (0, True, 1), ran.json


@pytest.mark.parametrize(("files", "problem", "mend"), CANNOT, ids=[f"{next(iter(row[0]))} {row[1]}" for row in CANNOT])
def test_what_cannot_prove_anything_says_what_to_do(
    baton: Baton, tmp_path: Path, files: dict[str, bytes], problem: str, mend: str
) -> None:
    """Found, and still of no use: exit code 1, the reason, the end of the output, and what mends it."""
    ran = baton("checks", str(repository(tmp_path / "shop", files)), "--json")
    assert (ran.code, ran.json["usable"]) == (1, False)
    assert problem in ran.json["problem"]
    assert mend in ran.json["mend"]
    assert ran.json["ran"]["tail"].strip()


def test_another_check_and_another_revision_can_be_tried(baton: Baton, tmp_path: Path) -> None:
    """`--check` in place of what is found, `--base` in place of the main branch; what was found stays in sight."""
    source = repository(tmp_path / "shop", {"README.md": b"x"})
    first = plain(source, "rev-parse", "HEAD")
    (source / "Makefile").write_text("test:\n\ttrue\n")
    plain(source, "add", "--all")
    plain(source, "commit", "--quiet", "-m", "more")
    assert baton("checks", str(source), "--base", first).code == 3
    tried = baton("checks", str(source), "--check", "grep x README.md", "--json")
    assert (tried.code, tried.json["check"], tried.json["source"]) == (0, "grep x README.md", "--check")
    assert tried.json["candidates"][0]["command"] == "make test"


def test_without_a_run_nothing_is_proven(baton: Baton, tmp_path: Path) -> None:
    """`--no-run` only looks, and says so; nothing is called usable."""
    ran = baton("checks", str(repository(tmp_path / "shop", {"Makefile": b"test:\n\tfalse\n"})), "--no-run", "--json")
    assert (ran.code, ran.json["ran"], ran.json["usable"]) == (0, None, None)
    assert ran.json["not_run"] == "--no-run was given"


NO_CHECK: list[dict[str, bytes]] = [
    {"README.md": b"run it"},
    {"package.json": b'{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
    {"node_modules/x/test_a.py": b"", "main.c": b""},
]


@pytest.mark.parametrize("files", NO_CHECK, ids=[next(iter(files)) for files in NO_CHECK])
def test_a_repository_without_a_check_says_how_to_name_one(baton: Baton, tmp_path: Path, files: dict[str, bytes]) -> None:
    """Exit code 3, and the way to go on."""
    ran = baton("checks", str(repository(tmp_path / "shop", files)))
    assert ran.code == 3
    assert "none: no file says how this project is tested" in ran.out
    assert "name the command with --check" in ran.out


@pytest.mark.parametrize("how", [(), ("--run",)], ids=["by default", "--run"])
def test_without_a_sandbox_nothing_is_run_and_it_is_said(baton: Baton, tmp_path: Path, how: tuple[str, ...]) -> None:
    """By default what was found is told all the same; who asks for the run is told why there is none."""
    baton.set(BATON_BUBBLEWRAP="/no/such/bwrap")
    ran = baton("checks", str(repository(tmp_path / "shop", MIXED)), *how)
    assert ran.code == (2 if how else 0)
    said = ran.err if how else ran.out
    assert "there is no bubblewrap at /no/such/bwrap" in said
    assert ("check       pytest -q" in ran.out) is (not how)


def test_the_limits_of_settings_hold(baton: Baton, tmp_path: Path) -> None:
    """`checks.time` stops a check that takes longer, and the way to raise it is named."""
    baton.set(BATON_CHECKS__TIME="PT1S")
    ran = baton("checks", str(repository(tmp_path / "shop", {"Makefile": b"test:\n\tsleep 600\n"})), "--json")
    assert (ran.code, ran.json["ran"]["timed_out"]) == (1, True)
    assert "raise `time` in the table [checks]" in ran.json["mend"]


def test_a_module_that_many_files_lack_is_named(baton: Baton, tmp_path: Path) -> None:
    """The end of the output names a hundred files; what they lack stands far above it, and is told all the same."""
    files = {f"tests/test_{at:03}_of_many_that_lack_it.py": b"import notthere\n" for at in range(100)}
    ran = baton("checks", str(repository(tmp_path / "shop", files)), "--json")
    assert "the Python package notthere is not in the environment" in ran.json["mend"]
    assert ran.json["ran"]["tail"].startswith("E   ModuleNotFoundError: No module named 'notthere'\n[")
    assert len(ran.json["ran"]["tail"]) <= 3400


def test_a_check_that_uses_too_much_memory_says_so(baton: Baton, tmp_path: Path) -> None:
    """`checks.memory_mib` ends it, with and without cgroups, and both the reason and the key to raise are told."""
    hog = "python3 -c \"import time; held = b'x' * (300 << 20); time.sleep(1000)\""
    baton.set(BATON_CHECKS__MEMORY_MIB="128")
    ran = baton("checks", str(repository(tmp_path / "shop", {"README.md": b"x"})), "--check", hog, "--json")
    assert (ran.code, ran.json["usable"]) == (1, False)
    assert "128 MiB" in ran.json["ran"]["stopped"]
    assert ran.json["ran"]["stopped"] in ran.json["problem"]
    assert ran.json["ran"]["tail"].endswith(f"[{ran.json['ran']['stopped']}]")
    assert ran.json["mend"].startswith("raise `memory_mib` in the table [checks] of baton.toml")


WRONG: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("nowhere",), {}, "there is no folder"),
    (("folder",), {}, "is not a git repository"),
    (("file",), {}, "is not a git repository"),
    (("empty",), {}, "Commit something"),
    (("good", "--base", "nope"), {}, "nope"),
    (("good", "--check", "  "), {}, "--check is empty"),
    (("good", "--environment", "nowhere"), {}, "--environment: there is no folder"),
    (("good", "--environment", "folder"), {}, "cannot be mounted"),
    (("good",), {"BATON_CHECKS__TIME": "soon"}, 'checks.time: write a duration as ISO 8601, such as "PT90S"'),
    (("good",), {"BATON_CHECKS__TIME": "PT13H"}, "checks.time: it should be less than or equal to 12 hours"),
    (("good",), {"BATON_CHECKS__CPU": "10 minutes"}, "checks.cpu: write a duration as ISO 8601"),
    (("good",), {"BATON_CHECKS__PROCESSES": "0"}, "checks.processes: it should be greater than or equal to 8"),
    (("good",), {"BATON_CHECKS__PROCESSES": "many"}, "checks.processes: it should be a valid integer"),
    (("good",), {"BATON_CHECKS__MEMORY_MIB": "63"}, "checks.memory_mib: it should be greater than or equal to 64"),
    (("good",), {"BATON_CHECKS__MEMORY_MIB": "9" * 20}, "checks.memory_mib: it should be less than or equal to 16777216"),
    (("good",), {"BATON_CHECKS__PATIENCE": "5"}, "checks.patience: there is no such key"),
    (("good", "--frob"), {}, "No such option"),
]


@pytest.mark.parametrize(("typed", "variables", "said"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_wrong_inputs_are_named(
    baton: Baton, tmp_path: Path, typed: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    """Exit code 2, what is wrong, and nothing is left behind."""
    repository(baton.folder / "good", {"test_a.py": b"def test_a(): pass\n"})
    (baton.folder / "folder").mkdir()
    (baton.folder / "file").write_text("x")
    (baton.folder / "empty").mkdir()
    plain(baton.folder / "empty", "init", "--quiet")
    baton.set(**variables)
    ran = baton("checks", *typed)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert "unexpected" not in ran.err
    assert ran.out == ""
    assert not baton.state.exists()


def test_an_address_that_git_must_not_see_is_refused(baton: Baton) -> None:
    """Exit code 2, as everywhere: it would start a program."""
    ran = baton("checks", "ext::sh -c x")
    assert (ran.code, "would start a program" in ran.err) == (2, True)


def test_what_the_environment_has_is_not_asked_for(baton: Baton, tmp_path: Path) -> None:
    """With `--environment` only what it lacks is needed: nothing, some, or all of what the repository declares."""
    source = repository(tmp_path / "shop", {"requirements.txt": b"prices\ntaxes>=2\n", "test_a.py": b"import prices, taxes\n"})
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    packages = environment / "lib" / "python3.11" / "site-packages"

    def needs(*options: str) -> list[str]:
        return [str(one) for one in baton("checks", str(source), "--no-run", "--json", *options).json["needs"]]

    assert needs()[0].startswith("Python packages that requirements.txt names: prices, taxes; make an environment with")
    named = ("--environment", str(environment))
    assert needs(*named)[0].startswith("Python packages that requirements.txt names and the environment lacks: prices, taxes;")
    (packages / "prices-1.0.dist-info").mkdir(parents=True)
    assert needs(*named)[0].startswith("Python packages that requirements.txt names and the environment lacks: taxes;")
    (packages / "Taxes-2.1.dist-info").mkdir()
    assert needs(*named) == []
