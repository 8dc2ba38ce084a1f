"""`baton policy show | check | diff | try | propose | approve`: who may do what, and how that is changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.context import DECIDE, By, Json, can_ask, named, open_ledger, reason, settings
from commands.errors import Code, NothingYet, Usage
from commands.output import Out, clock, safe
from commands.questions import confirmed
from contracts.printed import command

if TYPE_CHECKING:
    from activities.gates.comparison import Change
    from activities.gates.policy import Policy
    from config import Settings
    from ledger.policies import Proposal

File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy file.")]
Approved = Annotated[str, typer.Argument(metavar="PROPOSAL", help="The proposal's id, or the beginning of it.")]
Arguments = Annotated[
    str | None, typer.Option("--arguments", metavar="JSON", help="The action's arguments as one JSON object, or @FILE.")
]
Paths = Annotated[list[str] | None, typer.Option("--path", help="A path that it changes; may be repeated.")]
Taint = Annotated[list[str] | None, typer.Option("--taint", help="An untrusted source that flowed in; may be repeated.")]


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Show, try and change who may decide what and what actions take.")
    app.add_typer(group, name="policy", rich_help_panel=DECIDE)
    for work, name in (
        (show, "show"),
        (check, "check"),
        (diff, "diff"),
        (try_, "try"),
        (propose, "propose"),
        (approve, "approve"),
    ):
        group.command(name)(work)


def show(
    as_page: Annotated[bool, typer.Option("--as-page", help="Print it as a page in Markdown.")] = False, as_json: Json = False
) -> None:
    """Show the policy in force, what this machine's file loosens without an approval, and open proposals."""
    from commands.decide.policy_text import console, page, tables

    out, found = Out(as_json=as_json), settings()
    policy, pending, open_ones, nth = _standing(found)
    out.document(
        policy=policy.model_dump(mode="json", by_alias=True) | {"digest": policy.digest},
        version=nth,
        waiting=[str(one) for one in pending],
        proposals=[_fields(one) for one in open_ones],
    )
    if as_page:
        out.line(page(policy).rstrip())
        return
    out.line(f"policy {nth or 'of the file'}, {policy.digest[:12]}; identity {policy.identity}, {_owners(policy)}")
    out.line(f"console {safe(console(policy))}")
    for head, rows in tables(policy):
        out.line("")
        out.table(head, rows, words=(head[-1],))
    for rule in policy.rules:
        about = f"action {rule.action}" if rule.action else f"agent {rule.agent}"
        out.line(f"rule {safe(rule.name)} ({safe(about)}): {safe(rule.why)}")
    _tell_waiting(out, found, pending, open_ones, nth)


def _standing(found: "Settings") -> "tuple[Policy, tuple[Change, ...], list[Proposal], int]":
    """The policy that counts, what the file loosens, open proposals, and the number of the version in force; 0: none yet."""
    from activities.gates.policy import load_policy
    from activities.gates.standing import effective
    from ledger import policies

    file = load_policy(found.policy)
    try:
        with open_ledger(found) as ledger:
            pending = ledger.read_now(effective, file)
            return pending.policy, pending.changes, ledger.read_now(policies.proposals), ledger.read_now(policies.newest_number)
    except NothingYet:
        return file, (), [], 0


def _owners(policy: "Policy") -> str:
    owners = policy.owning()
    if owners is None:
        return "owned by nobody"
    count = f", {owners.approvals} of them together" if owners.approvals > 1 else ""
    return f"owned by {safe(', '.join(owners.who))}{count}"


def _tell_waiting(out: Out, found: "Settings", pending: "tuple[Change, ...]", open_ones: "list[Proposal]", nth: int) -> None:
    for change in pending:
        out.note(f"not in force, because nobody has approved it: {safe(change)}")
    if pending:
        out.note(f"  next    {command('policy propose', str(found.policy), options='-m why')}")
    for one in open_ones:
        state = (
            "outdated, propose it again"
            if one.base != nth
            else f"approved by {safe(', '.join(one.approved_by)) or 'nobody yet'}"
        )
        out.note(f"proposal {one.id} by {safe(one.by)}, {clock(one.at)}: {safe('; '.join(one.changes), 400)} ({state})")


def check(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A policy file; default: the one of the settings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a policy file: every key, every rule, and what it says that cannot be meant. Nothing is changed."""
    from activities.agents.catalogue import load_catalogue
    from activities.gates.policy import load_policy
    from activities.tools.registry import TOOLS
    from commands.decide.policy_text import doubts

    out, found = Out(as_json=as_json), settings()
    where = file or found.policy
    policy = load_policy(where)
    agents = {agent.file.name for agent in load_catalogue(found.agents, TOOLS).agents}
    said = doubts(policy, agents)
    out.document(file=str(where), digest=policy.digest, doubts=said)
    for one in said:
        out.note(f"{where}: {safe(one, 600)}")
    out.line(f"{where}: {len(policy.gates)} kinds of gates, {len(policy.actions)} types of actions, {len(policy.rules)} rules")
    raise typer.Exit(int(Code.FAILED if said else Code.DONE))


def diff(file: File, as_json: Json = False) -> None:
    """Show what a policy file would loosen, tighten or only change, compared with the policy in force."""
    from activities.gates.comparison import compare
    from activities.gates.policy import load_policy

    out, found = Out(as_json=as_json), settings()
    new, (policy, *_) = load_policy(file), _standing(found)
    changes = compare(policy, new)
    out.document(changes=[{"key": one.key, "how": one.how, "text": str(one)} for one in changes])
    if not changes:
        out.note("nothing is different")
    for one in sorted(changes, key=lambda one: one.how):
        out.line(f"{one.how:<9}  {safe(one, 400)}")
    if any(one.how == "loosened" for one in changes):
        out.note(f"what is loosened counts once it is approved: {command('policy propose', str(file), options='-m why')}")


def try_(
    action: Annotated[str, typer.Argument(metavar="TYPE", help="The type of action, such as git.push.")],
    arguments: Arguments = None,
    file: Annotated[Path | None, typer.Option("--file", help="Try a policy file; default: the policy in force.")] = None,
    gate: Annotated[str, typer.Option("--gate", help="The gate that shows it; default: its own.")] = "",
    pipeline: Annotated[str, typer.Option("--pipeline", help="The pipeline, such as delivery.")] = "",
    project: Annotated[str, typer.Option("--project", "-p", help="The project.")] = "default",
    taint: Taint = None,
    path: Paths = None,
    lines: Annotated[int, typer.Option("--lines", min=0, help="Lines that it changes.")] = 0,
    environment: Annotated[str, typer.Option("--environment", help="Where it takes effect.")] = "",
    confidence: Annotated[int | None, typer.Option("--confidence", min=0, max=1000, help="Of the least sure step.")] = None,
    unsupported: Annotated[int, typer.Option("--unsupported", min=0, help="Claims without evidence.")] = 0,
    degraded: Annotated[int, typer.Option("--degraded", min=0, help="Steps that a fallback did.")] = 0,
    unsure: Annotated[int, typer.Option("--unsure", min=0, help="Steps that are not done, or unsure.")] = 0,
    risk: Annotated[str, typer.Option("--risk", help="low, medium or high; computed if it is higher.")] = "low",
    as_json: Json = False,
) -> None:
    """Show what an action would take: its tier, the gate, who approves it, and every rule that fires. Nothing is done."""
    from activities.gates.policy import load_policy
    from commands.decide.policy_trial import Asked, trial
    from contracts.rules import Facts

    out, found = Out(as_json=as_json), settings()
    policy = load_policy(file) if file is not None else _standing(found)[0]
    known = {"environment": environment, "confidence": confidence, "risk": risk, "lines": lines, "unsupported": unsupported}
    about = Facts.read_typed_by_people(
        known
        | {"project": project, "pipeline": pipeline, "taint": tuple(taint or ()), "paths": tuple(path or ())}
        | {"files": len(path or ()), "degraded": degraded, "unsure": unsure}
    )
    tried = trial(policy, Asked(action, arguments, gate, about))
    out.document(**tried.fields())
    for name, text in tried.lines():
        out.line(f"{name:<10} {safe(text, 600)}")


def propose(
    file: File,
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Propose a policy file that loosens something, with how such actions were decided in the last 90 days."""
    from activities.gates import proposing
    from activities.gates.policy import load_policy

    out, who, said = Out(as_json=as_json), named("--by", by), reason(why)
    policy, text = load_policy(file), file.read_text()
    with open_ledger(settings()) as ledger:
        made, new = ledger.tx_now(proposing.propose, policy, text, said, who)
    out.document(**_fields(made), new=new)
    _tell(out, made)
    out.line(f"{'proposed' if new else 'proposed already'}: {made.id}; nothing is different until it is approved")
    out.note(f"  next    {command('policy approve', made.id)}")


def approve(
    proposal: Approved,
    by: By = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Approve a proposal, as an owner of the policy in force. It then counts for every worker and every new run."""
    from activities.gates import lines, proposing
    from contracts.errors import Refused
    from ledger import policies

    out, who = Out(as_json=as_json), named("--by", by)
    with open_ledger(settings()) as ledger:
        _tell(out, ledger.read_now(policies.find, proposal))
        if not yes and not can_ask():
            raise Usage("this is not a terminal, so nobody can confirm: add --yes to approve what `baton policy show` lists")
        if not yes and not confirmed(f"approve proposal {proposal} as {safe(who)}?"):
            out.note("nothing was approved")
            raise typer.Exit(int(Code.FAILED))
        try:
            made, missing = ledger.tx_now(proposing.approve, proposal, who)
        except Refused as refused:
            # In a transaction of its own: the one that was refused is undone.
            ledger.tx_now(policies.tell, lines.policy_refused(proposal, who, str(refused)))
            raise
    out.document(**_fields(made), missing=missing)
    if missing:
        out.line(f"approved by {safe(', '.join(made.approved_by))}; {missing} more {'has' if missing == 1 else 'have'} to")
    else:
        out.line(f"proposal {made.id} is in force for every worker and every new run")
        out.note("let every machine's policy file say the same: a worker that starts with a stricter one tightens it again")


def _tell(out: Out, one: "Proposal") -> None:
    out.note(f"proposal {one.id} by {safe(one.by)}, {clock(one.at)}: {safe(one.why, 400)}")
    for change in one.changes:
        out.note(f"  loosens  {safe(change, 400)}")
    for figures in one.figures:
        out.note(f"  so far   {safe(figures, 400)}")


def _fields(one: "Proposal") -> dict[str, object]:
    names = ("id", "base", "digest", "changes", "figures", "why", "by", "state", "at", "approved_by")
    return {name: getattr(one, name) for name in names}
