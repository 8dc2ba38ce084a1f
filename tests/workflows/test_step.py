"""A step's outcome is what its agent said, whatever stands beside it: only one that is done gives its body as such."""

import pytest

from contracts.delivery.writing import WriteSummary
from contracts.handoff import Handoff, Outcome, Producer
from workflows.kit.ends import Ended
from workflows.kit.step import CouldNot, Done, Step, Unsure

BODY = WriteSummary(summary="did it", how_it_meets=("it does",))


def step(outcome: Outcome, body: WriteSummary | None = BODY) -> Step[WriteSummary]:
    """How a step of the agent `helper` ended."""
    handoff = Handoff[WriteSummary](
        id="a" * 64,
        contract_name="write_summary/1",
        outcome=outcome,
        body=body,
        reason="" if outcome == "done" else "the reason",
        producer=Producer(agent="helper"),
        trace="t",
        path="ask",
    )
    return Step(handoff, None, "{}")


def test_each_outcome_is_told_apart() -> None:
    """An unsure step may have a body and is not done for that; one that could not has none."""
    assert step("done").ended == Done(BODY)
    assert step("unsure").ended == Unsure("the reason", BODY)
    assert step("unsure", None).ended == Unsure("the reason", None)
    assert step("could_not").ended == step("could_not", None).ended == CouldNot("the reason")


@pytest.mark.parametrize(("outcome", "said"), [("unsure", "is unsure"), ("could_not", "could not")])
def test_a_body_that_is_needed_ends_the_run_where_it_is_not_done(outcome: Outcome, said: str) -> None:
    """With the agent and its reason, and not with a body that nobody vouches for."""
    assert step("done").needed() == BODY
    with pytest.raises(Ended) as ended:
        step(outcome).needed()
    assert (ended.value.state, ended.value.reason) == ("could_not", f"helper {said}: the reason")


def test_what_stands_in_gets_the_reason() -> None:
    """Only where the step is not done."""
    other = WriteSummary(summary="the reason", how_it_meets=())
    assert step("done").or_else(lambda why: WriteSummary(summary=why, how_it_meets=())) == BODY
    for outcome in ("unsure", "could_not"):
        assert step(outcome).or_else(lambda why: WriteSummary(summary=why, how_it_meets=())) == other


def test_a_body_as_far_as_there_is_one_comes_with_a_word() -> None:
    """Who takes half a result is told that it is one."""
    told: list[str] = []
    assert step("done").as_far(told.append) == BODY
    assert told == []
    assert (step("unsure").as_far(told.append), step("could_not").as_far(told.append)) == (BODY, None)
    assert told == ["is unsure: the reason", "could not: the reason"]
