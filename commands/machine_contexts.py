"""`baton context`: named contexts, each a state folder and the addresses that a user works with."""

from pathlib import Path
from typing import Annotated, Any

import typer

import contexts
import places
from commands.context import CARE, Json, settings
from commands.errors import Usage
from commands.output import Out, safe
from contexts import DEFAULT, Chosen, Context, Contexts
from contracts.printed import command

LOCAL = "127.0.0.1:7233"

Name = Annotated[str, typer.Argument(metavar="NAME", help="A context, as `baton context list` shows it.")]
Maybe = Annotated[str, typer.Argument(metavar="[NAME]", help="A context; default: the one in force.")]
State = Annotated[str, typer.Option("--state", metavar="FOLDER", help="Its state folder; default: one beside the default one.")]
Temporal = Annotated[
    str, typer.Option("--temporal", metavar="HOST:PORT", help=f"Its Temporal server; default: {LOCAL}, or the profile's.")
]
Namespace = Annotated[str, typer.Option("--namespace", help="Its Temporal namespace; default: the profile's, or `default`.")]
Profile = Annotated[str, typer.Option("--profile", help="Temporal's profile (temporal.toml) with its credentials.")]
LedgerUrl = Annotated[str, typer.Option("--ledger-url", metavar="URL", help="Its ledger; default: a file in its state folder.")]
LedgerFile = Annotated[str, typer.Option("--ledger-url-file", metavar="FILE", help="A file that holds the ledger's URL.")]
UiUrl = Annotated[str, typer.Option("--ui-url", metavar="URL", help="Its Temporal Web UI, for links.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Named contexts: a state folder and the addresses that go with it.")
    group.command("list")(list_)
    group.command()(show)
    group.command()(use)
    group.command()(add)
    group.command()(remove)
    app.add_typer(group, name="context", rich_help_panel=CARE)


def list_(as_json: Json = False) -> None:
    """List the contexts; a star marks the one in force."""
    out, kept, chosen = Out(as_json=as_json), contexts.load(), contexts.chosen()
    rows = {DEFAULT: Context(""), **dict(sorted(kept.named.items()))}
    out.document(
        contexts=[{"name": name, "in_force": name == chosen.name, **_shown(one)} for name, one in rows.items()],
        in_force=chosen.name,
        named_by=chosen.how,
    )
    shown = [_row(name, one, starred=name == chosen.name) for name, one in rows.items()]
    out.table(("", "CONTEXT", "STATE", "TEMPORAL", "LEDGER"), shown)


def _row(name: str, one: Context, *, starred: bool) -> list[str]:
    star = "*" if starred else ""
    if name == DEFAULT:
        return [star, name, "as the settings say", "as Temporal's profile says", "as the settings say"]
    where = one.temporal or f"profile {one.profile}"
    return [star, name, one.state, where, _ledger(one)]


def show(name: Maybe = "", as_json: Json = False) -> None:
    """Show what a context sets; without a name what is in force now, and what named it."""
    out = Out(as_json=as_json)
    if name and name != DEFAULT:
        one = contexts.load().get(name)
        out.document(context=name, **_shown(one))
        for key, value in _shown(one).items():
            out.line(f"{key:<16} {safe(value) if value else '-'}")
        return
    import connection

    chosen = contexts.chosen()
    if name == DEFAULT and chosen.name != DEFAULT:
        raise Usage("what the default stands for depends on the settings; see it with `baton --context default context show`")
    found, there = settings(), connection.profile()
    namespace = there.get("namespace", connection.DEFAULT_NAMESPACE)
    facts = {
        "state": str(found.state.absolute()),
        "temporal": there["target_host"],
        "namespace": namespace,
        "ledger": _without_password(found.database),
        "ui_url": found.ui_url,
    }
    out.document(context=chosen.name, named_by=chosen.how, **facts)
    out.line(f"{'context':<16} {chosen.name} ({_told(chosen)})")
    for key, value in facts.items():
        out.line(f"{key:<16} {safe(value)}")


def _told(chosen: Chosen) -> str:
    named = {"flag": "--context", "environment": contexts.VARIABLE, "use": "`baton context use`"}
    return f"named by {named[chosen.how]}" if chosen.context is not None or chosen.how != "use" else "none is in use"


def use(name: Name, as_json: Json = False) -> None:
    """Use this context from now on; `default` goes back to none. BATON_CONTEXT and --context come before it."""
    contexts.save(contexts.load().using(name))
    out = Out(as_json=as_json)
    out.document(use=name)
    out.line(f"in use: {name}")
    # For this very command the option may name another one; for those that follow only the variable may.
    if (chosen := contexts.chosen()).name != name:
        out.note(f"{chosen.name} stays in force here: it is {_told(chosen)}")


def add(
    name: Name,
    state: State = "",
    temporal: Temporal = "",
    namespace: Namespace = "",
    profile: Profile = "",
    ledger_url: LedgerUrl = "",
    ledger_url_file: LedgerFile = "",
    ui_url: UiUrl = "",
    as_json: Json = False,
) -> None:
    """Add a context. It is kept for this user, and nothing is started or made."""
    kept = contexts.load()
    if not contexts.NAME.fullmatch(name) or name == DEFAULT:
        raise Usage(f"{name!r} cannot be a context's name: up to 40 of a-z, 0-9, - and _, and not {DEFAULT}")
    if name in kept.named:
        raise Usage(
            f"there is a context {name} already; `{command('context show', name)}` shows it, `baton context remove` forgets it"
        )
    if ledger_url and ledger_url_file:
        raise Usage("--ledger-url and --ledger-url-file name two ledgers; give one of them")
    if ledger_url:
        from ledger import urls
        from places import whole_url

        urls.read(ledger_url)  # raises `Misconfigured` with the forms that are taken
        ledger_url = whole_url(ledger_url)
    address = _address(temporal) if temporal or profile else LOCAL
    one = Context(
        state=_path("--state", state) if state else str(contexts.default_state(name)),
        temporal=address,
        namespace=namespace,
        profile=profile,
        ledger_url=ledger_url,
        ledger_url_file=_path("--ledger-url-file", ledger_url_file) if ledger_url_file else "",
        ui_url=ui_url or _ui(address),
    )
    contexts.save(Contexts(kept.use, {**kept.named, name: one}))
    out = Out(as_json=as_json)
    out.document(context=name, **_shown(one))
    out.line(f"added: {name}, state in {one.state}")
    out.note(f"Next: {command('context use', name)}   (or `--context {name}` with any command)")


def remove(name: Name, as_json: Json = False) -> None:
    """Forget a context. Its state folder and its ledger are kept. Refused while something runs there."""
    from commands import processes

    kept = contexts.load()
    if name == DEFAULT:
        raise Usage(f"{DEFAULT} stands for no context and cannot be removed")
    one = kept.get(name)
    running = [what for what in processes.PARTS if processes.find(Path(one.state), what) is not None]
    if running:
        raise Usage(f"its {' and '.join(running)} still run; stop them first: `baton --context {name} down`")
    contexts.save(kept.without(name))
    out = Out(as_json=as_json)
    out.document(removed=name, state=one.state)
    out.line(f"removed: {name}; its state stays in {one.state}")
    if kept.use == name:
        out.note(f"it was in use; now {DEFAULT} is")


def _address(typed: str) -> str:
    if typed and not contexts.ADDRESS.fullmatch(typed):
        raise Usage(f"--temporal {typed!r} is not HOST:PORT, such as 127.0.0.1:7233")
    return typed


def _path(flag: str, typed: str) -> str:
    try:
        return str(places.whole(Path(typed)))
    except ValueError as error:
        raise Usage(f"{flag}: {error}") from None


def _ui(address: str) -> str:
    """Where `baton up` puts the Web UI of a server on this machine; "" for another machine's."""
    from commands.up import beside

    port = Context("", temporal=address).local_port
    return f"http://127.0.0.1:{beside(port)}" if port is not None else ""


def _shown(one: Context) -> dict[str, Any]:
    return {
        "state": one.state,
        "temporal": one.temporal,
        "namespace": one.namespace,
        "profile": one.profile,
        "ledger": _ledger(one),
        "ui_url": one.ui_url,
    }


def _ledger(one: Context) -> str:
    if one.ledger_url_file:
        return f"as {one.ledger_url_file} says"
    return _without_password(one.ledger_url) if one.ledger_url else "in its state folder"


def _without_password(url: str) -> str:
    from contracts.errors import Misconfigured
    from ledger import urls

    try:
        return urls.shown(urls.read(url))
    except Misconfigured:
        return "a URL that is not understood"  # and is not shown: nobody knows where a password stands in it
