"""Where the arguments of a gate's actions come from: those that decide something and stand only in text from outside."""

import json
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from contracts.base import sha256
from contracts.errors import NotFound
from contracts.gate_requests import OpenGate
from contracts.risk import HIGH, Sign
from contracts.sinks import sinks_of
from ledger import artifacts, outside


def from_outside(
    connection: Connection, files: Path, request: OpenGate, types: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[Sign, ...]]:
    """Facts that say where such arguments stand, and what they are for the risk. It only reads.

    `types` says which adapter each type of action has. Arguments that nobody has stored yet are told by no fact: the action
    itself is judged from its bytes.
    """
    facts, signs = list[str](), list[Sign]()
    for intent in request.intents:
        if intent.taint:
            facts.append(f"{intent.type} was made from outside text: {', '.join(intent.taint)}")
        given = request.subject if sha256(request.subject.encode()) == intent.arguments else ""
        try:
            arguments = json.loads(given or artifacts.get(connection, files, intent.arguments))
        except (NotFound, artifacts.ArtifactDamaged):
            continue  # nothing can be approved with such bytes: who carries it out reads them as well
        tainted = intent.taint or outside.sources_of(connection, request.gate.trace)
        sinks = sinks_of(types.get(intent.type, intent.type), arguments, intent.fixed) if tainted else ()
        for one in outside.only_outside(connection, files, request.gate.trace, sinks):
            facts.append(str(one))
            signs.append(Sign(level=HIGH, why=one.brief))
    return tuple(dict.fromkeys(facts)), tuple(signs)
