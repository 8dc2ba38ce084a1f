"""The search attributes by which runs and gates are found in Temporal. Below workflows, which set them."""

import json
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

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

KEYWORD_BYTES = 1000
"""Bytes of a search attribute as JSON. The server takes 2048, and ends a run that sets more."""


def keyword(text: str) -> str:
    """The text as a search attribute: short enough for the server also where JSON writes its characters as codes."""
    shown = text
    while len(json.dumps(shown)) > KEYWORD_BYTES:
        shown = shown[: len(shown) * 3 // 4]
    return shown if shown == text else shown + "…"


def start_attributes(project: str, owner: str) -> TypedSearchAttributes:
    """Attributes to set at the start if the owner is known; the run then needs no event of its own for them."""
    wanted = {PROJECT: project, OWNER: keyword(owner), STATE: "working", STAGE: "intake"}
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in wanted.items()])
