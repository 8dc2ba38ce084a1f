"""What a repository declares that its tests need: read from its files, whatever stands in them, and nothing else is taken."""

from pathlib import Path

import pytest

from activities.repositories.declared import declared
from activities.repositories.project_files import Files

POETRY = """
[tool.poetry.dependencies]
python = "^3.9"
a = "^1.2"
b = "*"
c = "~2.1"
d = {version = "3", optional = true}
"""
UV = """
package = [
    {name = "a", version = "1.5", source = {registry = "x"}},
    {name = "b", version = "1", source = {git = "x"}},
]
"""
PROJECT = "[project]\nname = 'shop'\n"


def _files(folder: Path, files: dict[str, str]) -> Files:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Files(folder)


PYTHON: list[tuple[dict[str, str], tuple[str, ...]]] = [
    (
        {"pyproject.toml": PROJECT + "dependencies = ['click>=8', 'rich ; os_name == \"posix\"']\n"},
        ("click>=8", 'rich ; os_name == "posix"'),
    ),
    ({"pyproject.toml": PROJECT + "optional-dependencies = {test = ['a'], docs = ['b'], dev = ['c']}\n"}, ("a",)),
    ({"pyproject.toml": PROJECT + "optional-dependencies = {Dev = ['c', 'shop[x]']}\n"}, ("c",)),
    ({"pyproject.toml": "[dependency-groups]\ntests = ['a', {include-group = 'more'}]\nmore = ['b']\n"}, ("a", "b")),
    ({"pyproject.toml": "[dependency-groups]\ntest = [{include-group = 'test'}, 'a']\n"}, ("a",)),
    (
        {"pyproject.toml": POETRY},
        ("a>=1.2,<2", "b", "c>=2.1"),
    ),
    ({"pyproject.toml": "[tool.poetry.group.test.dependencies]\na = {version = '^0.3'}\nb = '1.0'\n"}, ("a>=0.3", "b==1.0")),
    ({"setup.cfg": "[options]\ninstall_requires =\n  a>1\n  b\n[options.extras_require]\ntesting =\n  c\n"}, ("a>1", "b", "c")),
    (
        {"setup.py": "setup(install_requires=['a'], extras_require={'test': ['b'], 'x': ['c']})\n"},
        ("a", "b"),
    ),
    ({"setup.py": "import setuptools\nsetuptools.setup(tests_require='a\\nb', install_requires=read('x'))\n"}, ("a", "b")),
    ({"requirements.txt": "# ours\na==1 --hash=sha256:00 \\\n  --hash=sha256:11\nb  # why\n"}, ("a==1", "b")),
    (
        {
            "requirements.txt": "-r requirements/base.txt\n",
            "requirements/base.txt": "-r deep.txt\na\n",
            "requirements/deep.txt": "b",
        },
        ("a", "b"),
    ),
    ({"requirements/test.txt": "-r test.txt\na\n", "requirements-dev.txt": "linter\n"}, ("a",)),
    ({"requirements-dev.txt": "a\n"}, ("a",)),
    ({"tox.ini": "[testenv]\ndeps =\n  a\n  py38: b\n  -r{toxinidir}/t.txt\n  {[base]deps}\n", "t.txt": "c\n"}, ("c", "a")),
    ({"pyproject.toml": "[tool.tox.env_run_base]\ndeps = ['a', 'b>1']\n"}, ("a", "b>1")),
]


@pytest.mark.parametrize(("files", "wanted"), PYTHON, ids=[" ".join(row[0]) + str(at) for at, row in enumerate(PYTHON)])
def test_requirements_are_found_where_projects_write_them(
    tmp_path: Path, files: dict[str, str], wanted: tuple[str, ...]
) -> None:
    """Tables, extras and groups for tests, requirements files, setup.py's written lists and tox; each requirement once."""
    found = declared(_files(tmp_path, files))
    assert (found.python, found.left_out) == (wanted, ())
    assert found.sources


HOSTILE = [
    "shop @ https://example.org/x.whl",
    "git+https://example.org/x",
    "../elsewhere",
    "./x.whl",
    "--index-url=https://example.org",
    "-e .",
    "a; import os",
    "a==1\\",
    "a \x00b",
    "-c other.txt",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_what_is_no_name_and_version_is_left_out(tmp_path: Path, line: str) -> None:
    """Addresses, paths and options never reach an installer, wherever they stand."""
    found = declared(_files(tmp_path, {"requirements.txt": f"{line}\nfine\n"}))
    assert all(one == "fine" or one.startswith("a;") for one in found.python)
    assert not any(sign in one for one in found.python for sign in ("/", "@", "--", "\\", "\0"))


LOCKS: list[tuple[str, str]] = [
    (
        "uv.lock",
        UV,
    ),
    ("poetry.lock", "[[package]]\nname = 'a'\nversion = '1.5'\n"),
    (
        "pylock.toml",
        "packages = [{name='a', version='1.5'}, {name='c', version='1'}, {name='c', version='2'}]\n",
    ),
]


@pytest.mark.parametrize(("name", "text"), LOCKS, ids=[row[0] for row in LOCKS])
def test_lock_files_say_the_versions(tmp_path: Path, name: str, text: str) -> None:
    """Of what comes from a registry, and is there in one version."""
    assert declared(_files(tmp_path, {name: text, "requirements.txt": "a\n"})).pinned == ("a==1.5",)


NPM: list[tuple[dict[str, str], tuple[str, ...]]] = [
    ({"package.json": '{"dependencies": {"a": "^1", "@x/b": "1 || 2"}}'}, ("a@^1", "@x/b@1 || 2")),
    (
        {"package.json": '{"devDependencies": {"a": "*", "b": "git+ssh://x/y", "c": "file:../c", "d": "u/r", "--e": "1"}}'},
        ("a@*",),
    ),
    (
        {
            "package.json": '{"dependencies": {"a": "^1"}}',
            "package-lock.json": '{"packages": {"node_modules/a": {"version": "1.9.0"}}}',
        },
        ("a@1.9.0",),
    ),
    (
        {
            "package.json": '{"dependencies": {"a": "^1"}}',
            "package-lock.json": '{"dependencies": {"a": {"version": "file:x"}}}',
        },
        ("a@^1",),
    ),
]


@pytest.mark.parametrize(("files", "wanted"), NPM, ids=[str(row[1]) for row in NPM])
def test_npm_packages_are_found(tmp_path: Path, files: dict[str, str], wanted: tuple[str, ...]) -> None:
    """Both tables, at the versions of npm's lock file; addresses and paths are left out and told."""
    found = declared(_files(tmp_path, files))
    assert found.npm == wanted
    assert len(found.left_out) == (4 if wanted == ("a@*",) else 0)


BROKEN = [
    ("pyproject.toml", "project = 5"),
    ("pyproject.toml", "[project]\ndependencies = 5\noptional-dependencies = [1]\n[dependency-groups]\ntest = 5\n"),
    ("pyproject.toml", "[tool.poetry]\ndependencies = 5\ngroup = 5\ndev-dependencies = 5\n"),
    ("setup.cfg", "[options"),
    ("setup.py", "setup(install_requires=[" + "(" * 100_000),
    ("setup.py", "print 'old'"),
    ("tox.ini", "deps = 1\n[testenv]\n"),
    ("tox.toml", "env_run_base = 5"),
    ("uv.lock", "package = 5"),
    ("uv.lock", "package = [5]"),
    ("package.json", '{"dependencies": ["a"], "devDependencies": 5}'),
    ("package-lock.json", '{"packages": 5}'),
    ("requirements.txt", "-r /etc/passwd\n-r ../../x\n-r .\n"),
    ("requirements.txt", "-r requirements.txt\n-r ./requirements.txt\n" * 2000),
    ("tox.ini", "[testenv]\ndeps =\n" + "  -r tox.ini\n" * 5000),
    ("setup.py", "setup(extras_require={1: ['a'], None: ['b'], ('test',): ['c']})"),
    ("setup.py", "a" + ".a" * 50_000 + ".setup(install_requires=5)"),
    ("pyproject.toml", "[dependency-groups]\ntest = [" + "{include-group = 'test'}, " * 2000 + "]\n"),
]


def test_files_that_name_each_other_are_read_once(tmp_path: Path) -> None:
    """Ten files of which each names all ten, and as many groups: each requirement once, and at once."""
    all_of_them = "".join(f"-r r{at}.txt\n" for at in range(10))
    files = {f"r{at}.txt": f"p{at}\n{all_of_them}" for at in range(10)} | {"requirements.txt": all_of_them}
    others = ", ".join(f"{{include-group = 'g{at}'}}" for at in range(10))
    groups = "".join(f"g{at} = ['q{at}', {others}]\n" for at in range(10))
    files["pyproject.toml"] = "[dependency-groups]\ntest = [{include-group = 'g0'}]\n" + groups
    found = declared(_files(tmp_path, files))
    assert sorted(found.python) == sorted([f"{name}{at}" for name in "pq" for at in range(10)])


@pytest.mark.parametrize(("name", "text"), BROKEN, ids=[f"{row[0]}{at}" for at, row in enumerate(BROKEN)])
def test_broken_files_declare_nothing(tmp_path: Path, name: str, text: str) -> None:
    """No file stops the rest from being read, and none outside the repository is."""
    assert declared(_files(tmp_path, {name: text})).anything is False
