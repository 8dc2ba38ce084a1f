"""Ledgers with runs, calls and outcomes in them, written by the product's own functions."""

import itertools
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from contracts.agents import AgentPin
from contracts.base import canonical, digest_of, sha256
from contracts.gates import GateKind
from contracts.handoff import Handoff, Outcome, Producer
from contracts.ids import handoff_id
from contracts.runs import RunChange, RunState
from ledger import gates, handoffs, runs, turns
from ledger.db import Ledger
from ledger.money import spend
from ledger.money.spend import About, Scope
from ledger.turns import NewTurn
from tests.ledger import samples

DAY = "2020-03-10"
"""The day and month whose ceilings count: none that a test runs in."""
MONTH = f"month:{DAY[:7]}"
CEILING = 10**12
NUMBERS = itertools.count()
"""Every book has traces of its own: some share a ledger."""


class Book:
    """One run family. Each method does what a worker does at that point."""

    def __init__(self, ledger: Ledger, **changes: Any) -> None:
        self.ledger = ledger
        self.trace = f"trace-{next(NUMBERS)}"
        scripted = changes.pop("scripted", False)
        asked, began = samples.begin(self.trace, **changes)
        if scripted:
            began = began.model_copy(update={"agents": {"planner": _played()}})
        self.project = asked.run.project
        ledger.tx_now(runs.begin, asked, began)

    def reserve(self, key: str, amount: int, *, agent: str = "planner@v1", model: str = "a:one", path: str = "plan") -> str:
        """Hold money for one attempt of a call."""
        scopes = [
            Scope(f"run:{self.trace}", CEILING),
            Scope(f"agent:{agent.partition('@')[0]}:{DAY}", CEILING),
            Scope(MONTH, CEILING),
        ]
        about = About(self.trace, path, self.project, agent.partition("@")[0], model)

        def reserved(connection: Connection) -> str:
            spend.lose_earlier(connection, key)
            return spend.reserve(connection, key, scopes, amount, price_version="test", worker="w", about=about)

        return self.ledger.tx_now(reserved)

    def close(self, made: str, how: str) -> None:
        """End an attempt without a reply."""
        self.ledger.tx_now(spend.close, made, how)

    def settle(self, made: str, cost: int | None) -> int:
        """Charge an attempt that was answered."""
        return self.ledger.tx_now(spend.settle, made, cost)

    def call(self, key: str, amount: int, cost: int | None, *, after: str = "", **changes: Any) -> NewTurn:
        """One whole call, reserved, settled and stored. `changes` are those of the turn."""
        at = {name: changes[name] for name in ("agent", "path") if name in changes}
        made = self.reserve(key, amount, model=changes.get("model_asked", "a:one"), **at)
        return self.store(key, self.settle(made, cost), after=after, flagged=cost is None, **changes)

    def store(self, key: str, charged: int, *, after: str = "", **changes: Any) -> NewTurn:
        """Keep an answer that has been paid."""
        plain = replace(samples.turn(0, after, trace=self.trace), id=key, usd_micros=charged, model_asked="a:one")
        new = replace(plain, **changes)
        self.ledger.tx_now(turns.insert, new)
        return new

    def answer(
        self, path: str, outcome: Outcome = "done", said: str = "", inputs: tuple[str, ...] = (), degraded: str = ""
    ) -> Handoff[Any]:
        """Keep a step's handoff; one that a fallback made is stamped."""
        body = {"said": said or path}
        made = Handoff[Any](
            id=handoff_id(self.trace, path, sha256(canonical(body))),
            contract_name="plan/1",
            outcome=outcome,
            reason="" if outcome == "done" else "because",
            body=body,
            producer=Producer(agent="planner", version="v1"),
            inputs=inputs,
            trace=self.trace,
            path=path,
            degraded=degraded,
        )
        stored = canonical(made.model_dump(mode="json"))
        self.ledger.tx_now(handoffs.put, made, sha256(canonical(body)), stored)
        return made

    def ask(self, revision: int, subject: Handoff[Any], kind: GateKind = "plan") -> None:
        """Put a handoff to a gate."""
        digest = sha256(canonical(subject.body))
        changes = {"trace": self.trace, "revision": revision, "subject": digest, "project": self.project, "kind": kind}
        self.ledger.tx_now(gates.open_gate, samples.opening(samples.view(f"{kind}-{revision}", **changes)))

    def end(self, state: RunState = "done") -> None:
        """End the run."""
        assert self.ledger.tx_now(runs.change, samples.ref(self.trace), RunChange(state=state)) is None


def key(*parts: object) -> str:
    """The id of a turn."""
    return digest_of(*(str(part) for part in parts))


def _played() -> AgentPin:
    """An agent that a script plays."""
    named = {"name": "planner", "version": "v1", "digest": digest_of("agent"), "scripted": True}
    return AgentPin.model_validate(named | {"takes": "plan_task/1", "returns": "plan/1"})
