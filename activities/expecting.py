"""What a run is expected to cost, told where somebody decides whether it goes on."""

from sqlalchemy import Connection

from contracts.gates import OpenGate
from ledger.figures_expected import NO_HISTORY, expected_of


def with_expected_cost(connection: Connection, request: OpenGate) -> OpenGate:
    """A plan gate with what the run will cost among its facts, going by runs like it. What is decided on stays the same."""
    if request.gate.kind != "plan":
        return request
    expected = expected_of(connection, request.gate.trace)
    fact = f"expected cost of the run: {expected.text if expected is not None else NO_HISTORY}"
    return request.model_copy(update={"gate": request.gate.model_copy(update={"facts": (*request.gate.facts, fact)})})
