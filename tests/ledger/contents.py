"""What the tests of views put into a ledger."""

from typing import Any

from sqlalchemy import Connection

from contracts.base import ArtifactRef, Contract, digest_of
from contracts.delivery.change import ChangeSubject
from contracts.delivery.plan import Criterion, Plan, PlanItem
from contracts.handoff import Handoff, Producer
from ledger import artifacts, gates, handoffs, runs
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import About, Scope
from tests.ledger import samples

ITEM = PlanItem(
    id="louder",
    intent="say it louder",
    files=("say.py",),
    settings=(),
    acceptance=(Criterion(text="it is loud", shown_by=None),),
    depends_on=(),
)
PLAN = Plan(summary="say it louder", items=(ITEM,), risks=("it is loud",), check=None)


def begin(ledger: Ledger, trace: str = "trace-1", **changes: Any) -> None:
    """A run that was let in."""
    assert ledger.tx_now(runs.begin, *samples.begin(trace, **changes)) is None


def gate(ledger: Ledger, **changes: Any) -> None:
    """An open gate."""
    ledger.tx_now(gates.open_gate, samples.opening(samples.view(**changes)))


def kept(ledger: Ledger, subject: Contract) -> str:
    """The digest under which a subject is kept."""
    return ledger.tx_now(artifacts.put, ledger.files, subject.stored()).digest


def change(patch: str) -> ChangeSubject:
    """What a change gate is about."""
    return ChangeSubject(
        repository="shop",
        base="b" * 40,
        tree="c" * 40,
        branch="louder",
        patch=ArtifactRef(digest=patch, size=1, media_type="text/plain"),
        message="Say it louder",
        verdict="passed",
        report=digest_of("report"),
    )


def handoff_of(connection: Connection, *paths: str, digest: str = "") -> None:
    """A handoff of the planner from each of these steps, with this body where one is named."""
    for path in paths:
        made = Handoff[Any](
            id=digest_of("handoff", path),
            contract_name="git_push/1",
            outcome="done",
            producer=Producer(agent="planner"),
            trace="trace-1",
            path=path,
        )
        handoffs.put(connection, made, digest or digest_of("body", path), made.model_dump_json().encode())


def reserved(connection: Connection, key: str, agent: str) -> str:
    """The id of five micro-dollars that are held for a call."""
    about = About(trace="trace-1", agent=agent, model="openai:small")
    scopes = [Scope("month:2026-11", 100)]
    return spend.reserve(connection, key, scopes, 5, price_version="list", worker="worker-1", about=about)
