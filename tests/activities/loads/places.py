"""A folder with files, a database with a table, and a worker's activities that load from the one into the other."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import create_engine, text
from temporalio.testing import ActivityEnvironment

from activities.actions.declared import Targets
from activities.actions.sql_load import SqlLoadAdapter
from activities.loads.comparisons import Comparisons
from activities.loads.loads import Loads
from activities.loads.sources import Sources
from activities.resources import Resources
from contracts.effects.targets import Target
from contracts.load import (
    CompareSides,
    Counted,
    CountLoad,
    Counts,
    Examined,
    ExamineSource,
    LoadBatch,
    PlanLoad,
    Planned,
    ReconcileTable,
)
from contracts.load_input import LoadInput
from contracts.reconcile import Reconciled
from contracts.step_resources import FolderSetting
from contracts.tables import Mapping
from ledger import artifacts
from ledger.db import Ledger
from tests import ledgers
from tests.ledger.samples import NOW, ref

T = TypeVar("T")

CONTRACT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "customer": {"type": "string", "maxLength": 20},
        "amount": {"type": "number", "multipleOf": 0.01, "minimum": 0},
        "placed": {"type": "string", "format": "date"},
    },
    "required": ["id", "customer", "amount"],
}
TABLE = "id bigint primary key, customer text not null, amount numeric(12,2) not null check (amount < 100000), placed date"
MAPPING = {"columns": [{"to": name, "source": name} for name in ("id", "customer", "amount", "placed")]}
HEADER = "id,customer,amount,placed\n"

STATEMENTS = {
    "add": {
        "about": "adds an order",
        "sql": "insert into orders (id, customer, amount, placed) values (:id, :customer, cast(:amount as numeric), null)",
        "parameters": {"id": "integer", "customer": "text", "amount": "decimal"},
    },
    "fix": {
        "about": "corrects an order",
        "sql": "update orders set customer = :customer, amount = cast(:amount as numeric) where id = :id",
        "parameters": {"id": "integer", "customer": "text", "amount": "decimal"},
        "rows": 1,
    },
    "drop": {
        "about": "removes an order",
        "sql": "delete from orders where id = :id",
        "parameters": {"id": "integer"},
        "rows": 1,
    },
}


def csv(*rows: str) -> str:
    """A file of orders."""
    return HEADER + "".join(f"{row}\n" for row in rows)


def now(work: Awaitable[T]) -> T:
    """The result of an activity, where no loop runs."""

    async def whole() -> T:
        return await work

    return asyncio.run(whole())


def tables(url: str, contract: Path, **more: Any) -> dict[str, Any]:
    """The target `books` with the table `orders`, as baton.toml would have it."""
    table = {"about": "orders of customers", "table": "orders", "row": str(contract), "key": ["id"]} | more
    corrections = {"insert": "add", "update": "fix", "delete": "drop"}
    return {
        "books": {
            "kind": "sql",
            "url": url,
            "statements": STATEMENTS,
            "tables": {"orders": {"corrections": corrections} | table},
        }
    }


@dataclass
class Place:
    """Everything that a load needs, on one machine."""

    folder: Path
    url: str
    more: dict[str, Any] = field(default_factory=dict)
    """Of the table's settings."""

    def __post_init__(self) -> None:
        (self.folder / "inbox").mkdir(exist_ok=True)
        self.contract = self.folder / "order.json"
        self.contract.write_text(json.dumps(CONTRACT))
        self.ledger = Ledger(f"sqlite:///{self.folder / 'load-ledger.db'}", self.folder / "artifacts")
        ledgers.migrate(self.ledger)

    @property
    def targets(self) -> Targets:
        """As a worker has them."""
        found: dict[str, Target] = TypeAdapter(dict[str, Target]).validate_python(tables(self.url, self.contract, **self.more))
        return Targets(found)

    @property
    def sources(self) -> Sources:
        """As a worker has them."""
        folders = {"inbox": FolderSetting(path=self.folder / "inbox")}
        read = lambda digest: self.ledger.read_now(artifacts.get, self.ledger.files, digest)  # noqa: E731
        return Sources(Resources(folders=folders), self.folder / "copies", read)

    @property
    def loads(self) -> Loads:
        """The activities of a worker that has just been started."""
        return Loads(self.ledger, self.targets, self.sources)

    def file(self, content: str | bytes, name: str = "orders.csv") -> str:
        """A file in the folder; returns its name."""
        (self.folder / "inbox" / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def asked(self, name: str = "orders.csv", **more: Any) -> LoadInput:
        """An input."""
        whole = {"target": "books", "table": "orders", "folder": "inbox", "file": name} | more
        return LoadInput.read_typed_by_people({key: value for key, value in whole.items() if value is not None})

    def do(self, activity: Callable[[Any], Awaitable[T]], request: Any) -> T:
        """The answer of one attempt at an activity."""
        return now(ActivityEnvironment().run(activity, request))  # type: ignore[no-any-return]

    def examined(self, **more: Any) -> Examined:
        """What a file and its table are."""
        return self.do(self.loads.examine_source, ExamineSource(run=ref(), asked=self.asked(**more)))

    def planned(self, mapping: dict[str, Any] = MAPPING, **more: Any) -> Planned:
        """A plan, with its dry run."""
        read = Mapping.model_validate(mapping)
        request = PlanLoad(run=ref(), examined=self.examined(**more), asked=self.asked(**more), mapping=read)
        return self.do(self.loads.plan_load, request)

    def approved(self, planned: Planned) -> None:
        """As if a person had approved it: the load is opened at the target."""
        assert planned.problem == ""
        SqlLoadAdapter(self.targets).send(planned.arguments.encode(), NOW)

    def batch(self, planned: Planned, number: int = 0) -> Counts:
        """Load one batch."""
        assert planned.intent is not None
        request = LoadBatch(run=ref(), key=planned.intent.key, plan=planned.plan, number=number)
        return self.do(self.loads.load_batch, request)

    def count(self, planned: Planned) -> Counted:
        """What the target has."""
        assert planned.intent is not None
        return self.do(self.loads.count_load, CountLoad(run=ref(), key=planned.intent.key, plan=planned.plan))

    def loaded(self, content: str | bytes, mapping: dict[str, Any] = MAPPING, name: str = "orders.csv", **more: Any) -> Counted:
        """A whole load of a file with this content."""
        self.file(content, name)
        planned = self.planned(mapping, name=name, **more)
        self.approved(planned)
        for number in range(planned.batches):
            self.batch(planned, number)
        return self.count(planned)

    def reconciled(self, content: str, mapping: dict[str, Any] = MAPPING, **more: Any) -> Reconciled:
        """A file compared with the table."""
        whole = {"file": None, "reconcile": self.file(content)} | more
        read = Mapping.model_validate(mapping)
        request = ReconcileTable(run=ref(), examined=self.examined(**whole), asked=self.asked(**whole), mapping=read)
        return self.do(self.loads.reconcile_table, request)

    def compared(self, **asked: Any) -> Reconciled:
        """Two files, or two tables, compared."""
        whole = {"file": None, **({"target": None, "table": None} if "against" in asked else {"folder": None})} | asked
        request = CompareSides(run=ref(), asked=self.asked(**whole))
        return self.do(Comparisons(self.ledger, self.targets, self.sources).compare_sides, request)

    def bad(self, counted: Counted) -> list[dict[str, Any]]:
        """The rows in quarantine."""
        lines = b"".join(self.sources.read(digest) for digest in counted.counts.quarantine).splitlines()
        return [json.loads(line) for line in lines]

    def rows(self, query: str = "select id, customer, amount, placed from orders order by id") -> list[Any]:
        """What the database has, numbers and dates as text."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            result = connection.execute(text(query))
            found = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return found
