"""Texts as values: what can be read in two ways is read as the mapping says, or is bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.loads.cells import Breaks, value_of
from activities.loads.values import convert
from contracts.tables import MappedColumn, TableColumn


def column(**more: object) -> TableColumn:
    """A column of a table."""
    return TableColumn.model_validate({"name": "x", "type": "decimal"} | more)


def mapped(**more: object) -> MappedColumn:
    """How it is mapped."""
    return MappedColumn.model_validate({"to": "x", "source": "x"} | more)


@pytest.mark.parametrize(
    ("kind", "how", "text", "value"),
    [
        ("decimal", {}, "1234.50", "1234.50"),
        ("decimal", {"decimal": "comma"}, "1234,50", "1234.50"),
        ("decimal", {"decimal": "comma", "grouped": True}, "1.234,50", "1234.50"),
        ("decimal", {"grouped": True}, "-1,234,567.5", "-1234567.5"),
        ("decimal", {"grouped": True}, "1 234", "1234"),
        ("integer", {}, "5.0", "5"),
        ("boolean", {}, "Yes", "1"),
        ("date", {"date": "day_first"}, "02.01.2026", "2026-01-02"),
        ("date", {"date": "month_first"}, "1/2/2026", "2026-01-02"),
        ("datetime", {"zone": "Europe/Berlin"}, "2026-07-01 10:00", "2026-07-01T10:00:00+02:00"),
        ("datetime", {}, "2026-07-01T10:00:00Z", "2026-07-01T10:00:00+00:00"),
    ],
)
def test_a_text_is_read_as_the_mapping_says(kind: str, how: dict[str, object], text: str, value: str) -> None:
    """Decimal commas, separators, the order of dates, and zones."""
    assert value_of(column(type=kind), mapped(**how), text) == value


@pytest.mark.parametrize(
    ("kind", "how", "text", "rule"),
    [
        ("decimal", {}, "1,5", "number"),
        ("decimal", {}, "1,234", "number"),
        ("decimal", {"grouped": True}, "1,23", "number"),
        ("decimal", {"decimal": "comma"}, "1.5", "number"),
        ("decimal", {}, "1e5", "type"),
        ("decimal", {}, "NaN", "type"),
        ("number", {}, "inf", "type"),
        ("integer", {}, "1_000", "type"),
        ("integer", {}, "١٢", "type"),
        ("integer", {}, "9999999999999999999", "type"),
        ("boolean", {}, "maybe", "type"),
        ("date", {}, "02.01.2026", "type"),
        ("date", {}, "2026-02-30", "type"),
        ("date", {"date": "day_first"}, "2026-01-02", "type"),
        ("date", {"date": "day_first"}, "01/13/2026", "type"),
        ("datetime", {}, "2026-07-01 10:00", "zone"),
        ("datetime", {"zone": "Europe/Berlin"}, "2026-03-29 02:30", "zone"),
        ("datetime", {"zone": "Europe/Berlin"}, "2026-10-25 02:30", "zone"),
        ("text", {}, "a\0b", "type"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_bad(kind: str, how: dict[str, object], text: str, rule: str) -> None:
    """A comma that is a point or a separator, a time that happens twice or never, digits of other scripts."""
    with pytest.raises(Breaks) as broken:
        value_of(column(type=kind), mapped(**how), text)
    assert broken.value.rule == rule


CELLS = st.sampled_from(
    ["", " ", "0", "-1", "12", "1.5", "1.50", "1,5", "x", "2026-01-02", "2026-02-30", "true", "NULL", "9" * 19]
)
KINDS = st.sampled_from(["text", "integer", "decimal", "number", "boolean", "date", "datetime"])


@given(st.lists(CELLS | st.none(), max_size=6), KINDS, st.booleans(), st.sampled_from([None, "1"]))
def test_a_column_at_a_glance_is_a_column_cell_by_cell(
    cells: list[str | None], kind: str, required: bool, least: str | None
) -> None:
    """The quick look decides nothing by itself: values and bad cells are those of looking at each."""
    wanted, how = column(type=kind, required=required, least=least, places=2), mapped(nulls=("", "NULL"))
    values, broken = convert(wanted, how, cells)
    bad = {one.at: one.rule for one in broken}
    for at, cell in enumerate(cells):
        text = None if cell is None or cell.strip() in ("", "NULL") else cell.strip()
        if text is None:
            assert (values[at], bad.get(at)) == (None, "required" if required else None)
            continue
        assert (values[at], bad.get(at)) == _alone(wanted, how, text)


def _alone(wanted: TableColumn, how: MappedColumn, text: str) -> tuple[str | None, str | None]:
    try:
        return value_of(wanted, how, text), None
    except Breaks as error:
        return None, error.rule
