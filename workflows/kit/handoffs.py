"""Handoffs that the coordinator makes itself because no agent made one."""

from typing import Any

from contracts.base import Contract, canonical, sha256
from contracts.handoff import Handoff, Outcome, Producer
from contracts.ids import handoff_id
from contracts.runs import RunRef


def made_by_us(run: RunRef, name: str, outcome: Outcome, reason: str, body: Contract | None = None) -> Handoff[Any]:
    """A handoff made by the coordinator. `body`: computed by code; None: without a body."""
    raw, reason = None if body is None else body.model_dump(mode="json"), reason[:4000]
    return Handoff[Any](
        id=handoff_id(run.trace, run.path, sha256(canonical([raw, reason]))),
        contract_name=body.contract if body is not None else "",
        outcome=outcome,
        body=raw,
        reason=reason,
        producer=Producer(agent=name),
        trace=run.trace,
        path=run.path,
    )
