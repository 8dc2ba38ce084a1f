"""Tables on terminals of any width: ids, amounts and times stay whole, words wrap, and what is left out is said."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.output import clock, moment
from commands.tables import folded, laid_out
from contracts.text import one_line, title
from ledger.db import Ledger
from tests.commands.conftest import Baton, Begin
from tests.ledger import samples

COLUMNS = ("RUN", "STATE", "SPENT", "ASKED")
LONG = "deliver-a-repository-with-a-remarkably-long-name-that-somebody-chose-0001"


def test_where_it_fits_it_is_one_line_a_row() -> None:
    """Columns are aligned, and nothing wraps."""
    rows = [["a-1", "done", "$1.50", "Fix it"], ["bcd-12", "working", "$0.00", "Say more"]]
    assert laid_out(COLUMNS, rows, ("ASKED",), 80) == [
        "RUN     STATE    SPENT  ASKED",
        "a-1     done     $1.50  Fix it",
        "bcd-12  working  $0.00  Say more",
    ]


def test_words_wrap_beside_whole_ids_and_amounts() -> None:
    """The column of words takes what is left of the line."""
    rows = [["deliver-shop-0001", "waiting", "$12.345678", "999 cents at 50 percent must be 500, so round them"]]
    lines = laid_out(COLUMNS, rows, ("ASKED",), 70)
    assert [len(line) <= 70 for line in lines] == [True] * len(lines)
    assert lines[1].startswith("deliver-shop-0001  waiting  $12.345678  999 cents at 50")
    assert len(lines) == 3


def test_without_room_for_words_a_row_becomes_a_block() -> None:
    """A long id stands on a line of its own, the rest below it with its names."""
    lines = laid_out(COLUMNS, [[LONG, "waiting", "$12.345678", "Round them"], ["b", "done", "-", "More"]], ("ASKED",), 80)
    assert lines == [
        LONG,
        "  state waiting   spent $12.345678   asked Round them",
        "b",
        "  state done   asked More",
    ]


@given(
    st.lists(st.lists(st.text("abc-0123$.", max_size=40), min_size=4, max_size=4), min_size=1, max_size=4),
    st.integers(20, 200),
)
def test_no_width_breaks_a_cell(rows: list[list[str]], width: int) -> None:
    """Whatever the width: each id, state and amount is found whole in some line."""
    lines = laid_out(COLUMNS, rows, ("ASKED",), width)
    for row in rows:
        for cell in row[:3]:
            # A dash stands for nothing, and is left out where there is little room.
            assert cell == "-" or any(cell in line for line in lines)


@given(st.text("ab c日本", max_size=60), st.integers(4, 30))
def test_folding_keeps_all_letters(text: str, width: int) -> None:
    """Nothing is lost but spaces, and only a single letter can be wider than a line."""
    assert "".join(folded(text, width)).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Fix it", "Fix it"),
        ("999 cents at 50 percent must be 500", "999 cents at 50…"),
        ("999 cents at 50 percen", "999 cents at 50…"),
        ("Donaudampfschifffahrtsgesellschaft", "Donaudampfschifffah…"),
    ],
)
def test_titles_end_with_a_word(text: str, cut: str) -> None:
    """A title is cut between words, and within one only where that word fills the line."""
    assert title(text, 20) == cut


@given(st.text(max_size=80), st.integers(2, 40))
def test_a_title_is_never_longer_than_asked(text: str, limit: int) -> None:
    """As `one_line`, and a text that fits is not cut."""
    assert len(title(text, limit)) <= limit
    if len(one_line(text, 1000)) <= limit:
        assert title(text, limit) == one_line(text, 1000)


def test_times_are_utc_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever zone somebody sits: the texts on record are in UTC, and two zones side by side would be misread."""
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        instant = datetime(2026, 3, 10, 23, 5, tzinfo=UTC)
        assert (moment(instant), clock(instant)) == ("2026-03-10 23:05", "2026-03-10 23:05 UTC")
        now = datetime.now(UTC)
        assert clock(now).endswith(" UTC")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_runs_that_are_left_out_are_said(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """Not a word about it where all are shown; otherwise how many, and how to see them."""
    for number in range(3):
        begin(f"trace-{number}", run=samples.ref(f"trace-{number}", workflow_id=f"r-{number}"))
    ran = baton("runs", "--limit", "2")
    assert "1 more, older; `baton runs --limit 3` shows them" in ran.err
    assert baton("runs", "--limit", "2", "--json").json["left_out"] == 1
    assert "more" not in baton("runs").err


def test_a_terminal_of_80_columns_shows_long_ids_whole(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """`runs` on a terminal: the id stands in one line, the start says its zone."""
    begin("trace-1", run=samples.ref("trace-1", workflow_id=LONG))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", baton.process("runs", typed=[], COLUMNS="80").out).splitlines()
    assert LONG in shown
    assert any("started (utc) " in line for line in shown)


def test_lines_of_several_runs_name_their_run_and_stand_by_time(baton: Baton, ledger: Ledger, begin: Begin) -> None:
    """A line that was committed late stands where it happened; money that is lost is in the overview."""
    from contracts.runs import Note
    from ledger import feed

    first, second = (begin(f"t-{name}", run=samples.ref(f"t-{name}", workflow_id=f"run-{name}")) for name in "ab")
    at = datetime.now(UTC) - timedelta(minutes=5)

    def line(key: str, did: str, seconds: int, **more: object) -> Note:
        return Note.model_validate({"key": key, "at": at + timedelta(seconds=seconds), "stage": "plan", "did": did} | more)

    ledger.tx_now(feed.append, samples.ref("t-a", workflow_id=first), [line("1", "thought", 3), line("2", "wrote", 4)])
    late = [line("3", "waited", 1), line("4", "looked", 2, importance="detail"), line("5", "lost money", 5, importance="alert")]
    ledger.tx_now(feed.append, samples.ref("t-b", workflow_id=second), late)
    shown = [line for line in baton("feed", "--since", "1h").out.splitlines() if "UTC  run-" in line]
    assert [line.split()[2] for line in shown] == ["run-b", "run-b", "run-a", "run-a", "run-b"]
    overview = baton("feed", "--since", "1h", "--overview").out
    assert "looked" not in overview
    assert "lost money" in overview
    assert "run-a" not in baton("feed", "run-a").out
    numbers = [one["seq"] for one in baton("feed", "--since", "1h", "--json").json["lines"]]
    assert numbers != sorted(numbers)
