"""What the pages say about files, settings, commands and contracts is there, and all that is there is said."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

import starter
from config import Settings
from contracts.registry import BY_NAME
from tests.docs.pages import MARKS, ROOT, Block, anchors, blocks, links, name_of, pages, prose

PAGES = pages()
OPERATING = ROOT / "docs" / "operating.md"

CLAIMS = (
    *("exactly once", "exactly-once", "the first to", "the only one", "state of the art", "cutting-edge", "blazing"),
    *("seamless", "effortless", "world-class", "best-in-class", "revolutionary", "next-generation", "game-chang"),
)
"""Words that nobody here can prove, or that would be wrong. A page may say that it does not say them."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_whether_it_is_tested(page: Path) -> None:
    """No command or code stands in a page without a test, or a reason why there is none."""
    for block in blocks(page):
        if block.language == "text" and not block.mark:
            continue
        assert block.language, f"{block.where}: name the block's language"
        assert block.mark in MARKS, f"{block.where}: mark the block with one of {', '.join(MARKS)}"
        assert bool(block.argument) == (block.mark != "tested"), f"{block.where}: {block.mark} needs something after its colon"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    """Whoever follows a link inside the repository arrives."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme in {"https", "http"}:
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists(), f"{name_of(page)} links to {link}, and there is no such file"
        if parts.fragment:
            assert parts.fragment in anchors(target), f"{name_of(page)} links to {link}, and the page has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page: Path) -> None:
    """A file that a page names in code letters exists: pages do not outlive what they describe."""
    named = re.findall(
        r"`((?:activities|agents|commands|contracts|docs|ledger|tests|workflows)/[\w./-]*\w\.(?:py|md|toml))`", prose(page)
    )
    made = {block.argument for block in blocks(page) if block.mark == "file"}
    missing = [name for name in named if name not in made and "NAME" not in name and not (ROOT / name).exists()]
    assert not missing, f"{name_of(page)} names {', '.join(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_contracts_that_are_named_exist(page: Path) -> None:
    """A contract that a page names has that name and version, or the page itself makes it."""
    made = set(re.findall(r'name="([a-z_]+/\d+)"', page.read_text()))
    named = set(re.findall(r"`([a-z][a-z_]*/[1-9]\d*)`", page.read_text()))
    assert named - made <= set(BY_NAME), f"unknown: {sorted(named - made - set(BY_NAME))}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_claims_what_cannot_be_shown(page: Path) -> None:
    """Pages say what the code does, without praise, and never that an effect happens exactly once."""
    text = prose(page).lower().replace('never say "exactly once"', "")
    assert not [claim for claim in CLAIMS if claim in text]


def test_every_setting_is_documented() -> None:
    """The table of settings names each setting with its variable, and none that there is not."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", OPERATING.read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(Settings.model_fields)
    assert all(variable == f"BATON_{name.upper()}" for name, variable in rows)


def test_every_command_is_documented() -> None:
    """README or the page on operating names each command; no page names one that is not there, or that it does not make."""
    text = "".join(page.read_text() for page in PAGES)
    told = "".join(page.read_text() for page in (ROOT / "README.md", OPERATING))
    commands = _commands()
    assert [name for name in commands if f"baton {name}" not in told] == []
    named = set(re.findall(r"(?:`|^|\n)baton ([a-z][a-z-]+)", text))
    made = set(re.findall(r'^\+ +command="([a-z-]+)"', text, re.MULTILINE))
    assert named <= {*commands, *made}


def _commands() -> list[str]:
    group = typer.main.get_command(starter.assemble())
    return list(getattr(group, "commands"))  # noqa: B009 (a group, which the annotation does not say)


@pytest.mark.parametrize("text", ["```sh\nls\n```\n", "```\nls\n```\n", "<!-- not tested -->\n```sh\nls\n```\n"])
def test_the_rule_about_blocks_can_fail(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block without a mark, without a language, or without a reason is found."""
    page = tmp_path / "page.md"
    page.write_text(text)
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    with pytest.raises(AssertionError):
        test_every_block_says_whether_it_is_tested(page)


def all_blocks() -> list[Block]:
    """Every block of every page."""
    return [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("block", [one for one in all_blocks() if one.language == "python"], ids=lambda block: block.where)
def test_python_in_pages_compiles(block: Block) -> None:
    """Code that people copy is at least code."""
    compile(block.text, block.where, "exec", dont_inherit=True)
