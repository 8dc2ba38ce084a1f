"""One action of every kind with an outside, and what its target has of it. `Outside` is passed on to processes as JSON."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pydantic import TypeAdapter
from sqlalchemy.engine import make_url
from temporalio.testing import ActivityEnvironment

from activities.actions.declared import Targets
from activities.actions.deliver import Actions
from activities.actions.every import adapters
from activities.actions.git_push import GitPushAdapter
from activities.actions.sending import Sender
from activities.git import Mirrors
from activities.sandbox import Sandbox
from contracts.actions import Deliver, Receipt
from contracts.base import sha256
from contracts.effects.every import ARGUMENTS
from contracts.effects.targets import Target
from contracts.intents import Arguments, Intent
from ledger import actions, artifacts, feed
from ledger.db import Ledger
from tests.activities.actions.servers import Mail, Web
from tests.ledger.samples import ref
from tests.repositories import plain

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VARIABLES = {"SHOP_KEY": "key-1", "SHOP_SECRET": SECRET}

PAY = {
    "about": "takes an amount off an account",
    "sql": "update account set cents = cents - :cents where name = :name",
    "parameters": {"cents": "integer", "name": "text"},
    "rows": 1,
    "undo": "refund",
}
WRONG = "rate = 19\n"
"""What stands in every file that is to be corrected."""

REFUND = PAY | {"about": "gives it back", "sql": "update account set cents = cents + :cents where name = :name"}
del REFUND["undo"]
POSTS = "import urllib.request as u; u.urlopen('{web}/{{event}}', b'1')"
LOOKS = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("{web}/posted/{{event}}")
except urllib.error.HTTPError as error:
    sys.exit(1 if error.code == 404 else 2)
"""


def tables(folder: Path, web: str, mail: int, postgres: str) -> dict[str, Any]:
    """Every target, as baton.toml would have it."""
    signed = {"kind": "http", "private": True, "key_env": "SHOP_KEY", "secret_env": "SHOP_SECRET"}
    sql = {"kind": "sql", "statements": {"pay": PAY, "refund": REFUND}}
    loaded = {"accounts": {"about": "accounts", "table": "account", "row": str(folder / "row.json"), "key": ["name"]}}
    host = web.removeprefix("http://")
    commands = {
        "deploy": {"about": "deploys", "argv": ["python3", "-c", POSTS.format(web=web)], "check": "deployed"},
        "deployed": {"about": "was it deployed?", "argv": ["python3", "-c", LOOKS.format(web=web)]},
    }
    return {
        "looked-up": signed | {"url": f"{web}/hook", "lookup": f"{web}/taken/{{key}}"},
        "once": signed | {"url": f"{web}/once", "repeats": True},
        "blind": signed | {"url": f"{web}/blind"},
        "books": sql | {"url": f"sqlite:///{folder}/books.db", "tables": loaded},
        "accounts": sql | {"url": postgres},
        "notices": {"kind": "folder", "path": str(folder / "notices")},
        "post": {
            "kind": "smtp",
            "host": "127.0.0.1",
            "port": mail,
            "tls": "none",
            "sender": "shop@example.org",
            "domains": ["example.org"],
        },
        "host": {"kind": "github", "api": web, "private": True, "repositories": ["olga/shop"]},
        "machine": {"kind": "commands", "folder": str(folder / "machine"), "hosts": [host], "commands": commands},
    }


def wanted(origin: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """One action of every kind: its adapter and arguments, by the name of its case."""
    head, tree = plain(origin, "rev-parse", "main", "main^{tree}").split()
    post = {"event": "refund/7", "body": {"amount": 7}}
    pay = {"event": "pay/7", "statement": "pay", "values": {"cents": 7, "name": "olga"}}
    return {
        "looked-up": ("http.post", post | {"target": "looked-up"}),
        "once": ("http.post", post | {"target": "once"}),
        "blind": ("http.post", post | {"target": "blind"}),
        "sqlite": ("sql.execute", pay | {"target": "books"}),
        "postgres": ("sql.execute", pay | {"target": "accounts"}),
        "load": (
            "sql.load",
            {"target": "books", "table": "accounts", "file": "a.csv", "digest": "a" * 64, "plan": "b" * 64, "rows": 1},
        ),
        "file": ("file.write", {"target": "notices", "path": "a/today.txt", "text": "closed\n"}),
        "edit": (
            "file.write",
            {"target": "notices", "path": "shop.ini", "text": "rate = 7\n", "replaces": sha256(WRONG.encode())},
        ),
        "mail": (
            "email.send",
            {"target": "post", "event": "hello/7", "to": ["olga@example.org"], "subject": "Hello", "text": "We are closed.\n"},
        ),
        "deploy": ("command.run", {"target": "machine", "event": "deploys/7", "command": "deploy"}),
        "push": (
            "git.push",
            {"repository": str(origin), "base": head, "tree": tree, "branch": "pushed", "message": "Fix it\n"},
        ),
        "note": ("note", {"run": ref().model_dump(mode="json"), "name": "noted", "text": "It is closed."}),
        "revert": ("git.revert", {"repository": str(origin), "commit": head, "onto": head, "branch": "back"}),
        "pull": (
            "git.open_pull_request",
            {
                "target": "host",
                "repository": "olga/shop",
                "head": "fix",
                "base": "main",
                "title": "Fix it",
                "body": "It is fixed.",
            },
        ),
        "comment": (
            "git.comment",
            {"target": "host", "repository": "olga/shop", "number": 7, "event": "fixed/7", "text": "It is fixed."},
        ),
    }


@dataclass(frozen=True)
class Outside:
    """Where everything is, for another process too."""

    folder: Path
    ledger: str
    web: str
    mail: int
    postgres: str
    origin: Path

    def passed_on(self) -> str:
        """For another process."""
        return json.dumps({name: str(value) for name, value in vars(self).items()})

    @classmethod
    def passed(cls, text: str) -> "Outside":
        """What another process passed on."""
        said = json.loads(text)
        paths = {name: Path(said[name]) for name in ("folder", "origin")}
        return cls(**(said | paths | {"mail": int(said["mail"])}))

    def targets(self) -> Targets:
        """As a worker has them."""
        read: dict[str, Target] = TypeAdapter(dict[str, Target]).validate_python(
            tables(self.folder, self.web, self.mail, self.postgres)
        )
        return Targets(read, lambda name: VARIABLES.get(name, ""))

    def open(self) -> Ledger:
        """The ledger."""
        return Ledger(self.ledger, self.folder / "artifacts")

    def actions(self, ledger: Ledger, broken: Callable[[Any], Any] = lambda found: found) -> Actions:
        """A worker's activities, with adapters that are all changed by `broken`."""
        mirrors = Mirrors(self.folder / "mirrors")
        read = lambda digest: ledger.read_now(artifacts.get, ledger.files, digest)  # noqa: E731
        found = adapters(
            ledger,
            self.targets(),
            GitPushAdapter(mirrors, read),
            mirrors,
            Sandbox.find,
            self.folder / "commands",
            "Baton <baton@localhost>",
        )
        return Actions(ledger, Sender(ledger, {name: broken(one) for name, one in found.items()}, "worker-1"))

    def prepare(self) -> None:
        """What is there before anything is done."""
        (self.folder / "notices").mkdir()
        (self.folder / "machine").mkdir()
        row = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        (self.folder / "row.json").write_text(json.dumps(row))
        with sqlite3.connect(self.folder / "books.db") as books:
            books.executescript("create table account (name text primary key, cents integer not null check (cents >= 0));")
            books.execute("insert into account values ('olga', 1000)")
        books.close()
        with self._postgres() as accounts:
            accounts.execute("create table account (name text primary key, cents integer not null check (cents >= 0))")
            accounts.execute("insert into account values ('olga', 1000)")

    def paid(self) -> dict[str, int]:
        """How often 7 cents were taken off in each database."""
        books = sqlite3.connect(self.folder / "books.db")
        found = {"sqlite": books.execute("select cents from account").fetchone()[0]}
        books.close()
        with self._postgres() as accounts:
            row = accounts.execute("select cents from account").fetchone()
            found["postgres"] = row[0] if row else 0
        return {name: (1000 - cents) // 7 for name, cents in found.items()}

    def opened(self) -> int:
        """How many loads are opened in the SQLite database."""
        books = sqlite3.connect(self.folder / "books.db")
        there = books.execute("select 1 from sqlite_master where name = 'baton_action'").fetchone()
        query = "select count(*) from baton_action where reference like 'load of %'"
        found: int = books.execute(query).fetchone()[0] if there else 0
        books.close()
        return found

    def _postgres(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(make_url(self.postgres).set(drivername="postgresql").render_as_string(hide_password=False))

    def effects(self, web: Web, mail: Mail, ledger: Ledger) -> Mapping[str, int]:
        """How often each target was acted on, by the books of the targets themselves, which are on the disk."""
        made = self._commits()
        return {
            "looked-up": web.kept.count("/hook"),
            "once": web.kept.count("/once"),
            "blind": web.kept.count("/blind"),
            **self.paid(),
            "load": self.opened(),
            "file": len(list((self.folder / "notices").rglob("*.txt"))),
            "edit": len([one for one in (self.folder / "notices").rglob("*.ini") if one.read_text() != WRONG]),
            "mail": len(mail.kept),
            "deploy": len([path for path in web.kept if path.endswith("deploys/7")]),
            "push": made.count("pushed"),
            "note": len([line for line in ledger.read_now(feed.after, limit=10_000) if line.did.startswith("note ")]),
            "revert": made.count("back"),
            "pull": len([path for path in web.kept if path.endswith("/pulls")]),
            "comment": len([path for path in web.kept if path.endswith("/comments")]),
        }

    def _commits(self) -> list[str]:
        """For each commit that the origin has beside main, the last part of the name of its branch."""
        names = plain(self.origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        counts = {name: int(plain(self.origin, "rev-list", "--count", f"main..{name}")) for name in names}
        return [name.rpartition("/")[2] for name, count in counts.items() for _ in range(count)]


def approved(ledger: Ledger, adapter: str, arguments: dict[str, Any]) -> Intent:
    """An approved action in the outbox."""
    read: Any = ARGUMENTS[adapter].read_typed_by_people(arguments)
    meant: Arguments = read
    ledger.tx_now(artifacts.put, ledger.files, meant.stored(), "application/json")
    intent = Intent.of(adapter, meant, read.summary() if hasattr(read, "summary") else f"{adapter} {meant.key()[:8]}")
    ledger.tx_now(actions.propose, intent, trace="trace-1", gate="action-1", state="approved")
    return intent


async def deliver(sender: Actions, intent: Intent, trace: str = "trace-1") -> Receipt:
    """One attempt."""
    return await ActivityEnvironment().run(sender.deliver, Deliver(run=ref(trace), key=intent.key))


def deliver_now(sender: Actions, intent: Intent) -> Receipt:
    """The same where no loop runs."""
    return asyncio.run(deliver(sender, intent))
