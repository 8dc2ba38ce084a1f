"""Channels and their messages: which notices are addressed where, what is due, and what became of each attempt to send it.

Instants come from the caller, which takes them of the database's clock; whoever changes a channel locks its row first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select, update

from contracts.base import digest_of
from contracts.notices import kind_of
from contracts.relay import Relaying
from ledger.db import insert_each_once, insert_once, plain_row
from ledger.tables import addressed, channel, feed_head, gate, message, notice

PART = "channel:"
"""Begins the name of the lease by which one worker at a time looks after a channel."""

AT_ONCE = 500
"""Most notices that one round addresses to a channel, and that one message is about."""

STATES = ("open", "sending", "sent", "dead", "dropped")
"""Of a message."""

UNSETTLED = ("open", "sending")

STUBBORN = 5
"""Failed attempts after which a message, such as one whose text its receiver cannot take, holds back no other one."""

When = Callable[[Row[Any]], int | None]
"""When a notice is due on a channel, in microseconds; None: it is none of that channel's."""


@dataclass(frozen=True)
class Letter:
    """A message to be sent: how the adapter gets it, who gets it, and its title."""

    arguments: str
    receivers: str
    title: str


def register(connection: Connection, name: str, kind: str, target: str, now: int) -> None:
    """Have a channel of a worker that starts. What happened before it was first there is not sent to it. Safe to call twice."""
    # A line that is not committed yet gets a higher number than any that is.
    cursor = int(connection.execute(select(func.max(feed_head.c.seq))).scalar() or 0)
    if not insert_once(connection, channel, name=name, kind=kind, target=target, cursor=cursor, seen_at=now):
        values = {"kind": kind, "target": target, "seen_at": now}
        connection.execute(update(channel).where(channel.c.name == name).values(values))


def busy(connection: Connection, names: Collection[str], now: int) -> list[str]:
    """Those of these channels that have something to address, to make or to send. Only reads."""
    fresh = select(notice.c.seq).where(notice.c.seq > channel.c.cursor)
    waiting = select(addressed.c.seq).where(
        addressed.c.channel == channel.c.name, addressed.c.state == "waiting", addressed.c.due_at <= now
    )
    mine = (message.c.channel == channel.c.name, message.c.state.in_(UNSETTLED))
    due = select(message.c.id).where(*mine, _is_due(now))
    made = and_(channel.c.next_at <= now, exists(waiting), ~_held_back())
    query = select(channel.c.name).where(channel.c.name.in_(list(names)), or_(exists(fresh), made, exists(due)))
    return list(connection.execute(query.order_by(channel.c.name)).scalars())


def _held_back() -> ColumnElement[bool]:
    """True for a channel that gets no new message yet: one is on its way, or one beside one that failed again and again."""
    mine = (message.c.channel == channel.c.name, message.c.how == "notices", message.c.state.in_(UNSETTLED))
    fresh = select(message.c.id).where(*mine, message.c.tries < STUBBORN)
    # Two at most: a receiver that is down as a whole gets one message when it is back, and not one for each minute.
    beside = select(func.count()).select_from(message).where(*mine).correlate(channel).scalar_subquery()
    return or_(exists(fresh), beside > 1)


def _is_due(now: int) -> Any:
    free = or_(message.c.state == "open", and_(message.c.state == "sending", message.c.lease_until <= now))
    return and_(message.c.due_at <= now, free)


def address(connection: Connection, name: str, when: When) -> int:
    """Address to a channel what has come since it was last looked at. Returns how many notices were looked at."""
    row = _locked(connection, name)
    if row is None:
        return 0
    query = select(notice).where(notice.c.seq > row.cursor).order_by(notice.c.seq).limit(AT_ONCE)
    fresh = list(connection.execute(query))
    wanted = [(one.seq, due) for one in fresh if (due := when(one)) is not None]
    rows = [{"channel": name, "seq": seq, "due_at": due, "state": "waiting"} for seq, due in wanted]
    insert_each_once(connection, addressed, rows)
    if fresh:
        connection.execute(update(channel).where(channel.c.name == name).values(cursor=fresh[-1].seq))
    return len(fresh)


def take(connection: Connection, name: str, now: int) -> list[Row[Any]]:
    """What the channel's next message is about, if one may be made now; what nobody waits for any more is left out for good.

    The caller writes the message in this transaction (`write`): of two that take at once the second finds nothing.
    """
    row = _locked(connection, name)
    free = select(channel.c.name).where(channel.c.name == name, ~_held_back())
    if row is None or row.next_at > now or connection.execute(free).first() is None:
        return []
    waiting = (addressed.c.channel == name, addressed.c.state == "waiting", addressed.c.due_at <= now)
    open_there = select(gate.c.gate).where(
        gate.c.trace == notice.c.trace, gate.c.gate == notice.c.about, gate.c.state == "open"
    )
    query = select(notice, exists(open_there).label("waits")).join(addressed, addressed.c.seq == notice.c.seq).where(*waiting)
    found = list(connection.execute(query.order_by(notice.c.seq).limit(AT_ONCE)))
    over = [one.seq for one in found if kind_of(one.kind).waits and not one.waits]
    if over:
        theirs = (addressed.c.channel == name, addressed.c.seq.in_(over))
        connection.execute(update(addressed).where(*theirs).values(state="over"))
    return [one for one in found if one.seq not in over]


def name_of(channel_name: str, rows: Sequence[Row[Any]]) -> str:
    """The id of the message about these notices."""
    return digest_of("message", channel_name, *(str(one.seq) for one in rows))[:16]


def write(
    connection: Connection, name: str, target: str, rows: Sequence[Row[Any]], letter: Letter, now: int, next_at: int
) -> str:
    """Make the message about these notices, to be sent at once, and have no other made before `next_at`. Returns its id."""
    id = name_of(name, rows)
    _insert(connection, id, name, target, letter, len(rows), "notices", now)
    theirs = (addressed.c.channel == name, addressed.c.seq.in_([one.seq for one in rows]))
    connection.execute(update(addressed).where(*theirs).values(state="taken", message=id))
    connection.execute(update(channel).where(channel.c.name == name).values(next_at=next_at))
    return id


def ask_for_test(connection: Connection, name: str, id: str, now: int) -> bool:
    """Ask for a test message on a channel: the worker that has it writes and sends it. False if no worker ever had it."""
    row = connection.execute(select(channel).where(channel.c.name == name)).first()
    if row is None:
        return False
    _insert(connection, id, name, row.target, Letter("", "", ""), 0, "test", now)
    return True


def _insert(connection: Connection, id: str, name: str, target: str, letter: Letter, notices: int, how: str, now: int) -> None:
    values: Mapping[str, Any] = {
        "channel": name,
        "how": how,
        "target": target,
        "receivers": letter.receivers,
        "title": letter.title,
        "arguments": letter.arguments,
        "notices": notices,
        "state": "open",
        "tries": 0,
    }
    insert_once(connection, message, id=id, **values, due_at=now, at=now, updated_at=now)


def unwritten(connection: Connection, name: str) -> list[Row[Any]]:
    """Test messages that were asked for, and that no worker has written yet."""
    asked = (message.c.channel == name, message.c.state == "open", message.c.how == "test", message.c.arguments == "")
    return list(connection.execute(select(message).where(*asked).limit(AT_ONCE)))


def write_test(connection: Connection, id: str, letter: Letter) -> None:
    """Write a test message. Safe to call twice: only the first time counts."""
    values = plain_row({"arguments": letter.arguments, "receivers": letter.receivers, "title": letter.title})
    connection.execute(update(message).where(message.c.id == id, message.c.arguments == "").values(values))


def due(connection: Connection, name: str, now: int) -> list[Row[Any]]:
    """The channel's messages that may be sent now, the oldest first."""
    query = select(message).where(message.c.channel == name, message.c.arguments != "", _is_due(now))
    return list(connection.execute(query.order_by(message.c.at, message.c.id).limit(AT_ONCE)))


def claim(connection: Connection, id: str, worker: str, now: int, until: int) -> Row[Any] | None:
    """Take a message that is due, to send it; nobody else does before `until`. None if somebody has it, or it is settled."""
    values = {"state": "sending", "lease_owner": worker, "lease_until": until, "fence": message.c.fence + 1}
    query = update(message).where(message.c.id == id, _is_due(now)).values(**values, updated_at=now).returning(message)
    return connection.execute(query).first()


def renew(connection: Connection, id: str, fence: int, until: int) -> None:
    """Keep what is being sent. Does nothing where somebody else has it by now."""
    connection.execute(update(message).where(*_mine(id, fence)).values(lease_until=until))


def _mine(id: str, fence: int) -> tuple[Any, ...]:
    return message.c.id == id, message.c.fence == fence, message.c.state == "sending"


def sent(connection: Connection, row: Row[Any], reference: str, now: int) -> bool:
    """Record that a message was taken. False if a newer attempt counts."""
    values = plain_row({"state": "sent", "reference": reference, "problem": "", "lease_until": 0, "updated_at": now})
    if connection.execute(update(message).where(*_mine(row.id, row.fence)).values(values)).rowcount == 0:
        return False
    well = {"failing_since": 0, "problem": "", "sent_at": now}
    connection.execute(update(channel).where(channel.c.name == row.channel).values(well))
    return True


def failed(
    connection: Connection, row: Row[Any], problem: str, limits: Relaying, now: int, *, for_good: bool
) -> Row[Any] | None:
    """Count a failed attempt: the message is tried again later, or given up. Returns its row; None if a newer one counts."""
    tries = row.tries + 1
    dead = for_good or tries >= limits.attempts
    values = {"tries": tries, "problem": problem, "lease_until": 0, "updated_at": now, "state": "dead" if dead else "open"}
    values |= {} if dead else {"due_at": now + int(limits.wait(tries).total_seconds() * 1_000_000)}
    query = update(message).where(*_mine(row.id, row.fence)).values(plain_row(values)).returning(message)
    found = connection.execute(query).first()
    if found is not None:
        since = func.coalesce(func.nullif(channel.c.failing_since, 0), now)
        worse = {"failing_since": since} | plain_row({"problem": problem})
        connection.execute(update(channel).where(channel.c.name == row.channel).values(worse))
    return found


def again(connection: Connection, id: str, now: int) -> bool:
    """Have a message that was given up tried again, from the first attempt. False if it was not given up."""
    values = {"state": "open", "tries": 0, "updated_at": now}  # it is due since it was given up
    return connection.execute(update(message).where(message.c.id == id, message.c.state == "dead").values(values)).rowcount == 1


def drop(connection: Connection, id: str, now: int) -> bool:
    """Give up for good a message that was given up, or that waits for an attempt. False if it is neither."""
    theirs = (message.c.id == id, message.c.state.in_(("dead", "open")))
    return connection.execute(update(message).where(*theirs).values(state="dropped", updated_at=now)).rowcount == 1


def _locked(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(channel).where(channel.c.name == name).with_for_update()).first()
