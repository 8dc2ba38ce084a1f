"""The one table of paths that mean more than their lines say: its form, what refuses it, and that both of its uses agree."""

from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from activities.repositories.judging import kind_of
from contracts.repositories import FileChange
from contracts.risky_paths import kinds_of
from contracts.special_paths import ECOSYSTEMS, FILE, fits, read

ROOT = Path(__file__).parent.parent.parent
LINES = "lines = { defines = 'a', skips = 'b', asserts = 'c', narrows = 'd', aware = 'e' }\n"
GOOD = '[[ecosystem]]\nname = "X"\nsources = ["https://example.org/"]\n'


def test_every_entry_says_where_it_comes_from() -> None:
    """A table that nobody can check would be trusted or ignored, both wrongly. No name stands twice in one list."""
    assert len(ECOSYSTEMS) == len({one.name for one in ECOSYSTEMS}) > 8
    for one in ECOSYSTEMS:
        for listed in (one.sources, one.tests, one.configuration, one.runs_itself, one.secret, one.installed, one.generated):
            assert len(listed) == len(set(listed)), listed


WRONG = [
    ("an unknown key", GOOD + 'runs_itselves = ["a"]\n', "runs_itselves"),
    ("no source", '[[ecosystem]]\nname = "X"\nsources = []\n', "sources"),
    ("a source that is no page", '[[ecosystem]]\nname = "X"\nsources = ["the manual"]\n', "sources"),
    ("capitals that would never fit", GOOD + 'runs_itself = ["Makefile"]\n', "write patterns .* in lower case: Makefile"),
    ("tests without marks", GOOD + 'tests = ["a"]\n', r"X has files that judge a change, so it needs \[ecosystem.lines\]"),
    ("marks that are no expression", GOOD + LINES.replace("'b'", "'('"), "skips"),
    ("an empty pattern", GOOD + 'secret = [""]\n', "secret"),
    ("no TOML", "[[ecosystem]\n", "line 1"),
    ("nothing", "", "ecosystem"),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_table_in_another_form_is_refused(text: str, said: str) -> None:
    """With the name of what is wrong: a typing error must not take a guard away."""
    assert read(GOOD)
    with pytest.raises(ValueError, match=said):
        read(text)


FITS = [
    (".circleci/**", ".circleci/config.yml", True),
    (".circleci/**", "services/api/.circleci/config.yml", True),
    ("/gradle/**", "gradle/libs.versions.toml", True),
    ("/gradle/**", "src/main/java/org/gradle/Task.java", False),
    ("makefile", "deep/in/makefile", True),
    ("makefile", "makefile.md", False),
]


@pytest.mark.parametrize(("pattern", "path", "found"), FITS)
def test_a_pattern_counts_at_any_depth(pattern: str, path: str, found: bool) -> None:
    """Unless it begins with a slash."""
    assert fits(path, (pattern,)) is found
    assert not fits(path, ())


@pytest.mark.parametrize(
    "path", [".woodpecker.yml", "ci/Jenkinsfile.release", "MAKEFILE", "tox.toml", "phpunit.xml.dist", "web/.mocharc.json"]
)
def test_what_configures_a_check_judges_and_runs_by_itself(path: str) -> None:
    """One list for both uses: a file cannot judge a change and be no risk, or the other way round."""
    assert kind_of(FileChange(path=path, status="modified", added=1, removed=0)) == "configuration"
    assert "runs_itself" in kinds_of(path)


def test_a_test_keeps_its_capitals() -> None:
    """`*Test.java` names tests; folded it would name half of the sources."""
    tested = FileChange(path="src/main/PriceTest.java", status="added", added=1, removed=0)
    assert kind_of(tested) == "test"
    assert kind_of(tested.model_copy(update={"path": "src/main/Latest.java"})) is None


def test_the_table_is_part_of_what_is_installed() -> None:
    """The wheel has the file beside the module that reads it."""
    included = {one.distribution_path for one in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert FILE.relative_to(ROOT).as_posix() in included
    assert "contracts/special_paths.py" in included
