"""`baton notify list | show | channels | test | retry | drop`: what people were told, and what could not be sent."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import DECIDE, By, Json, Why, named, open_ledger, reason, settings
from commands.errors import Code, NothingYet, Usage
from commands.output import Out, clock, moment, safe
from commands.untold import lines
from contracts.errors import NotFound
from contracts.printed import command

if TYPE_CHECKING:
    from ledger.db import Ledger
    from ledger.views.notices import Sent, Trouble

Id = Annotated[str, typer.Argument(metavar="ID", help="The message's id, or the beginning of it.")]

LOOK_EVERY = 0.2
"""Seconds between two looks at a test message."""


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Show what people were told and what could not be sent; test a channel.")
    app.add_typer(group, name="notify", rich_help_panel=DECIDE)
    works = ((list_, "list"), (show, "show"), (channels, "channels"), (try_, "test"), (retry, "retry"), (drop, "drop"))
    for work, name in works:
        group.command(name)(work)


def list_(
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="Only messages to this channel.")] = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only messages in this state, such as dead; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="Most messages to list.")] = 50,
    as_json: Json = False,
) -> None:
    """List the newest messages: to which channel, about what, whether they were sent, and why not."""
    out, states = Out(as_json=as_json), _states(state or [])
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.notices import messages, troubles

            rows = ledger.read_now(messages, states, channel, limit)
            standing = ledger.read_now(troubles)
    except NothingYet:
        rows, standing = [], []
    out.document(messages=[asdict(one) for one in rows], channels=[asdict(one) for one in standing])
    if rows:
        columns = ("ID", "STATE", "AT (UTC)", "CHANNEL", "TO", "FAILED", "WHAT", "WHY NOT")
        out.table(columns, [_cells(one) for one in rows], words=("WHAT", "WHY NOT"))
    else:
        out.line("no message was sent or is to be sent" if not (channel or states) else "there is no such message")
    for one in standing:
        if not channel or one.channel == channel:
            for line in lines(one):
                out.note(line)


def _states(typed: list[str]) -> list[str] | None:
    """The states to list; None: all. Raises `Usage` for a word that is no state."""
    from ledger.channels import STATES

    wrong = [one for one in typed if one not in STATES]
    if wrong:
        raise Usage(f"--state {safe(', '.join(wrong))} is no state of a message; there are {', '.join(STATES)}")
    return typed or None


def _cells(one: "Sent") -> list[str]:
    why = "" if one.state == "sent" else one.problem
    return [one.id[:8], one.state, moment(one.at), one.channel, one.receivers or "-", str(one.tries), one.title, why or "-"]


def show(id: Id, as_json: Json = False) -> None:
    """Show one message: who got it, what it is about, what the last attempt said, and its key at the receiver."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        from ledger.views.notices import about
        from ledger.views.notices import named as found_by

        one = ledger.read_now(found_by, id)
        told = ledger.read_now(about, one.id)
    out.document(message=asdict(one), notices=[asdict(each) for each in told])
    out.line(one.id)
    state = one.state if one.next_at is None else f"{one.state}; next attempt {clock(one.next_at)}"
    fields = (
        *(("title", one.title), ("channel", f"{one.channel}, by [targets.{one.target}]"), ("to", one.receivers)),
        *(("state", state), ("made", clock(one.at)), ("changed", clock(one.updated_at)), ("receipt", one.reference)),
        *(("tries", f"{one.tries} failed"), ("problem", one.problem)),
    )
    for name, text in fields:
        if text:
            out.line(f"  {name:<9} {safe(text, 2000)}")
    for each in told:
        out.line(f"  {moment(each.at)}  {each.kind:<15} {safe(each.about)}  {safe(each.run)}")


def channels(as_json: Json = False) -> None:
    """List the channels that workers have, how each stands, and what waits for it."""
    out = Out(as_json=as_json)
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.notices import troubles

            rows = ledger.read_now(troubles)
    except NothingYet:
        rows = []
    out.document(channels=[asdict(one) for one in rows])
    if not rows:
        out.line("no worker has a channel; declare one as [channels.NAME] in its baton.toml (docs/notifications.md)")
        return
    out.table(
        ("CHANNEL", "KIND", "TARGET", "LAST SENT", "WAITING", "OPEN", "DEAD", "STANDING"), [_standing(one) for one in rows]
    )


def _standing(one: "Trouble") -> list[str]:
    sent = moment(one.sent_at) if one.sent_at is not None else "never"
    stands = "works" if one.failing_since is None else f"fails since {moment(one.failing_since)}: {one.problem}"
    return [one.channel, one.kind, one.target, sent, str(one.waiting), str(one.open), str(one.dead), stands]


def try_(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="The name of a table [channels.NAME].")],
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, max=600, help="Seconds to wait for its outcome.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Send a test message through a channel, by the worker that has it. Exit code: 0 sent, 1 not sent, 9 not yet."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger, out.waiting("waiting for the worker that has the channel"):
        one = _tested(ledger, channel, timeout)
    out.document(message=asdict(one))
    if one.state == "sent":
        out.line(f"sent through {channel} to {safe(one.receivers)}: {safe(one.reference)}")
        return
    if one.problem:
        out.line(f"not sent: {safe(one.problem, 2000)}")
        raise typer.Exit(int(Code.FAILED))
    out.line("not sent yet: no worker that has this channel and sends (role all or actions) has taken it")
    out.note(f"`{command('notify show', one.id)}` says what becomes of it")
    raise typer.Exit(int(Code.NOT_ENDED))


def _tested(ledger: "Ledger", channel: str, timeout: float) -> "Sent":
    """Ask for the test, and wait until it was sent, or an attempt has failed, or for so long."""
    from ledger.channels import ask_for_test
    from ledger.db import server_us
    from ledger.views.notices import named as found_by
    from ledger.views.notices import troubles

    id = secrets.token_hex(8)
    if not ledger.tx_now(lambda connection: ask_for_test(connection, channel, id, server_us(connection))):
        raise NotFound(_unknown(channel, ledger.read_now(troubles)))
    ends = time.monotonic() + timeout
    while (one := ledger.read_now(found_by, id)).state in ("open", "sending") and not one.tries and time.monotonic() < ends:
        time.sleep(LOOK_EVERY)
    return one


def _unknown(channel: str, there: "Sequence[Trouble]") -> str:
    names = ", ".join(one.channel for one in there) or "none"
    return (
        f"no worker has been started with a channel {safe(channel)!r}; there are: {names}. Declare it as a table "
        "[channels.NAME] in the baton.toml of the workers that send, and start them again"
    )


def retry(id: Id, why: Why, by: By = None, as_json: Json = False) -> None:
    """Have a message tried again that was given up, under the same key. Needs -m with the reason."""
    from activities.notices import operating

    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    with open_ledger(settings()) as ledger:
        one = ledger.tx_now(operating.retry, id, who, said)
    out.document(message=asdict(one))
    out.line(f"{one.id} is sent again by the worker that has channel {one.channel}")


def drop(id: Id, why: Why, by: By = None, as_json: Json = False) -> None:
    """Close a message that was given up or waits for its next attempt: it is not sent. Needs -m with the reason."""
    from activities.notices import operating

    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    with open_ledger(settings()) as ledger:
        one = ledger.tx_now(operating.drop, id, who, said)
    out.document(message=asdict(one))
    out.line(f"{one.id} is dropped: it is not sent")
