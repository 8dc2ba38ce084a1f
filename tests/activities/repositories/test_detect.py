"""Which check a repository brings along: found in its files, without running any, whatever stands in them."""

from pathlib import Path

import pytest

from activities.repositories.detection import detect_check

PYTEST = "pytest -q"
NPM = "npm test --silent"

SOURCES = [
    ({"pytest.ini": ""}, PYTEST, "pytest.ini"),
    ({".pytest.ini": "[pytest]"}, PYTEST, ".pytest.ini"),
    ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, PYTEST, "pyproject.toml [tool.pytest]"),
    ({"pyproject.toml": "[tool.pytest]\nminversion = '9'\n"}, PYTEST, "pyproject.toml [tool.pytest]"),
    ({"setup.cfg": "[metadata]\n[tool:pytest]\n"}, PYTEST, "setup.cfg [tool:pytest]"),
    ({"tox.ini": "[tox]\n[pytest]\n"}, PYTEST, "tox.ini [pytest]"),
    ({"deep/below/test_a.py": ""}, PYTEST, "test files"),
    ({"package.json": '{"scripts": {"test": "node --test"}}'}, NPM, "package.json scripts.test"),
    ({"package.json": '{"scripts": {"test": "jest"}}', "tests/test_a.py": ""}, PYTEST, "test files"),
    ({"pyproject.toml": "[tool.ruff]\n", "package.json": '{"scripts": {"test": "jest"}}'}, NPM, "package.json scripts.test"),
]

NONE: list[dict[str, str]] = [
    {},
    {"README.md": "run pytest"},
    {"pyproject.toml": "[project]\nname = 'pytest'\n"},
    {"tests/helper.py": "", "latest_news.py": "", "test_data.txt": ""},
    {"package.json": '{"scripts": {"build": "tsc"}}'},
    {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
    {"package.json": '{"scripts": {"test": ""}}'},
]

NESTED = 100_000
BROKEN: list[tuple[str, str]] = [
    ("pyproject.toml", "[tool.pytest"),
    ("pyproject.toml", "tool = 5"),
    ("pyproject.toml", "tool = 'pytest'"),
    ("pyproject.toml", "tool = ['pytest']"),
    ("pyproject.toml", "x = " + "[" * NESTED),
    ("pyproject.toml", "x = " + "9" * 10_000),
    ("pyproject.toml", "\x00\x01"),
    ("package.json", "{"),
    ("package.json", "null"),
    ("package.json", '["scripts"]'),
    ("package.json", '{"scripts": null}'),
    ("package.json", '{"scripts": ["test"]}'),
    ("package.json", '{"scripts": {"test": null}}'),
    ("package.json", '{"scripts": {"test": {"run": "x"}}}'),
    ("package.json", "[" * NESTED),
    ("package.json", "9" * 10_000),
]


def _write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("files", "command", "source"), SOURCES, ids=[row[2] for row in SOURCES])
def test_each_source_is_found_and_named(tmp_path: Path, files: dict[str, str], command: str, source: str) -> None:
    """The check is found where the repository declares it, pytest before package scripts, and the source is named."""
    assert detect_check(_write(tmp_path, files)) == (command, source)


@pytest.mark.parametrize("files", NONE, ids=[next(iter(files), "empty") for files in NONE])
def test_nothing_is_guessed(tmp_path: Path, files: dict[str, str]) -> None:
    """Where no file declares a check there is none: a name, a word, or npm's own placeholder is not one."""
    assert detect_check(_write(tmp_path, files)) is None


@pytest.mark.parametrize(("name", "text"), BROKEN, ids=[f"{name}: {text[:24]!r}" for name, text in BROKEN])
def test_a_broken_file_says_nothing(tmp_path: Path, name: str, text: str) -> None:
    """A file with something else in it, however deep or large, is as good as none and never an error."""
    assert detect_check(_write(tmp_path, {name: text})) is None
    assert detect_check(_write(tmp_path, {"tests/test_a.py": ""})) == (PYTEST, "test files")


def test_a_file_that_is_not_text_says_nothing(tmp_path: Path) -> None:
    """Bytes of no encoding are read as what they are not, and declare nothing."""
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe[tool.pytest]")
    (tmp_path / "package.json").write_bytes(b"\xff\xfe{}")
    assert detect_check(tmp_path) is None


def test_links_and_folders_of_a_known_name_are_not_followed(tmp_path: Path) -> None:
    """A link that leads out of the repository, and a folder that is called like a file, declare nothing."""
    (tmp_path / "outside.ini").write_text("[pytest]")
    top = tmp_path / "top"
    (top / "package.json").mkdir(parents=True)
    (top / "pytest.ini").symlink_to(tmp_path / "outside.ini")
    (top / "tests").symlink_to(_write(tmp_path / "elsewhere", {"test_a.py": ""}))
    assert detect_check(top) is None
