"""What pages and code both say is the same in both, and each comparison would notice if it were not."""

import re
import tomllib
from pathlib import Path

import pytest

import contexts
from config import Settings
from tests.docs import reference
from tests.docs.claims import CLAIMS, Claim
from tests.docs.pages import ROOT, Block, blocks, name_of, pages
from tests.docs.spoken import spoken, wrong

PAGES = pages()
WIDTH = 80
"""Columns of a terminal. Files that a page writes are read in an editor."""


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda one: one.about)
def test_pages_name_what_the_code_names(claim: Claim) -> None:
    """Verbs, states, outcomes, exit codes, tiers, keys, files and targets: the page has all of them and no other."""
    assert claim.difference((ROOT / claim.page).read_text()) == []


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda one: one.about)
def test_a_page_that_names_something_else_is_found(claim: Claim) -> None:
    """Each comparison can fail: with one name of the page changed or left out it does."""
    text, (old, new) = (ROOT / claim.page).read_text(), claim.broken
    assert old in text, f"{claim.page} does not say {old!r} any more: break it elsewhere"
    assert claim.difference(text.replace(old, new)) != []


def test_the_reference_is_as_the_code_is() -> None:
    """Every command with its options, and every setting with its default, are in the page on them, and nothing else is."""
    assert reference.PAGE.read_text() == reference.page(), "run `python -m tests.docs.reference --write`"


def test_an_option_or_a_default_that_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: another default, another command and another option each give another page."""
    before = reference.page()
    setting, command = reference.settings()[0], reference.commands()[0]
    monkeypatch.setattr(reference, "settings", lambda: [(setting[0], "`elsewhere`", setting[2])])
    assert reference.page() != before
    monkeypatch.undo()
    monkeypatch.setattr(reference, "commands", lambda: [("baton other", command[1])])
    assert reference.page() != before
    monkeypatch.undo()
    monkeypatch.setattr(command[1].params[0], "opts", ["--other"])
    monkeypatch.setattr(reference, "commands", lambda: [command])
    assert "`--other" in reference.page()


def test_every_row_of_the_reference_says_what_it_means() -> None:
    """No option and no setting is without a word on what it does."""
    assert [line for line in reference.PAGE.read_text().splitlines() if re.fullmatch(r"\|.*\| *\|", line)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_pages_take_what_they_are_given(page: Path) -> None:
    """A command that a page names has these options, and as many arguments, also where no test runs it."""
    made = re.findall(r'^\+ +command="([a-z-]+)"', page.read_text(), re.MULTILINE)  # what the page itself adds
    lines = [line for line in spoken(page) if line.split()[1] not in made]
    assert [f"{line}: {why}" for line in lines if (why := wrong(line))] == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('baton deliver "Fix it" --repository PATH', "deliver takes 0 arguments, not 1"),
        ("baton runs --newest", "runs has no option --newest"),
        ("baton show RUN --gates plan-1", "show has no option --gates"),
        ("baton budget lower RUN", "budget has no command 'lower'"),
        ("baton undo RUN", "there is no command 'undo'"),
        ("baton approve RUN GATE -m why --answer branch=NAME", ""),
        ("baton checks [PATH] --no-run | head -3", ""),
        ("baton models close NAME -m WHY", ""),
    ],
)
def test_a_command_that_takes_something_else_is_found(line: str, why: str) -> None:
    """The rule above can fail, in each of these ways, and does not where all is well."""
    assert wrong(line) == why


def unknown_variables(text: str) -> list[str]:
    """Our variables in a text that are no setting, or no key of one."""
    known = {name.upper() for name in Settings.model_fields}
    keys = {f"{table.upper()}__{name.upper()}" for table, _, name in (one[0].partition(".") for one in reference.settings())}
    named = set(re.findall(r"\bBATON_([A-Z][A-Z_]*[A-Z])\b", text))
    return sorted(named - known - keys - {"TABLE__KEY", "KEY", contexts.VARIABLE.removeprefix("BATON_")})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_variables_that_pages_name_are_settings(page: Path) -> None:
    """A variable that a page tells its reader to set is read."""
    assert unknown_variables(page.read_text()) == []


def test_a_variable_that_is_no_setting_is_found() -> None:
    """The rule above can fail, for a setting and for a key in a table."""
    text = "BATON_STATE, BATON_CHECKS__TIME, `BATON_CHECKS__TYME=PT1H` and BATON_STAT"
    assert unknown_variables(text) == ["CHECKS__TYME", "STAT"]


def too_wide(block: Block) -> list[str]:
    """The lines of a block that a terminal would break; none in files that a page writes or changes."""
    return [] if block.mark in {"file", "edit"} else [line for line in block.text.splitlines() if len(line) > WIDTH]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_typed_or_shown_fits_a_terminal(page: Path) -> None:
    """In 80 columns no command and no output of a page is broken in two."""
    assert [f"{one.where}: {line}" for one in blocks(page) for line in too_wide(one)] == []


def test_a_line_that_is_too_wide_is_found() -> None:
    """The rule above can fail, and leaves files alone."""
    line = "x" * (WIDTH + 1)
    assert too_wide(Block("page.md", 1, "sh", "tested", "", f"{line}\n{line[1:]}\n")) == [line]
    assert too_wide(Block("page.md", 1, "python", "file", "a.py", f"{line}\n")) == []


def twice(text: str) -> list[str]:
    """The entries of a changelog that are there more than once, wherever their lines break."""
    entries = [" ".join(one.split()) for one in re.findall(r"^- (.*(?:\n {2}.*)*)", text, re.MULTILINE)]
    return sorted({one for one in entries if entries.count(one) > 1})


def test_the_changelog_says_nothing_twice() -> None:
    """Nobody reads the same line again."""
    assert twice((ROOT / "CHANGELOG.md").read_text()) == []
    assert twice("- a\n  b\n- c\n- a b\n") == ["a b"]


def glued(text: str) -> list[str]:
    """Headings of a page without an empty line before and after them."""
    lines = ["", *re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines(), ""]
    around = zip(lines, lines[1:], lines[2:], strict=False)
    return [line for before, line, after in around if line.startswith("#") and (before.strip() or after.strip())]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_headings_stand_alone(page: Path) -> None:
    """A heading that is glued to a paragraph is none in some renderers."""
    assert glued(page.read_text()) == []
    assert glued("# A\n\ntext\n## B\n\n# C\ntext\n") == ["## B", "# C"]


def test_the_readme_states_the_version_and_the_licence_there_are() -> None:
    """What it says of both is what the repository has."""
    readme = (ROOT / "README.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"This is version {project['version']}." in readme
    there = [one.name for one in ROOT.iterdir() if re.match(r"(?i)(licen[cs]e|copying)", one.name)]
    assert ("no licence file" in readme) == (not there and "license" not in project), f"the repository has {there}"


def test_the_help_lists_the_exit_codes_there_are() -> None:
    """`baton --help` names each code, and the page on operating has the same ones (a claim above)."""
    from commands.errors import Code
    from starter import _CODES

    assert re.findall(r"(?<!\w)(\d+) ", _CODES) == [str(int(code)) for code in Code]
