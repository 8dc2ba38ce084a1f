"""The search attributes under which runs and gates are found in Temporal's lists."""

from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from workflows.kit.bounds import keyword

PROJECT = SearchAttributeKey.for_keyword("Project")
OWNER = SearchAttributeKey.for_keyword("Owner")
STAGE = SearchAttributeKey.for_keyword("Stage")
STATE = SearchAttributeKey.for_keyword("State")
GATE = SearchAttributeKey.for_keyword("Gate")
OUTCOME = SearchAttributeKey.for_keyword("Outcome")
NEEDS_HUMAN = SearchAttributeKey.for_bool("NeedsHuman")
GATE_DEADLINE = SearchAttributeKey.for_datetime("GateDeadline")
COST_USD = SearchAttributeKey.for_float("CostUsd")

SEARCH_ATTRIBUTES: tuple[SearchAttributeKey[Any], ...] = (
    PROJECT,
    OWNER,
    STAGE,
    STATE,
    GATE,
    OUTCOME,
    NEEDS_HUMAN,
    GATE_DEADLINE,
    COST_USD,
)


def start_attributes(project: str, owner: str) -> TypedSearchAttributes:
    """What a starter that knows the owner gives along with the start: the run then needs no event to set it."""
    wanted = {PROJECT: project, OWNER: keyword(owner), STATE: "working", STAGE: "intake"}
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in wanted.items()])
