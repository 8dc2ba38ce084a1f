"""A plan, and what a dry run of it gives: the rows are really put into the table, and the transaction is undone."""

from collections.abc import Sequence

from activities.actions.declared import Targets
from activities.actions.sql_book import opened
from activities.loads.examining import SECONDS, Read, Table
from activities.loads.mapped import Mapped, apply
from activities.loads.records import rows_of
from activities.loads.sources import Sources
from activities.loads.tables import put, refusing
from contracts.effects.targets import SqlTarget
from contracts.load import Counts, mapping_lines
from contracts.load_input import LoadInput
from contracts.tables import LoadPlan, Mapping
from contracts.text import amount, one_line

DRY = 4
"""Most batches of a dry run."""

SHOWN = 3
"""Rows that are shown as they were and as they become."""


def plan_of(asked: LoadInput, read: Read, table: Table, mapping: Mapping) -> LoadPlan:
    """All that would be approved."""
    given, (target, name) = {one.to for one in mapping.columns}, asked.at
    return LoadPlan(
        source=read.source,
        header=read.header,
        mapping=mapping,
        target=target,
        table=name,
        into=table.setting.table,
        columns=tuple(one for one in table.columns if one.name in given),
        key=table.setting.key,
        unique=table.setting.unique,
        increasing=tuple(one for one in table.setting.increasing if one in given),
        references=table.setting.references,
        batches=tuple(read.batches),
    )


def dry_run(sources: Sources, targets: Targets, plan: LoadPlan) -> tuple[Counts, list[str]]:
    """What the first batches would come to, and the first rows before and after. Nothing stays in the table."""
    whole, shown, last = Counts(), list[str](), dict[str, str]()
    setting = targets.get(plan.target, SqlTarget)
    with (
        sources.lines(plan.source) as file,
        opened(targets, plan.target, setting, SECONDS) as connection,
        refusing(plan.into),
    ):
        for batch in plan.batches[:DRY]:
            mapped = apply(plan, rows_of(file, plan.source, plan.header, batch), last)
            shown = shown or _before_and_after(plan, mapped)
            put_in, new, there = put(connection, plan, mapped)
            whole, last = whole.with_(put_in.counted(new, there)), mapped.last
        connection.rollback()
    return whole, shown


def _before_and_after(plan: LoadPlan, mapped: Mapped) -> list[str]:
    used = [one.source for one in plan.mapping.columns if one.source is not None]
    found = []
    for number, at in enumerate(mapped.at[:SHOWN]):
        row = dict(zip(plan.header, mapped.rows.cells[at], strict=True))
        before = ", ".join(f"{name}={row[name]!r:.60}" for name in used)
        after = ", ".join(f"{name}={cells[number]!r:.60}" for name, cells in mapped.columns.items())
        found.append(one_line(f"line {mapped.rows.lines[at]}: {before} → {after}", 1500))
    return found


def facts_of(plan: LoadPlan, about: str, dry: Counts, shown: Sequence[str]) -> tuple[str, ...]:
    """What a person should know before rows are loaded."""
    rows, whole = plan.rows, dry.rows == plan.rows
    mapped = {one.source for one in plan.mapping.columns}
    unused = [name for name in plan.header if name not in mapped and not name.startswith("_")]
    tried = "all rows" if whole else f"the first {dry.rows} of {amount(rows, 'row')}"
    form = ", ".join(
        part
        for part in (plan.source.format, plan.source.encoding, plan.source.delimiter and repr(plan.source.delimiter))
        if part
    )
    return (
        f"{plan.table}: {about}",
        f"file {plan.source.file}: {amount(rows, 'row')}, {form}, SHA-256 {plan.source.digest}",
        f"dry run of {tried}: {dry.said()}",
        *(f"breaks {one.rule}: {amount(one.rows, 'row')}, such as {one.example}" for one in dry.rules),
        *(f"map {line}" for line in mapping_lines(plan.mapping)),
        *([f"not loaded: the file's columns {', '.join(unused)}"[:500]] if unused else []),
        *shown,
    )
