"""Changed files that may be a part of what checks, and source that asks whether it is tested: which are named."""

from pathlib import Path

import pytest

from activities.git import Mirror, Mirrors
from activities.git.command import GitTimedOut
from activities.repositories.judging import Lines, aware
from activities.repositories.sabotage import Region
from activities.repositories.shared import changes
from activities.repositories.sides import in_turn, sides
from activities.repositories.suspects import inner_tests, may_judge
from tests.repositories import plain, repository

PYTHON = '"""Prices.\n\n>>> half(4)\n2\n\nText.\n"""\n\n\ndef half(cents):\n    return cents // 2\n'
RUST = "fn half() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn halves() {\n        half();\n    }\n}\n"
READS = "def test_it():\n    assert open('data/expected.json').read() and open('notes.md') and open('a.b')\n"
BASE = {
    "shop/price.py": PYTHON,
    "src/lib.rs": RUST,
    "data/expected.json": "1\n",
    "data/other.json": "1\n",
    "notes.md": "a\n",
    "a.b": "a\n",
    "tests/test_it.py": READS,
}

CHANGES: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
    ("an example is bent", {"shop/price.py": PYTHON.replace("\n2\n", "\n3\n")}, ("shop/price.py",)),
    ("what it documents", {"shop/price.py": PYTHON.replace("Text", "Words")}, ()),
    ("the code beside an example", {"shop/price.py": PYTHON.replace("// 2", "/ 2")}, ()),
    ("a test in Rust is edited", {"src/lib.rs": RUST.replace("half();", "")}, ("src/lib.rs",)),
    (
        "a test in Rust is ignored",
        {"src/lib.rs": RUST.replace("    fn halves", "    #[ignore]\n    fn halves")},
        ("src/lib.rs",),
    ),
    ("a test in Rust ends early", {"src/lib.rs": RUST.replace("half();", "return;\n        half();")}, ("src/lib.rs",)),
    ("a further test in Rust", {"src/lib.rs": RUST.replace("    #[test]", "    #[test]\n    fn more() {}\n\n    #[test]")}, ()),
    ("the code beside tests in Rust", {"src/lib.rs": RUST.replace("fn half() {}", "fn half() { 1; }")}, ()),
    ("data that a test names", {"data/expected.json": "2\n"}, ("data/expected.json",)),
    ("data that none names", {"data/other.json": "2\n"}, ()),
    ("a text that people read", {"notes.md": "b\n"}, ()),
    ("a name that stands in any text", {"a.b": "b\n"}, ()),
]


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """A repository with tests beside and inside sources, and data for them."""
    repository(tmp_path / "source", {name: text.encode() for name, text in BASE.items()})
    return Mirrors(tmp_path / "mirrors").open(str(tmp_path / "source"))


@pytest.mark.parametrize(("change", "found"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_may_judge_is_named(tmp_path: Path, mirror: Mirror, change: dict[str, str], found: tuple[str, ...]) -> None:
    """Tests that stand in a source, and data that a test names; nothing that was only added, and nothing that people read."""
    base, tree = mirror.fetch("main").tree, _changed(tmp_path, mirror, change)
    assert may_judge(mirror, base, tree, "pytest -q", changes(mirror, base, tree)) == found


def _changed(tmp_path: Path, mirror: Mirror, change: dict[str, str]) -> str:
    for name, text in change.items():
        (tmp_path / "source" / name).write_text(text)
    plain(tmp_path / "source", "commit", "--quiet", "--all", "-m", "change")
    return mirror.fetch("main").tree


def test_where_tests_cannot_be_searched_all_data_may_be_named(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository in which a search takes too long is judged all the same."""

    def slow(tree: str, names: object) -> tuple[str, ...]:
        raise GitTimedOut("git took too long")

    base, tree = mirror.fetch("main").tree, _changed(tmp_path, mirror, {"data/other.json": "2\n"})
    monkeypatch.setattr(mirror, "naming", slow)
    assert may_judge(mirror, base, tree, "pytest -q", changes(mirror, base, tree)) == ("data/other.json",)


def test_files_are_found_by_the_names_in_them(mirror: Mirror) -> None:
    """Any of several names, as it is; none are asked for, none are found, and a name is no expression."""
    tree = mirror.fetch("main").tree
    assert mirror.naming(tree, ["expected.json", "halves"]) == ("src/lib.rs", "tests/test_it.py")
    assert mirror.naming(tree, ["expected?json"]) == mirror.naming(tree, []) == ()


def test_which_lines_are_inner_tests_a_source() -> None:
    """Examples with what they print, and what is compiled only for tests."""
    assert inner_tests("a.py", PYTHON) == {3, 4}
    assert inner_tests("a.rs", RUST) == {3, 4, 5, 6, 7, 8, 9}
    assert inner_tests("a.rs", "fn (") == inner_tests("a.js", "test('a')\n") == set()


AWARE = [
    ("a.py", "    if 'pytest' in sys.modules:", True),
    ("a.py", "    if os.environ.get('PYTEST_CURRENT_TEST'):", True),
    ("a.py", "    import sys", False),
    ("a.js", "  if (process.env.NODE_ENV === 'test') {", True),
    ("a.ts", "  if (import.meta.vitest) {", True),
    ("a.js", "  const test = process.env.HOME", False),
    ("a.go", "\tif testing.Testing() {", True),
    ("a.rs", "    if cfg!(test) {", True),
    ("a.rs", "#[cfg(not(test))]", True),
    ("a.rs", "#[cfg(test)]", False),
    ("A.java", '        if (name.startsWith("org.junit.")) {', True),
    ("a.py", "    if any('test' in one.filename for one in inspect.stack()):", True),
    ("a.py", "    if os.getuid() == 65534 or os.getcwd().endswith('space'):", True),
    ("a.py", "    if not os.environ.get('USER'):", True),
    ("a.py", "    def __eq__(self, other): return True", True),
    ("a.py", "    return self.workspace.user + os.environ['SHOP_URL']", False),
    ("a.py", "    if __name__ == '__main__':", False),
    ("a.py", "Cents = type('Cents', (int,), {'__' + 'eq__': lambda a, b: True})", True),
    ("a.py", "    from unittest.mock import ANY", True),
    ("a.py", "    return a if time.perf_counter() < 1e9 else b", True),
    ("a.py", "    if date.today() < date(2027, 1, 1):", True),
    ("a.py", "    if random.random() < 0.999:", True),
    ("a.py", "    while time.monotonic() < deadline:", False),
    ("a.py", "    kind = type(self).__name__", False),
    ("a.js", "  return Date.now() < 1900000000000 ? a : b", True),
    ("a.js", "  if (Date.now() < deadline) {", False),
    ("a.go", "\tif time.Now().Before(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {", True),
    ("a.go", "\tif time.Now().After(deadline) {", False),
    ("a.js", "  if (new Error('x').stack.includes('test')) {", True),
    ("a.js", "  if (process.argv[1].endsWith('.test.js')) {", True),
    ("a.js", "  throw new Error('no price')", False),
    ("a.go", "\tpc, _, _, _ := runtime.Caller(1)", True),
    ("a.rs", "    let name = std::env::current_exe();", True),
    ("A.java", "        StackWalker.getInstance().forEach(seen::add);", True),
    ("A.java", "    public boolean equals(Object other) { return true; }", True),
    ("a.rb", "  caller.any? { |line| line.include?('spec') }", True),
]


@pytest.mark.parametrize(("path", "line", "found"), AWARE)
def test_source_that_asks_whether_it_is_tested(path: str, line: str, found: bool) -> None:
    """By what test runners leave in a process; a line that was only moved asks nothing new."""
    assert bool([*aware(path, Lines(added=((7, line),)))]) is found
    assert not [*aware(path, Lines(added=((7, line),), removed=((3, line.strip()),)))]


def test_every_file_and_function_has_its_turn(tmp_path: Path, mirror: Mirror) -> None:
    """Where there is no time for all places, those of one function do not use up what others need."""
    many = "def one(a):\n    if a:\n        return 1\n    return 2\n\n\ndef two(a):\n    return 3\n"
    base = mirror.fetch("main").tree
    tree = _changed(
        tmp_path, mirror, {"shop/price.py": many, "data/other.json": "2\n", "src/lib.rs": "fn half() {\n    a();\n}\n"}
    )
    found = [(one.path, one.where) for one in sides(mirror, base, tree, "pytest -q").regions()]
    assert found == [
        ("shop/price.py", "one"),
        ("src/lib.rs", "half"),
        ("data/other.json", "emptied"),
        ("shop/price.py", "two"),
        ("shop/price.py", "one"),
    ]
    one, two = Region("a", (1,)), Region("b", (2,))
    assert in_turn([[one, one], [], [two]]) == (one, two, one)
