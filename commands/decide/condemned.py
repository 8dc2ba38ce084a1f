"""`baton condemn`, and `baton condemned list | show | settle | undo`: what is wrong, and what becomes of what came from it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import DECIDE, By, Json, Project, named, open_ledger, policy_now, reason, settings
from commands.decide import proposals
from commands.decide.proposals import planned_for, proposer
from commands.decide.reached import SHOWN, fields, reach_fields, tell, tell_reach
from commands.decide.told import have_them_look
from commands.errors import NothingYet, Usage
from commands.output import Out, moment, safe
from commands.periods import Since, Until
from commands.selecting import Agent, Claim, Model, Source, selection
from commands.selecting import told as in_words
from contracts.printed import command
from contracts.text import amount

if TYPE_CHECKING:
    from activities.gates.policy import Policy
    from activities.gates.previewing import Meant, Preview
    from ledger.db import Connection
    from ledger.views.condemned import Standing
    from ledger.views.selection import Selection

Id = Annotated[str, typer.Argument(metavar="ID", help="The condemnation's id, or the beginning of it.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The action's key, or the beginning of it.")]
What = Annotated[
    str,
    typer.Argument(
        metavar="[ID]",
        help="A run, RUN/GATE, a branch, or (the beginning of) the id of a handoff, turn, commit, action or file.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", "--message", "-m", help="The reason, which is recorded.")]
Why = Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command(rich_help_panel=DECIDE)(condemn)
    group = typer.Typer(no_args_is_help=True, help="Show what was condemned, settle what had come from it, or undo it.")
    app.add_typer(group, name="condemned", rich_help_panel=DECIDE)
    for work, name in ((list_, "list"), (show, "show"), (propose, "propose"), (settle, "settle"), (undo, "undo")):
        group.command(name)(work)


def condemn(
    identity: What = "",
    why: Reason = "",
    claim: Claim = "",
    source: Source = "",
    agent: Agent = "",
    model: Model = "",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what it would hold and what came from it.")] = False,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Condemn something that turned out to be wrong: by its id, or all handoffs that `baton find` finds with these options.

    What came from it is held in all runs: it is not used, approved or carried out before a person lets it. Actions that have
    happened are listed, and what takes each back is proposed, to be started or declined. `baton condemned undo` takes it back.
    """
    from activities.gates import condemning, previewing

    out, found = Out(as_json=as_json), settings()
    wanted = selection(claim, source, agent, model, since, until, project)
    if bool(identity) == (wanted is not None):
        raise Usage("name one thing by its id, or select handoffs by --claim, --source, --agent, --model, --since or --until")
    who, said = named("--by", by), "" if preview else _said(why)
    with open_ledger(found) as ledger:
        policy = policy_now(found, ledger)
        meant = ledger.read_now(_meant, identity, wanted)
        proposes = proposer(found, ledger, policy)
        if preview:
            _preview(out, ledger.read_now(previewing.preview, policy, meant, proposes))
            return
        done = ledger.tx_now(condemning.condemn, policy, meant.things, meant.what, who, said, proposes)
        told = have_them_look(out, ledger, done.standing.reach.runs, who)
    one = done.standing.condemnation
    out.document(**fields(done.standing), new=done.fresh, told=told.as_fields(), proposed=proposals.fields(done.planned))
    was = f"condemned {one.id}: {safe(one.what)} ({amount(done.fresh, 'thing')})"
    out.line(was if done.fresh else f"condemned already, by {safe(one.by)} ({one.id}): {safe(one.why, 400)}", "bold")
    tell_reach(out, done.standing.reach, one.id)
    proposals.tell(out, [each for each in done.planned if each.prepared is None], "", SHOWN)
    told.tell(out)
    out.note(f"  next    {command('condemned show', one.id)}")


def _said(why: str) -> str:
    if not why:
        raise Usage('say why it is condemned: --reason "the price list was an old one"; or add --preview to look first')
    return reason(why)


def _meant(connection: "Connection", identity: str, wanted: "Selection | None") -> "Meant":
    """What is condemned. Raises `NotFound` where nothing fits."""
    from activities.gates.condemning import MOST
    from activities.gates.previewing import meant_by, selected
    from contracts.errors import NotFound
    from ledger.views.selection import things_selected

    if wanted is None:
        return meant_by(connection, identity)
    things = things_selected(connection, wanted, MOST + 1)
    if not things:
        raise NotFound(
            f"there are no {in_words(wanted)}, so nothing was condemned; `baton find` with these options shows the same"
        )
    return selected(things, in_words(wanted))


def _preview(out: Out, found: "Preview") -> None:
    meant, planned = found.meant, found.planned
    reach = reach_fields(found.reach)
    out.document(what=meant.what, things=len(meant.things), preview=True, reach=reach, would_propose=proposals.fields(planned))
    out.line(f"would condemn {safe(meant.what)} ({amount(len(meant.things), 'thing')}); nothing was changed", "bold")
    tell_reach(out, found.reach)
    proposals.tell(out, planned, "would propose", SHOWN)


def list_(
    everything: Annotated[bool, typer.Option("--all", help="Settled and undone ones as well.")] = False, as_json: Json = False
) -> None:
    """List condemnations that are open: they hold something, or an action that came from them is not settled."""
    out, found = Out(as_json=as_json), settings()
    try:
        with open_ledger(found) as ledger:
            from ledger.views.condemned import standings

            rows = ledger.read_now(standings, policy_now(found, ledger).undone_by(), everything=everything)
    except NothingYet:
        rows = []
    out.document(condemnations=[fields(one) for one in rows])
    if not rows:
        out.line("nothing is condemned" if everything else "no condemnation is open")
        return
    columns = ("ID", "STATE", "AT (UTC)", "BY", "WHAT", "WHY", "LEFT", "HELD")
    out.table(columns, [_cells(one) for one in rows], words=("WHAT", "WHY"))
    out.note(f"  next    {command('condemned show', rows[0].condemnation.id)}")


def _cells(one: "Standing") -> list[str]:
    it, reach = one.condemnation, one.reach
    held = len(reach.runs) + len(reach.gates) + len(reach.pending)
    return [it.id, one.state, moment(it.at), it.by, it.what, it.why, str(len(reach.left)), str(held)]


def show(id: Id, as_json: Json = False) -> None:
    """Show a condemnation: who and why, what it holds, and each action that has happened with what takes it back."""
    out, found = Out(as_json=as_json), settings()
    with open_ledger(found) as ledger:
        policy = policy_now(found, ledger)
        one = ledger.read_now(_standing, id, policy)
        planned = planned_for(ledger, proposer(found, ledger, policy), one.reach.left)
    out.document(**fields(one), not_proposed=proposals.fields(planned))
    tell(out, one)
    proposals.tell(out, planned, "not proposed yet:", SHOWN)
    if any(each.prepared is not None for each in planned):
        out.note(f"  next    {command('condemned propose', one.condemnation.id)}")


def propose(id: Id, by: By = None, as_json: Json = False) -> None:
    """Propose what takes back the executed actions that have no proposal, such as those that were being sent before."""
    from activities.gates import condemning

    out, found, who = Out(as_json=as_json), settings(), named("--by", by)
    with open_ledger(found) as ledger:
        policy = policy_now(found, ledger)
        done = ledger.tx_now(condemning.propose, policy, id, who, proposer(found, ledger, policy))
    out.document(**fields(done.standing), proposed=proposals.fields(done.planned))
    if not done.planned:
        out.line("nothing is left to propose")
    proposals.tell(out, done.planned, "proposed", SHOWN)


def _standing(connection: "Connection", id: str, policy: "Policy") -> "Standing":
    from ledger import condemnations
    from ledger.views.condemned import standing_of

    return standing_of(connection, condemnations.find(connection, id), policy.undone_by())


def settle(
    id: Id,
    key: Key,
    why: Why,
    done: Annotated[bool, typer.Option("--done", help="What it did was taken back, or made good.")] = False,
    declined: Annotated[bool, typer.Option("--declined", help="It stays as it is.")] = False,
    go_on: Annotated[bool, typer.Option("--go-on", help="It has not happened, and is carried out all the same.")] = False,
    reference: Annotated[
        str,
        typer.Option("--reference", metavar="ID", help="What made it good, such as the key of an action."),
    ] = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Say what becomes of one action that came from something condemned. Needs -m with what was done, or why nothing is.

    --done and --declined are for what has happened, --go-on for what is held.
    """
    from activities.gates import condemning

    out, found, who, said = Out(as_json=as_json), settings(), named("--by", by), reason(why)
    how = _one_of(done=done, declined=declined, goes_on=go_on)
    with open_ledger(found) as ledger:
        policy = policy_now(found, ledger)
        one = ledger.tx_now(condemning.settle, policy, id, key, how, who, said, reference.strip()[:1000])
        told = have_them_look(out, ledger, one.reach.runs if how == "goes_on" else (), who)
    out.document(**fields(one), told=told.as_fields())
    left = len(one.reach.left)
    out.line(
        f"recorded: {_SAID[how]}; " + (f"{amount(left, 'action')} left to settle" if left else "no action is left to settle")
    )


_SAID = {"done": "it was made good", "declined": "it stays as it is", "goes_on": "it is carried out"}


def _one_of(**given: bool) -> Any:
    chosen = [name for name, there in given.items() if there]
    if len(chosen) != 1:
        raise Usage("say one of --done, --declined (it has happened) and --go-on (it is held)")
    return chosen[0]


def undo(id: Id, why: Why, by: By = None, as_json: Json = False) -> None:
    """Take a condemnation back: what it alone held goes on. Needs -m with the reason."""
    from activities.gates import condemning

    out, found, who, said = Out(as_json=as_json), settings(), named("--by", by), reason(why)
    with open_ledger(found) as ledger:
        before = ledger.tx_now(condemning.undo, policy_now(found, ledger), id, who, said)
        told = have_them_look(out, ledger, before.reach.runs, who)
    one = before.condemnation
    out.document(**fields(before), told=told.as_fields())
    out.line(f"undone: {one.id}, {safe(one.what)}; what it alone held goes on")
    for each in before.reach.executed:
        if (back := each.compensation) is not None and not back.is_done and back.run:
            stop = command("cancel", back.run)
            out.line(f"  {safe(back.summary)} was begun by {safe(back.run)}, and goes on: {stop} stops it")
    told.tell(out)
