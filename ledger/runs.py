"""Runs: their row, their state and its allowed moves."""

import functools
import json
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Row, bindparam, func, literal, null, select, update

from contracts.base import canonical
from contracts.errors import NotFound
from contracts.runs import FINAL, MOVES, RunChange, RunRef, RunState
from ledger import afterwards, recent
from ledger.db import insert_once, now_us, plain, server_us
from ledger.run_rows import RunRow, locked, write
from ledger.statement import Statement
from ledger.tables import counter, run, scope, turn

# Each command that reads runs loads this module; what a run begins with brings a third of all contracts.
if TYPE_CHECKING:
    from contracts.journal import BeginRun
    from contracts.pins import Began

_HOLDER = Statement(
    select(run.c.trace, run.c.workflow_id).where(
        run.c.project == bindparam("of_project"), run.c.request_key == bindparam("with_key")
    )
)
_PINS = Statement(select(run.c.pins).where(run.c.trace == bindparam("of")))
_TOTALS = Statement(
    select(
        func.count().label("calls"),
        func.coalesce(func.sum(turn.c.tokens_in + turn.c.tokens_out), 0).label("tokens"),
        func.coalesce(func.sum(turn.c.usd_micros), 0).label("usd_micros"),
    ).where(turn.c.trace == bindparam("of"))
)
_SET_OUT = Statement(
    update(run)
    .where(run.c.trace == bindparam("of"), run.c.state == literal("admitted"))
    .values(state=literal("working"), stage=literal("intake"), next=bindparam("following"))
)
_OPEN_AGAIN = Statement(
    update(run)
    .where(run.c.trace == bindparam("of"))
    .values(state="working", waiting_for="", next="", result="", ended_at=null())
)
_SPENT = Statement(select(scope.c.spent).where(scope.c.id == bindparam("wanted")))


BEGUN = "begun"
"""Under this kind `recent` has what this process has pinned for runs that it began itself."""

REMEMBERED = 10_000
"""Most entries of the cache of runs that this process knows to be followed."""

_followed: WeakKeyDictionary[Engine, set[tuple[str, str, str]]] = WeakKeyDictionary()


def begin(connection: Connection, request: "BeginRun", began: "Began", namespace: str = "") -> str | None:
    """Insert the run's row. Returns None, or the workflow id of another run of the project with the same request key.

    `namespace` is the id of the Temporal namespace that runs it, "" if that is not known.
    """
    ref = request.run
    # A run without a request key gets a unique one, so that the index can be unique for all.
    key = plain(request.request_key or f"trace:{ref.trace}")
    now = now_us()
    new = insert_once(
        connection,
        run,
        trace=ref.trace,
        workflow_id=ref.workflow_id,
        pipeline=request.pipeline,
        project=ref.project,
        owner=began.owner,
        request_key=key,
        state="admitted",
        stage="",
        waiting_for="",
        next="",
        input=canonical(request.input).decode(),
        pins=began.model_dump_json(exclude_defaults=True),
        policy_digest=began.policy_digest,
        result="",
        feed_hash="",
        run_ids=json.dumps([request.run_id]),
        namespace=namespace,
        started_at=now,
        updated_at=now,
    )
    if new:
        recent.keep(connection, BEGUN, ref.trace, began)
        return None
    # After the insert, which waits for another transaction that is writing the same key.
    holder = _HOLDER.first(connection, of_project=ref.project, with_key=key)
    assert holder is not None, "it was inserted or found just now"
    return None if holder.trace == ref.trace else str(holder.workflow_id)


def set_out(connection: Connection, trace: str, next: str) -> None:
    """Show an admitted run as its workflow has it from here on: its first step may fail for minutes and record nothing."""
    _SET_OUT.run(connection, of=trace, following=plain(next))


def follow(connection: Connection, ref: RunRef, row: RunRow | None = None) -> RunState | None:
    """Record that the run goes on as another run of its chain. If it had ended it was reset, and is open again.

    Returns the state that it had ended in, else None. Safe to call twice. Does nothing for children, whose workflow id is
    not the row's. `row` is the run's, if the caller has locked it.
    """
    asks = (ref.trace, ref.workflow_id, ref.run_id)
    # Called with every commit of every activity, so the answer is cached in this process.
    if not ref.run_id or asks in _followed.get(connection.engine, ()):
        return None
    row = row or locked(connection, ref.trace)
    is_root = row is not None and row.workflow_id == ref.workflow_id
    if row is None or not is_root or ref.run_id in json.loads(row.run_ids):
        # Only once this is committed: it may have been added in the same transaction, which can still fail.
        followed = _followed.setdefault(connection.engine, set())
        afterwards.call(connection, functools.partial(_remember, followed, asks))
        return None
    # Children never get here: the row names the workflow id of the root. A reset run counts its changes from the point to
    # which it went back.
    chain = json.dumps([*json.loads(row.run_ids), ref.run_id])
    row.run_ids, row.change_number = chain, 0
    row.values |= {"run_ids": chain, "updated_at": now_us(), "change_number": 0}
    write(connection, row)
    if row.state not in FINAL:
        return None
    open_again(connection, ref.trace)
    ended = row.state
    row.state = "working"
    return ended


def _remember(followed: set[tuple[str, str, str]], asks: tuple[str, str, str]) -> None:
    if len(followed) >= REMEMBERED:
        followed.clear()
    followed.add(asks)


def open_again(connection: Connection, trace: str) -> None:
    """Make a run that has ended one that works."""
    _OPEN_AGAIN.run(connection, of=trace)


def find_pins(connection: Connection, trace: str) -> "Began | None":
    """What a run family pinned when it was admitted; None if it was not."""
    from contracts.pins import Began

    kept = _PINS.scalar(connection, of=trace)
    return None if kept is None else Began.read(kept)


def change(connection: Connection, ref: RunRef, wanted: RunChange, row: RunRow | None = None) -> str | None:
    """Change the run's row. Returns None, or why the move is forbidden.

    A change that is older than what the row has, or of a run that a reset has replaced, is left out without a word. A forbidden
    move changes nothing and raises nothing: what was paid for in the same transaction must be kept. With `row`, which the
    caller has locked, it is left to the caller to `write` it.
    """
    here = row or locked(connection, ref.trace)
    state = "unknown" if here is None else here.state
    if here is not None and state in _before(wanted.state) and not _is_behind(here, ref, wanted):
        here.values |= _moved(connection, wanted)
        here.state, here.change_number = wanted.state or here.state, wanted.nth or here.change_number
        if row is None:
            write(connection, here)
        return None
    if here is not None and (state == wanted.state or _is_behind(here, ref, wanted)):
        return None
    return f"the run is {state} and {f'cannot become {wanted.state}' if wanted.state else 'can no longer change'}"


def _moved(connection: Connection, wanted: RunChange) -> dict[str, Any]:
    """The columns of a change that may be made. A value of None leaves its column as it is."""
    ends = wanted.state in FINAL
    # When a run has ended is by the database's clock, as retention is.
    now = server_us(connection) if ends else now_us()
    values: dict[str, Any] = {name: plain(getattr(wanted, name)) for name in ("state", "stage", "waiting_for", "next")}
    values |= {"change_number": wanted.nth or None} | ({"waiting_for": ""} if ends else {})
    return {name: value for name, value in values.items() if value is not None} | {
        "updated_at": now,
        "ended_at": now if ends else None,
    }


def _is_behind(row: RunRow, ref: RunRef, wanted: RunChange) -> bool:
    """True for a change that another one has overtaken. Equal is the same one again, because its activity was repeated."""
    # The last run is the one that counts after a reset.
    replaced = bool(ref.run_id) and json.loads(row.run_ids)[-1:] != [ref.run_id]
    return replaced or 0 < wanted.nth < row.change_number


def _before(state: RunState | None) -> list[str]:
    """The states from which a run may move. A finished one is never touched, not even by a move to the same state."""
    return [before for before, after in MOVES.items() if before not in FINAL and (state in after or state in (None, before))]


def find(connection: Connection, name: str) -> Row[Any]:
    """The run with this workflow id (the newest, where an id was used again) or trace. Raises `NotFound`."""
    query = select(run).where((run.c.workflow_id == name) | (run.c.trace == name)).order_by(run.c.started_at.desc())
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"there is no run {name!r} in the ledger; `baton runs` lists what there is")
    return row


def open_traces(connection: Connection) -> list[str]:
    """The traces of all runs that have not ended."""
    return list(connection.execute(select(run.c.trace).where(run.c.ended_at.is_(None))).scalars())


def by_request(connection: Connection, project: str, request_key: str) -> Row[Any] | None:
    """The run that was first started with this request key, or None."""
    query = select(run).where(run.c.project == project, run.c.request_key == plain(request_key))
    return connection.execute(query).first()


def totals(connection: Connection, trace: str) -> dict[str, int]:
    """Tokens, model calls and micro-dollars of a run family so far."""
    row = _TOTALS.first(connection, of=trace)
    assert row is not None, "a sum has one row"
    # The scope's sum where there is one: it includes calls that were lost or dropped, which have no turn.
    spent = _SPENT.scalar(connection, wanted=f"run:{trace}")
    return {
        "calls": int(row.calls),
        "tokens": int(row.tokens),
        "usd_micros": int(spent if spent is not None else row.usd_micros),
    }


def next_number(connection: Connection, name: str) -> int:
    """The next number of a counter, starting at 1."""
    insert_once(connection, counter, name=name, value=0)
    query = update(counter).where(counter.c.name == name).values(value=counter.c.value + 1).returning(counter.c.value)
    return int(connection.execute(query).scalar_one())
