"""A desk on one machine: a folder for tickets, articles, a guide, and a shop's database."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests.scripts import answer, call, calls, says

ARTICLES = {
    "refunds.md": "# Refunds\n\nA charge that was made twice is paid back to the card within five days.\n\n"
    "# Invoices\n\nEvery invoice is under Orders, as a PDF.\n",
    "sync.md": "# Synchronising fails\n\nSign out, restart the app, and sign in again. Error E-42 then goes away.\n",
    "data.md": "# Your personal data\n\nPersonal data is exported within 30 days, once the identity was proved.\n",
}

GUIDE = """
language = "en"
urgent = ["urgent", "immediately", "asap", "dringend", "sofort"]
order = "\\\\b[A-Z]{2}-[0-9]{4}\\\\b"

[languages]
en = ["the", "my", "please", "was", "is", "i", "you"]
de = ["ich", "bitte", "die", "der", "das", "wurde", "nicht", "meine"]

[categories]
billing = ["charge*", "refund*", "invoice*", "paid", "money back", "rechnung*", "abgebucht", "erstattung"]
technical = ["error*", "crash*", "sync*", "does not work", "fehler*", "app", "funktioniert nicht"]
compliance = ["personal data", "gdpr", "dsgvo", "delete my account", "personenbezogen*"]

[wants]
refund = ["refund*", "money back", "erstattung", "twice", "doppelt"]
repair = ["error*", "crash*", "does not work", "funktioniert nicht"]
information = ["where", "how", "wo", "wie"]
export = ["copy of my personal data", "export"]
deletion = ["delete my account"]

[templates.thanks]
about = "says thank you and asks nothing"
words = ["thank you", "thanks", "danke"]

[templates.hours]
about = "when the shop is open"
words = ["opening hours", "when are you open"]
text = { en = "We are open from 9 to 17, Monday to Friday." }

[templates.twice]
about = "Your charge"
words = ["twice", "doppelt"]
category = "billing"
refund = true
text = { en = "We pay back what {order} was charged twice.", de = "Wir erstatten, was {order} doppelt gekostet hat." }

[templates.invoice]
about = "Your invoice"
words = ["invoice*", "rechnung*"]
category = "billing"
text = { en = "{article}" }

[templates.sync]
about = "Synchronising"
words = ["sync*"]
category = "technical"
text = { en = "This has helped others: {article}" }
"""

SCHEMA = (
    "create table customer (address text primary key, name text not null, since text not null)",
    "create table purchase (number text primary key, address text not null, cents integer not null, "
    "refunded integer not null default 0 check (refunded <= cents))",
)
CUSTOMERS = (("ann@shop.test", "Ann", "2024-03-01"), ("bob@shop.test", "Bob", "2025-07-11"))
ORDERS = (("AB-1001", "ann@shop.test", 4200), ("AB-1002", "ann@shop.test", 900), ("CD-2001", "bob@shop.test", 7700))

QUERIES = {
    "customer": {"about": "a customer", "sql": "select address, name, since from customer where address = :address"},
    "orders": {
        "about": "the customer's orders, and what of them may still be refunded",
        "sql": 'select number as "order", cents - refunded as cents from purchase where address = :address order by number',
    },
}
REFUND = {
    "about": "gives money of an order back",
    "sql": "update purchase set refunded = refunded + :cents where number = :order",
    "parameters": {"order": "text", "cents": "integer"},
    "rows": 1,
}


def customers(count: int) -> list[tuple[str, str, list[str]]]:
    """Address, name and the numbers of two orders of each customer of the corpus."""
    return [
        (f"c{number:03}@shop.test", f"Customer {number}", [f"XY-{1000 + 2 * number}", f"XY-{1001 + 2 * number}"])
        for number in range(count)
    ]


def sorts(category: str = "billing", **more: Any) -> dict[str, Any]:
    """What a sorter says."""
    return {"category": category, "urgency": "normal", "language": "en", "template": "", "why": "by what it asks"} | more


def reads(wanted: str = "information", **more: Any) -> dict[str, Any]:
    """What a reader says."""
    nothing: dict[str, Any] = {"order": None, "cents": None, "terms": ["invoice"], "missing": [], "contradictions": []}
    return {"wanted": wanted, "summary": "They look for an invoice."} | nothing | more


def replies(words: str = "Your invoice is under Orders.", **more: Any) -> dict[str, Any]:
    """What a specialist says."""
    whole = {"subject": "Your invoice", "reply": words, "note": "by refunds.md", "articles": ["refunds.md"]}
    return whole | {"refund": None, "hand_over": ""} | more


BILLING = (
    says("ticket_sorter", answer(sorts())),
    says("ticket_reader", answer(reads())),
    says(
        "billing_specialist",
        calls(call("query", query="orders", parameters=[], limit=None, database=None)),
        calls(call("search_knowledge", words=["invoice"], limit=None, folder=None)),
        answer(replies()),
    ),
)
"""A ticket about an invoice, whoever wrote it."""


def ticket(number: str | int, customer: str, words: str, subject: str = "", **more: Any) -> str:
    """A line of a file of tickets."""
    return json.dumps({"id": number, "from": customer, "subject": subject, "text": words} | more) + "\n"


@dataclass
class Shop:
    """Everything that a desk needs, in one folder. `url` is the shop's database; it is made there."""

    folder: Path
    url: str

    def __post_init__(self) -> None:
        for name in ("inbox", "articles"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name, words in ARTICLES.items():
            (self.folder / "articles" / name).write_text(words)
        (self.folder / "guide.toml").write_text(GUIDE)
        if self.url.startswith("sqlite"):
            Path(self.url.removeprefix("sqlite:///")).touch()
        self.rows(*SCHEMA)
        for row in CUSTOMERS:
            self.rows("insert into customer values ('{}', '{}', '{}')".format(*row))
        for one in ORDERS:
            self.rows("insert into purchase (number, address, cents) values ('{}', '{}', {})".format(*one))

    def settings(self, mail: int) -> dict[str, Any]:
        """As baton.toml would have it. `mail`: the port of a mail server."""
        return {
            "folders": {"inbox": {"path": str(self.folder / "inbox")}, "articles": {"path": str(self.folder / "articles")}},
            "databases": {"crm": {"url": self.url, "queries": QUERIES}},
            "targets": {
                "post": {
                    "kind": "smtp",
                    "host": "127.0.0.1",
                    "port": mail,
                    "tls": "none",
                    "sender": "desk@shop.test",
                    "domains": ["shop.test"],
                },
                "books": {"kind": "sql", "url": self.url, "statements": {"refund": REFUND}},
            },
            "desks": {
                "shop": {
                    "about": "customers of a web shop",
                    "mail": "post",
                    "guide": str(self.folder / "guide.toml"),
                    "knowledge": "articles",
                    "database": "crm",
                    "refund": {"target": "books", "statement": "refund"},
                }
            },
        }

    def known(self, count: int) -> None:
        """Let the database know so many customers of the corpus, with two orders of 25.00 each."""
        people = customers(count)
        self.rows(
            *(f"insert into customer values ('{address}', '{name}', '2024-01-01')" for address, name, _ in people),
            *(
                f"insert into purchase (number, address, cents) values ('{order}', '{address}', 2500)"
                for address, _, orders in people
                for order in orders
            ),
        )

    def file(self, *lines: str, name: str = "tickets.jsonl") -> str:
        """A file of tickets; returns its name."""
        (self.folder / "inbox" / name).write_text("".join(lines))
        return name

    def rows(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the last of these statements gives."""
        engine = create_engine(self.url)
        found: list[tuple[Any, ...]] = []
        with engine.begin() as connection:
            for one in statements:
                result = connection.execute(text(one))
                found = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return found

    def refunded(self) -> dict[str, int]:
        """How many cents of each order were given back, where some were."""
        return {number: cents for number, cents in self.rows("select number, refunded from purchase") if cents}
