"""Words about places: what people type in a note, as agents get it."""

import pytest

from contracts.anchors import Remark, item_place, line_place, noted, remarks_in, words_in


def test_what_is_noted_is_read_back_place_by_place() -> None:
    """Words of several lines stay whole, and what is about the whole is no remark."""
    places = [
        (item_place("fix"), "name the rounding rule"),
        (line_place("shop/my prices.py", 7), "use Decimal\nas the other file does"),
        (line_place("a:b.py", 3, removed=True), "keep this"),
    ]
    assert remarks_in(noted("not yet", places)) == (
        Remark(item="fix", text="name the rounding rule"),
        Remark(file="shop/my prices.py", line=7, text="use Decimal\nas the other file does"),
        Remark(file="a:b.py", line=3, removed=True, text="keep this"),
    )
    assert words_in(noted("not yet", places)) == words_in("not yet") == "not yet"
    assert [one.place for one in remarks_in(noted("", places))] == [place for place, _ in places]
    assert noted("", places[:1]) == "at item fix: name the rounding rule"


@pytest.mark.parametrize(
    "note",
    ["", "look at shop/pricing.py:7: it is wrong", "at the end: nothing", "at item Fix: x", "at a.py:0: x", "at a.py: x"],
)
def test_a_note_that_names_no_place_has_no_remark(note: str) -> None:
    """Only a whole line that begins so is one."""
    assert remarks_in(note) == ()


def test_a_remark_says_only_what_it_is_about() -> None:
    """An agent is not told of a line 0 of a file without a name."""
    assert Remark(item="fix", text="x").model_dump(mode="json") == {"item": "fix", "text": "x"}
