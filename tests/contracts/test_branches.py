"""Names of branches: what git refuses is refused, with a name that git takes."""

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.branches import LIMIT, refusal, words_of
from tests.depth import count

ODD = ("/", ".", "..", ".lock", "@", "@{", "-", "~", "^", ":", "?", "*", "[", "\\", " ", "\t", "\u202e", "\x7f")
PARTS = st.sampled_from(["a", "B", "é", "refs/", "heads/", "HEAD", "0" * 40, *ODD])


def takes(name: str) -> bool:
    """Whether git itself takes the name for a branch."""
    command = ["git", "check-ref-format", f"refs/heads/{name}"]
    return "\0" not in name and not name.startswith("-") and subprocess.run(command, check=False).returncode == 0


def suggested(name: str) -> str:
    """The name that a refusal proposes."""
    found = re.search(r"Try '(.*)'$", refusal(name))
    assert found is not None
    return found[1]


@settings(max_examples=count(60, soak=3000))
@given(st.one_of(st.lists(PARTS, max_size=6).map("".join), st.text(max_size=8)))
def test_what_git_refuses_is_refused_and_a_name_that_it_takes_is_proposed(name: str) -> None:
    """Against git's own check: never is a name let through that git refuses, and no proposal would be refused in turn."""
    if not refusal(name):
        assert takes(name)
        return
    assert refusal(suggested(name)) == ""
    assert takes(suggested(name))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("-x", "begins with a dash"),
        ("HEAD", "git's own word"),
        ("@", "git's own word"),
        ("refs/heads/x", "begins with refs/"),
        ("a b", "a space"),
        ("a\tb", "a control character"),
        ("a~1", "one of ~ ^ : ? * ["),
        ("a\\b", "one of ~ ^ : ? * ["),
        ("a..b", "two dots in a row"),
        ("a@{1}", "@{ in it"),
        ("/a", "a slash at an end"),
        ("a/", "a slash at an end"),
        ("a//b", "two in a row"),
        (".a", "begins with a dot"),
        ("a/.b", "begins with a dot"),
        ("a.", "ends with a dot"),
        ("a.lock", "ends with .lock"),
        ("a.lock/b", "ends with .lock"),
        ("f" * 40, "the id of a commit"),
        ("a\u202eb", "cannot be seen"),
        ("é" * 101, "202 bytes"),
    ],
)
def test_each_rule_says_what_is_wrong(name: str, why: str) -> None:
    """One sentence with the reason, and a name to try."""
    assert why in refusal(name)
    assert refusal(suggested(name)) == ""


@pytest.mark.parametrize("name", ["fix-it", "baton/größe-1", "feature/日本語", "a@b", "x.y", "head", "n" * LIMIT, "a{b}"])
def test_good_names_are_taken(name: str) -> None:
    """Letters of any script, slashes, single dots."""
    assert refusal(name) == ""
    assert takes(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fix the rounding of prices", "fix-the-rounding-of-prices"),
        ("Größe ändern: Straße & Übergänge", "größe-ändern-straße-übergänge"),
        ("修正価格の四捨五入", "修正価格の四捨五入"),
        ("Исправь округление цен.", "исправь-округление-цен"),
        ("कीमतें ठीक करो", "कीमतें-ठीक-करो"),
        ("..lock/HEAD~1 @{now}", "lock-head-1-now"),
        ("\u0301\u202e\u3164 !?", "change"),
        ("e\u0301te\u0301", "été"),
    ],
)
def test_names_that_are_made_keep_letters_of_any_script(text: str, words: str) -> None:
    """Not only ASCII: what git takes stays, small, with one dash between words."""
    assert words_of(text) == words
    assert refusal(f"baton/{words}-01234567") == ""


@given(st.text(max_size=200))
def test_every_made_name_is_good(text: str) -> None:
    """Whatever the instruction is, the branch can be pushed, and its words are not too long."""
    assert refusal(f"baton/{words_of(text)}-01234567") == ""
    assert len(words_of(text).encode()) <= 100
