"""Text for models and terminals: nothing hidden passes, and nothing grows without bound."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from contracts.text import amount, for_model, for_terminal, one_line, quoted, visible


def test_everything_that_cannot_be_seen_is_written_out() -> None:
    """No control, format, surrogate or separator character passes, save newline, tab and the visible number signs."""
    visible_formats = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    visible_formats |= set(range(0x13430, 0x13440))
    points = (point for point in range(0x110000) if unicodedata.category(chr(point)) in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    passed = {point for point in points if visible(chr(point)) == chr(point)}
    assert passed - visible_formats == {0x09, 0x0A}


def test_terminals_get_no_escape_sequences() -> None:
    """Colours, titles and C1 sequences arrive as plain text."""
    assert for_terminal("\x1b]0;title\x07\x9b31m red\r", 100) == "\\u001b]0;title\\u0007\\u009b31m red\\u000d"


@given(st.text(), st.integers(0, 200))
def test_shown_text_is_bounded_and_stable(text: str, limit: int) -> None:
    """Showing is bounded, shows nothing hidden, and showing what was shown changes nothing."""
    once = for_model(text, limit)
    assert len(once) <= limit
    assert for_model(once, limit) == once == visible(once)
    assert len(one_line(text, limit)) <= max(limit, 1)
    assert "\n" not in one_line(text, limit)
    assert "\n" not in quoted(text, limit)


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"], max_codepoint=0x33F)), st.integers(400, 500))
def test_clean_text_passes_as_it_is(text: str, limit: int) -> None:
    """Ordinary text that fits comes back unchanged."""
    assert for_model(text, limit) == text


@given(st.text())
def test_a_json_document_stays_the_same_document(text: str) -> None:
    """Written out inside JSON, hidden characters still decode to themselves."""
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def test_a_cut_says_how_long_the_text_is() -> None:
    """The mark of a cut is inside the bound and names the whole length."""
    shown = for_model("line\n" * 100, 100)
    assert len(shown) <= 100
    assert shown.endswith("[cut here: 500 characters in all]")


def test_a_number_takes_the_noun_that_fits() -> None:
    """One is singular; everything else, none as well, is plural."""
    assert [amount(count, "work item") for count in (0, 1, 2)] == ["0 work items", "1 work item", "2 work items"]
