"""`baton console password`: gives somebody a password for the console, changes it, or takes it away."""

import sys
from typing import Annotated

import typer

from commands.context import Json, can_ask, named, open_ledger, policy_now, settings
from commands.errors import Usage
from commands.links import check_person
from commands.output import Out, safe
from commands.questions import told_unseen

Whose = Annotated[str | None, typer.Option("--by", help="Whose password it is; default: the current user's.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take the password away; links and a proxy still sign the person in.")]


def password(by: Whose = None, remove: Remove = False, as_json: Json = False) -> None:
    """Give somebody a password for the console, or another one: asked for twice, or one line of stdin. Their sessions end."""
    from console import hashing
    from ledger import passwords

    found, out, person = settings(), Out(as_json=as_json), named("--by", by)
    with open_ledger(found, create=not remove) as ledger:
        if remove:
            there = ledger.tx_now(passwords.remove, person)
            _told(out, person, "removed" if there else "none", "had no password" if not there else "has no password any more")
            return
        check_person(policy_now(found, ledger), person)
        hashed = hashing.made(_typed(person))
        there = ledger.tx_now(passwords.put, person, hashed)
        _told(out, person, "changed" if there else "set", "has another password" if there else "has a password")


def _told(out: Out, person: str, done: str, said: str) -> None:
    out.document(person=person, password=done)
    out.line(f"{safe(person)} {said}; their sessions in the console have ended, and links made for them count no more")


def _typed(person: str) -> str:
    """A password for this person that is taken. Raises `Usage` with what is wrong with it."""
    from contracts.passwords import password_problem

    given = _asked(person) if can_ask() else _read()
    if problem := password_problem(given, person):
        raise Usage(f"this is no password for {safe(person)}: {problem}. Nothing was changed")
    return given


def _asked(person: str) -> str:
    first = told_unseen(f"Password for {safe(person)}")
    if first != told_unseen("The same again"):
        raise Usage("these were two different passwords. Nothing was changed")
    return first


def _read() -> str:
    line = "" if sys.stdin is None else sys.stdin.readline()
    if not line:
        raise Usage("there is no terminal to ask at, and nothing on stdin: write the password there, as one line")
    return line.rstrip("\r\n")
