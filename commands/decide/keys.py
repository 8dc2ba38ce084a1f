"""`baton keys new | list | revoke`: the keys that people sign their decisions with."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.context import DECIDE, By, Json, named, open_ledger, reason, settings
from commands.errors import NothingYet, Usage
from commands.output import Out, clock, safe

if TYPE_CHECKING:
    from activities.gates.policy import Policy
    from ledger.keys import Revoked

KeyFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Where the private key goes; default: keys/NAME.pem in your own folder."),
]
Named = Annotated[
    str, typer.Argument(metavar="KEY", help="The key's id as `baton keys list` shows it, or the whole public key.")
]
SHORTEST_ID = 8
"""Shortest beginning of a key's id that is accepted."""


def add_to(app: typer.Typer) -> None:
    """Add this group of commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Make, show and revoke the keys that decisions are signed with.")
    app.add_typer(group, name="keys", rich_help_panel=DECIDE)
    for work, name in ((new, "new"), (list_, "list"), (revoke, "revoke")):
        group.command(name)(work)


def new(by: By = None, file: KeyFile = None, as_json: Json = False) -> None:
    """Make a key pair. The private key stays in a file for you alone; the public one is for the policy's owners."""
    from commands.decide import signing
    from contracts.keys import key_id

    out, who = Out(as_json=as_json), named("--by", by)
    target = file or signing.file_of(who)
    made = signing.new(target).public
    out.document(by=who, key=key_id(made), public=made, file=str(target))
    out.note(f"private key {key_id(made)} of {safe(who)} is in {safe(str(target), 1000)} (mode 600): give it to nobody")
    out.line(f"[people.{_toml_key(who)}]")
    out.line(f'keys = ["{made}"]')
    out.note("It counts once these lines are in the policy file of every worker and the policy's owners have approved them:")
    out.note('  next    baton policy propose policy.toml -m "a key"')


def _toml_key(name: str) -> str:
    """A name as a key of TOML, quoted if it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def list_(as_json: Json = False) -> None:
    """Show whose keys count by the policy in force and this machine's file, and which were revoked."""
    from activities.gates.policy import load_policy

    out, found = Out(as_json=as_json), settings()
    file = load_policy(found.policy)
    policy, gone = _standing(file, found)
    rows = _rows(policy, file, gone)
    out.document(identity=policy.identity, keys=rows)
    if not rows:
        out.note("nobody has a key; `baton keys new` makes one")
        return
    names = ("key", "of", "state", "by", "at", "why")
    out.table([name.upper() for name in names], [[_cell(row[name]) for name in names] for row in rows], words=("WHY",))


def _cell(value: Any) -> str:
    return str(value or "-") if isinstance(value, str | None) else clock(value)


def _standing(file: "Policy", found: Any) -> "tuple[Policy, dict[str, Revoked]]":
    """The policy that counts, and all revocations; without a ledger the file, and none."""
    from activities.gates.standing import effective
    from ledger import keys

    try:
        with open_ledger(found) as ledger:
            return ledger.read_now(effective, file).policy, ledger.read_now(keys.revocations)
    except NothingYet:
        return file, {}


def _rows(policy: "Policy", file: "Policy", gone: "dict[str, Revoked]") -> list[dict[str, Any]]:
    from contracts.keys import key_id

    rows = list[dict[str, Any]]()
    for name in dict.fromkeys((*policy.people, *file.people)):
        for public in dict.fromkeys((*policy.keys_of(name), *file.keys_of(name))):
            state = "counts" if public in policy.keys_of(name) and public in file.keys_of(name) else ""
            state = state or ("waits for approval" if public in file.keys_of(name) else "not in this machine's file")
            rows.append(_row(key_id(public), name, public, state, gone.get(key_id(public))))
    there = {row["key"] for row in rows}
    return [*rows, *(_row(key, "", "", "", one) for key, one in gone.items() if key not in there)]


def _row(key: str, of: str, public: str, state: str, gone: "Revoked | None") -> dict[str, Any]:
    fields: dict[str, Any] = {"key": key, "of": of, "public": public, "state": state, "by": "", "at": None, "why": ""}
    return fields if gone is None else fields | {"state": "revoked", "by": gone.by, "at": gone.at, "why": gone.why}


def revoke(
    key: Named,
    why: Annotated[str, typer.Option("--message", "-m", help="The reason, which is recorded.")],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Revoke a key, at once and for ever: what it signs is refused, and nothing is executed any more that it has signed."""
    from activities.gates import lines
    from activities.gates.policy import load_policy
    from ledger import keys, policies

    out, found, who, said = Out(as_json=as_json), settings(), named("--by", by), reason(why)
    file = load_policy(found.policy)
    policy, gone = _standing(file, found)
    row = _meant(key, _rows(policy, file, gone))

    with open_ledger(found) as ledger:

        def revoked(connection: Any) -> bool:
            new = keys.revoke(connection, row["key"], who, said)
            if new:
                policies.tell(connection, lines.key_revoked(row["key"], row["of"], who, said))
            return new

        new = ledger.tx_now(revoked)
    out.document(key=row["key"], of=row["of"], new=new)
    out.line(f"{'revoked' if new else 'revoked already'}: {row['key']}" + (f" of {safe(row['of'])}" if row["of"] else ""))
    out.note("take it out of the policy file as well, and `baton keys new` makes another one")


def _meant(typed: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The key that was typed; one that stands in no policy has to be typed whole. Raises `Usage`."""
    from contracts.keys import key_id

    if ":" in typed:
        try:
            typed = key_id(typed)
        except ValueError as error:
            raise Usage(f"{safe(typed, 80)!r} is no public key: {error}") from None
    found = [row for row in rows if row["key"].startswith(typed.lower())] if len(typed) >= SHORTEST_ID else []
    if len(found) == 1:
        return found[0]
    if not found and len(typed) == 16 and set(typed.lower()) <= set("0123456789abcdef"):
        return _row(typed.lower(), "", "", "", None)
    there = ", ".join(row["key"] for row in rows) or "none"
    raise Usage(
        f"{safe(typed, 80)!r} names {len(found) or 'no'} keys; give the id of one, all of its 16 digits: there are {there}"
    )
