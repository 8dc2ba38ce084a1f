"""The activities of a load. What is loaded is what was approved: bytes, mapping, rules and table are bound by digests."""

import asyncio
from collections.abc import Awaitable
from functools import lru_cache
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity

from activities.actions.adapter import NotSent
from activities.actions.declared import Targets
from activities.actions.sql_book import opened, prepare
from activities.actions.sql_load import table_of
from activities.loads import tables
from activities.loads.errors import for_good, of_the_input
from activities.loads.examining import SECONDS, Read, read_source, source_of, table_at
from activities.loads.mapped import apply, problems
from activities.loads.planning import dry_run, facts_of, plan_of
from activities.loads.reconciling import Mending, as_json, differences, summed_up, written
from activities.loads.records import rows_of
from activities.loads.sources import Sources
from activities.resources.databases import said_by
from activities.running.commit import commit_riders
from activities.running.failpoints import reach
from activities.running.heartbeat import beating
from contracts.base import canonical, sha256
from contracts.effects.sql_load import SqlLoad
from contracts.effects.targets import SqlTarget
from contracts.errors import Refused
from contracts.intents import Intent
from contracts.load import (
    Counted,
    CountLoad,
    Counts,
    Examined,
    ExamineSource,
    LoadBatch,
    PlanLoad,
    Planned,
    ReconcileTable,
)
from contracts.load_input import LoadInput
from contracts.reconcile import Reconciled
from contracts.runs import Request
from contracts.tables import Batch, LoadPlan, Source
from ledger import artifacts
from ledger.db import Ledger
from ledger.views.runs import find_run

T = TypeVar("T")

_BATCHES = TypeAdapter(list[Batch])

QUARANTINE = 256 * 1024 * 1024
"""Most bytes of bad rows that are kept together."""


class Loads:
    """`examine_source`, `plan_load`, `load_batch` and `count_load`. Each is safe to call twice."""

    def __init__(self, ledger: Ledger, targets: Targets, sources: Sources) -> None:
        self._ledger, self._targets, self._sources = ledger, targets, sources
        # Plans never change, and each of their batches needs the whole.
        self._plan = lru_cache(maxsize=4)(self._read_plan)

    @activity.defn
    async def examine_source(self, request: ExamineSource) -> Examined:
        """Read the file once from end to end, and look at its table. Nothing is written anywhere but a copy of ours.

        Fails as a refused input for a file or table that cannot be used, or that could be read in two ways.
        """
        async with beating():
            examined, batches = await of_the_input(asyncio.to_thread(self._examined, request.asked))
            return await self._ledger.tx(self._keep_examined, request, examined, batches)

    def _examined(self, asked: LoadInput) -> tuple[Examined, bytes]:
        table = table_at(self._targets, *asked.at)
        read = self._read(asked)
        batches = canonical([one.model_dump() for one in read.batches])
        examined = Examined(
            source=read.source,
            rows=sum(one.rows for one in read.batches),
            header=read.header,
            batches=sha256(batches),
            columns=table.columns,
            samples=read.samples,
            about=table.setting.about,
            into=table.setting.table,
            key=table.setting.key,
        )
        return examined, batches

    def _keep_examined(self, connection: Connection, request: Request, examined: Examined, batches: bytes) -> Examined:
        self._keep(connection, request, batches, "batches of the file", "application/json")
        return _with_riders(connection, request, examined)

    def _read(self, asked: LoadInput) -> Read:
        if asked.again is None:
            return read_source(self._sources, source_of(self._sources, asked, asked.file or asked.reconcile or ""))
        return read_source(self._sources, self._quarantine(asked.again))

    def _quarantine(self, name: str) -> Source:
        run = self._ledger.read_now(find_run, name)
        counts = Counts.model_validate((run.report or {}).get("counts", {}))
        if not counts.quarantine:
            raise Refused(f"{run.workflow_id} has no quarantined rows: {counts.said()}")
        digest = counts.quarantine[0]
        size = len(self._sources.read(digest))
        file = f"the quarantine of {run.workflow_id}"
        return Source(file=file, digest=digest, size=size, format="jsonl", encoding="utf-8", artifact=digest)

    @activity.defn
    async def plan_load(self, request: PlanLoad) -> Planned:
        """The plan by a mapping, and what a dry run gives: rows are put into the table and taken out again by a rollback.

        A mapping that cannot be applied is told in `problem`. Fails as a refused input for a file that has changed since.
        """
        async with beating():
            planned, plan = await of_the_input(asyncio.to_thread(self._planned, request))
            return await self._ledger.tx(self._keep_plan, request, planned, plan)

    def _planned(self, request: PlanLoad) -> tuple[Planned, bytes]:
        examined, asked = request.examined, request.asked
        wrong = problems(request.mapping, examined.columns, examined.header)
        if wrong:
            return Planned(dry=Counts(), problem="; ".join(wrong)[:4000]), b""
        at, name = asked.at
        table = table_at(self._targets, at, name)
        plan = plan_of(asked, self._examined_before(examined), table, request.mapping)
        dry, shown = dry_run(self._sources, self._targets, plan)
        stored = plan.stored()
        file, digest = plan.source.file, plan.source.digest
        action = SqlLoad(target=at, table=name, file=file, digest=digest, plan=sha256(stored), rows=plan.rows)
        planned = Planned(
            plan=action.plan,
            intent=Intent.of("sql.load", action, action.summary()),
            arguments=action.stored().decode(),
            facts=facts_of(plan, table.setting.about, dry, shown),
            dry=dry,
            batches=len(plan.batches),
        )
        return planned, stored

    def _keep_plan(self, connection: Connection, request: PlanLoad, planned: Planned, plan: bytes) -> Planned:
        if plan:
            self._keep(connection, request, plan, "plan of the load", "application/json")
        commit_riders(connection, request)
        return planned

    @activity.defn
    async def load_batch(self, request: LoadBatch) -> Counts:
        """Load one batch in one transaction with its row in the target's book; called again it says what that row says.

        Fails for good if its bytes have changed, the load was not opened there, or the table has not what was put into it.
        """
        async with beating():
            counts = await for_good(asyncio.to_thread(self._loaded, request))
            reach("load.before_completion")
            return await self._ledger.tx(_with_riders, request, counts)

    def _loaded(self, request: LoadBatch) -> Counts:
        plan = self._plan(request.plan)
        setting = self._targets.get(plan.target, SqlTarget)
        if table_of(plan.table, plan.target, setting).table != plan.into:
            raise Refused(f"[targets.{plan.target}.tables.{plan.table}] names another table than was approved: {plan.into}")
        batch, book = plan.batches[request.number], book_of(setting)
        with opened(self._targets, plan.target, setting, SECONDS) as connection, tables.refusing(plan.into):
            tables.prepare_book(connection, book)
            _opened_there(connection, setting.table, request.key)
            there = tables.claimed(connection, book, request.key, request.number, batch.line)
            if there is not None:
                return there
            with self._sources.lines(plan.source) as file:
                rows = rows_of(file, plan.source, plan.header, batch)
            last = tables.last_before(connection, book, request.key, request.number) if plan.increasing else {}
            mapped, new, same = tables.put(connection, plan, apply(plan, rows, last))
            kept = self._keep_bad(request, mapped.quarantine())
            counts = mapped.counted(new, same, kept)
            tables.book_batch(connection, book, request.key, request.number, counts, mapped.last)
            reach("load.before_commit")
            try:
                connection.commit()
            except SQLAlchemyError as error:
                # Tried again: the row in the book says whether it was committed.
                raise NotSent(f"the database {plan.target} did not confirm batch {request.number}: {said_by(error)}") from None
            return counts

    def _keep_bad(self, request: Request, bad: bytes) -> tuple[str, ...]:
        """Keep the bad rows before the target says that they are kept."""
        if not bad:
            return ()
        return (self._ledger.tx_now(self._keep, request, bad, "quarantined rows", "application/jsonl", untrusted=True),)

    @activity.defn
    async def count_load(self, request: CountLoad) -> Counted:
        """Ask the target what became of every row, and put the bad ones together."""
        return await self._answered(request, for_good(asyncio.to_thread(self._counted, request)))

    def _counted(self, request: CountLoad) -> Counted:
        plan = self._plan(request.plan)
        setting = self._targets.get(plan.target, SqlTarget)
        with opened(self._targets, plan.target, setting, SECONDS) as connection:
            tables.prepare_book(connection, book_of(setting))
            counts, batches = tables.booked(connection, book_of(setting), request.key)
        together = self._together(request, counts)
        counts = counts.model_copy(update={"quarantine": together})
        expected = len(plan.batches)
        wrong = []
        if not counts.add_up:
            wrong.append(counts.said())
        if batches != expected:
            wrong.append(f"the target has {batches} of {expected} batches")
        elif counts.rows != plan.rows:
            wrong.append(f"the target's book has {counts.rows} rows, and the file {plan.rows}")
        return Counted(counts=counts, batches=batches, expected=expected, problem="; ".join(wrong))

    def _together(self, request: Request, counts: Counts) -> tuple[str, ...]:
        parts, size = list[bytes](), 0
        for digest in counts.quarantine:
            parts.append(self._sources.read(digest))
            size += len(parts[-1])
            if size > QUARANTINE:
                raise Refused(
                    f"the bad rows have more than {QUARANTINE} bytes; they are in {len(counts.quarantine)} artifacts of the run"
                )
        return self._keep_bad(request, b"".join(parts))

    @activity.defn
    async def reconcile_table(self, request: ReconcileTable) -> Reconciled:
        """How file and table differ, and what takes each difference back. Nothing is written at the target.

        Fails as a refused input for a mapping that cannot be applied.
        """
        async with beating():
            reconciled, every = await of_the_input(asyncio.to_thread(self._reconciled, request))
            return await self._ledger.tx(self._keep_differences, request, reconciled, every)

    def _reconciled(self, request: ReconcileTable) -> tuple[Reconciled, bytes]:
        examined, asked = request.examined, request.asked
        # Columns that nothing is mapped to are not compared; those of the key say which row it is.
        needed = asked.key_columns() or examined.key
        columns = [one.model_copy(update={"required": one.name in needed}) for one in examined.columns]
        if wrong := problems(request.mapping, columns, examined.header):
            raise Refused(f"mapping: {'; '.join(wrong)}"[:4000])
        at, name = asked.at
        table, target = table_at(self._targets, at, name), self._targets.get(at, SqlTarget)
        plan = plan_of(asked, self._examined_before(examined), table, request.mapping)
        compared, bad, found = differences(self._sources, self._targets, plan, asked)
        mending = Mending(at, target, name, table.setting, table.columns, plan.source.digest)
        return summed_up(mending, compared, bad, found), as_json(found)

    def _keep_differences(self, connection: Connection, request: Request, found: Reconciled, every: bytes) -> Reconciled:
        if every:
            kept = self._keep(connection, request, every, "differences", "application/jsonl", untrusted=True)
            found = found.model_copy(update={"artifact": kept})
        if values := written(found.corrections):
            # Where an action may happen by itself its arguments are looked up in what came from outside: here are all of them.
            self._keep(connection, request, values, "values of the corrections", "application/jsonl", untrusted=True)
        return _with_riders(connection, request, found)

    def _examined_before(self, examined: Examined) -> Read:
        batches = _BATCHES.validate_json(self._sources.read(examined.batches))
        return Read(examined.source, examined.header, batches, examined.samples)

    async def _answered(self, request: Request, work: Awaitable[T]) -> T:
        async with beating():
            return await self._ledger.tx(_with_riders, request, await work)

    def _keep(
        self, connection: Connection, request: Request, data: bytes, name: str, media_type: str, *, untrusted: bool = False
    ) -> str:
        kept = artifacts.put(connection, self._ledger.files, data, media_type)
        at, sources = (request.run.trace, request.run.path), ("file",) if untrusted else ()
        artifacts.note_seen(connection, *at, kept.digest, name, untrusted=untrusted, sources=sources)
        return kept.digest

    def _read_plan(self, digest: str) -> LoadPlan:
        return LoadPlan.read(self._sources.read(digest))


def book_of(setting: SqlTarget) -> str:
    """The table of the batches at a target."""
    return f"{setting.table}_batch"[-63:]


def _opened_there(connection: Connection, table: str, key: str) -> None:
    """Raise `Refused` unless the load was approved and opened at this target."""
    prepare(connection, table)
    found = connection.execute(text(f"select 1 from {table} where key = :key"), {"key": key}).first()  # noqa: S608
    if found is None:
        raise Refused("this load was not opened at the target, so no row is loaded; an approved sql.load opens it")


def _with_riders(connection: Connection, request: Request, answer: T) -> T:
    commit_riders(connection, request)
    return answer
