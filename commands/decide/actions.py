"""`baton actions list | show | decline | retry | abandon | settle`: the outbox, and what people do with what is in it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from commands import unsettled
from commands.context import DECIDE, By, Json, named, open_ledger, policy_now, reason, settings
from commands.decide.outgoing import facts, when_next
from commands.errors import NothingYet, Usage
from commands.output import Out, moment, safe
from commands.untold import lines, untold
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from contracts.actions import ActionState
    from ledger.db import Ledger
    from ledger.views.actions import Outgoing
    from ledger.views.condemned import Standing
    from ledger.views.notices import Trouble

Key = Annotated[str, typer.Argument(metavar="KEY", help="The action's key, or the beginning of it.")]
Why = Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")]
SHOWN = 12
"""Characters of a key in a table: enough to type."""


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Show what is still to happen, and settle what a person has to settle.")
    app.add_typer(group, name="actions", rich_help_panel=DECIDE)
    works = (list_, "list"), (show, "show"), (decline, "decline"), (retry, "retry"), (abandon, "abandon"), (settle, "settle")
    for work, name in works:
        group.command(name)(work)


def list_(
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only actions of this run.")] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only actions in this state, such as dead; may be repeated.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones as well.")] = False,
    as_json: Json = False,
) -> None:
    """List actions that are not settled, and dead letters: what each waits for, and why."""
    out = Out(as_json=as_json)
    rows, unsent, wrong = _rows(run, _states(state or [], everything=everything))
    out.document(
        actions=[asdict(one) | {"next": one.next} for one in rows],
        untold=[asdict(one) for one in unsent],
        condemned=unsettled.fields(wrong),
    )
    for line in (line for one in unsent for line in lines(one)):
        out.note(line)
    for each in wrong:
        out.note(f"{unsettled.line(each)}; `{command('condemned show', each.condemnation.id)}`")
    if not rows:
        out.line("no action is left to do" if not (run or state or everything) else "there is no such action")
        return
    columns = ("KEY", "STATE", "SINCE (UTC)", "TRIES", "TYPE", "TARGET", "RUN", "WHAT", "NEXT")
    out.table(columns, [_cells(one) for one in rows], words=("WHAT", "NEXT"))
    if any(one.state in ("dead", "unknown") for one in rows):
        out.note(f"`{command('actions show', 'KEY')}` says why; retry, abandon and settle say what becomes of one")


def _rows(run: str | None, states: "list[ActionState] | None") -> "tuple[list[Outgoing], list[Trouble], list[Standing]]":
    """The actions, the channels through which people could not be told, and the condemnations that are open."""
    try:
        with open_ledger(settings()) as ledger:
            from ledger.views.actions import outgoing
            from ledger.views.runs import find_run

            trace = ledger.read_now(find_run, run).trace if run else ""
            return ledger.read_now(outgoing, states, trace), untold(ledger), unsettled.unsettled(ledger)
    except NothingYet:
        if run is not None:
            raise
        return [], [], []


def _states(typed: list[str], *, everything: bool) -> "list[ActionState] | None":
    """The states to list; None: all. Raises `Usage` for a word that is no state."""
    from typing import get_args

    from contracts.actions import ActionState
    from ledger.views.actions import PENDING

    there: tuple[ActionState, ...] = get_args(ActionState)
    wrong = [one for one in typed if one not in there]
    if wrong:
        raise Usage(f"--state {safe(', '.join(wrong))} is no state of an action; there are {', '.join(there)}")
    if typed:
        return [one for one in there if one in typed]
    return None if everything else list(PENDING)


def _cells(one: "Outgoing") -> list[str]:
    return [
        *(one.key[:SHOWN], one.state, moment(one.updated_at), str(one.tries), one.type, one.target or "-", one.run),
        *(one.summary, when_next(one) or "-"),
    ]


def show(key: Key, as_json: Json = False) -> None:
    """Show one action: its state, who carries it out, what the last attempt said, its receipt, and its lines on the feed."""
    out = Out(as_json=as_json)
    with open_ledger(settings()) as ledger:
        from ledger.views.actions import named as found_by
        from ledger.views.feed import about

        one = ledger.read_now(found_by, key)
        told = ledger.read_now(about, one.key)
    out.document(action=asdict(one) | {"next": one.next}, feed=[line.model_dump(mode="json") for line in told])
    out.line(f"{one.key}")
    for name, text in facts(one):
        out.line(f"  {name:<9} {safe(text, 2000)}")
    for line in told:
        out.line(f"  {moment(line.at)}  {safe(line.actor)}: {safe(line.did)}{safe(line.why and f' | {line.why}', 600)}")


def retry(key: Key, why: Why, by: By = None, as_json: Json = False) -> None:
    """Have an action tried again: one that is dead or unknown, that waits, or that a run has left behind.

    What may have happened is asked of the target before anything is sent. Needs -m with the reason.
    """
    from activities.actions import operating

    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    with open_ledger(settings()) as ledger:
        whole = ledger.tx_now(operating.retry, key, who, said)
        alone = _nobody_relays(ledger)
    out.document(key=whole, state="to be tried again", warning=alone)
    out.line(f"{whole[:SHOWN]} is tried again by the relay")
    if alone:
        out.note(f"warning: {alone}")


def _nobody_relays(ledger: "Ledger") -> str:
    """That no worker carries out what is left to the relay; "" if one does."""
    from commands.workers import workers_of

    if workers_of(ledger, settings().task_queue).relays:
        return ""
    return "no worker carries out actions now; start one with role all or actions: `baton up`, or `python worker.py --role …`"


def abandon(key: Key, why: Why, by: By = None, as_json: Json = False) -> None:
    """Give up an action that has certainly not happened: it becomes declined. Needs -m with the reason.

    One that may have happened is refused: `baton actions settle` says what became of it.
    """
    from activities.actions import operating

    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    with open_ledger(settings()) as ledger:
        receipt = ledger.tx_now(operating.abandon, key, who, said)
    out.document(receipt=receipt.model_dump(mode="json"))
    out.line(f"{receipt.key[:SHOWN]} is declined: nothing was done, and nothing will be")


def decline(key: Key, why: Why, by: By = None, as_json: Json = False) -> None:
    """Decline what was proposed: nothing is done, what it would take back stays, and that is settled. Needs -m with the reason.

    One that a run has begun is refused: what becomes of it is decided at that run's gate.
    """
    from activities.gates import condemning

    out, found, who, said = Out(as_json=as_json), settings(), named("--by", by), reason(why)
    with open_ledger(found) as ledger:
        whole, standings = ledger.tx_now(condemning.decline, policy_now(found, ledger), key, who, said)
    out.document(key=whole, state="declined", condemnations={one.condemnation.id: one.state for one in standings})
    out.line(f"{whole[:SHOWN]} is declined: nothing was done, and what it would take back stays")
    for one in standings:
        out.line(f"  {one.condemnation.id} is {one.state}: {amount(len(one.reach.left), 'action')} left to settle")


def settle(
    key: Key,
    why: Why,
    happened: Annotated[
        bool | None, typer.Option("--happened/--did-not-happen", help="What you found out at the target.", show_default=False)
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", metavar="ID", help="The target's own id for it, such as a message id.")
    ] = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Say of an action of unknown outcome whether it happened, as you found out at its target. Needs -m with what you saw.

    Where its run asks at a gate, that is where to say it: `baton happened` and `baton did-not-happen`.
    """
    from activities.actions import operating

    if happened is None:
        raise Usage("say what you found: --happened or --did-not-happen")
    if reference and not happened:
        raise Usage("--reference is the target's id for what happened; leave it out with --did-not-happen")
    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    with open_ledger(settings()) as ledger:
        receipt = ledger.tx_now(operating.settle, key, who, said, happened=happened, reference=reference.strip()[:1000])
    out.document(receipt=receipt.model_dump(mode="json"))
    out.line(f"{receipt.key[:SHOWN]} is {receipt.state}")
