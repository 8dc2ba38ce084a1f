"""Which choice answers: the order, what breakers and limits rule out, and what a run is told when nobody is left."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.agents.routes import good_enough, steps_up_to
from activities.turns import choices
from activities.turns.choices import Candidate, Passed, Standing
from contracts.agents import Choice, Risk, When
from contracts.breakers import Breakers
from contracts.errors import Misconfigured

CHEAP = Choice(model="a:cheap", quality=1)
OTHER = Choice(model="b:other", quality=1)
SPARE = Choice(model="b:spare", when=("outage",), quality=2)
STRONG = Choice(model="a:strong", when=("invalid", "unsure"), quality=3)
ROUTE = (CHEAP, OTHER, SPARE, STRONG)
NOW = 1_000_000_000


def names(tried: When, route: tuple[Choice, ...] = ROUTE) -> list[tuple[str, str]]:
    """The models in order, each with why it would be chosen."""
    return [(one.choice.model_name, one.chosen) for one in choices.ordered(route, tried)]


def test_first_choices_come_first_and_then_those_for_outages() -> None:
    """An ordinary call never starts with what is only for outages, or for steps up."""
    assert names("first") == [("cheap", "first"), ("other", "first"), ("spare", "outage")]


@pytest.mark.parametrize("tried", ["invalid", "unsure"])
def test_a_step_up_starts_with_the_choices_for_it(tried: When) -> None:
    """After an unusable reply, or an unsure step, the choice for that is asked first, and the usual ones where it is away."""
    assert names(tried)[0] == ("strong", tried)
    assert names(tried)[1:] == names("first")


EAGER = Choice(model="a:eager", when=("first", "outage", "invalid", "unsure"), quality=1)
"""Says of itself that it may be stepped up to: right behind a cheaper choice, and no help where it is the first."""


@pytest.mark.parametrize("tried", ["invalid", "unsure"])
def test_a_choice_is_no_step_up_from_itself(tried: When) -> None:
    """The one that is asked first anyway is passed over for the next that is for it; with none it is an ordinary call."""
    assert names(tried, (CHEAP, EAGER, STRONG))[0] == ("eager", tried)
    assert names(tried, (EAGER, STRONG)) == [("strong", tried), ("eager", "first")]
    assert names(tried, (EAGER,)) == [("eager", "first")]
    assert steps_up_to((EAGER, STRONG), tried) == (STRONG,)
    assert steps_up_to((EAGER,), tried) == ()


@pytest.mark.parametrize("tried", ["invalid", "unsure"])
def test_the_first_of_what_is_reachable_is_no_step_up_either(tried: When) -> None:
    """Where the key of the cheap choice is missing, the one for steps up answers first, and is not asked twice."""
    spare = SPARE.model_copy(update={"when": ("outage", "invalid", "unsure")})
    assert names(tried, (spare,)) == [("spare", "first")]
    assert names(tried, (spare, STRONG)) == [("strong", tried), ("spare", "first")]


def test_without_a_first_choice_the_spare_ones_are_it() -> None:
    """Where the key of every first choice is missing, what is left answers ordinary calls."""
    assert names("first", (SPARE, STRONG)) == [("spare", "first")]


@given(st.lists(st.sampled_from(ROUTE), unique=True), st.sampled_from(["first", "invalid", "unsure"]))
def test_each_choice_is_asked_at_most_once(route: list[Choice], tried: When) -> None:
    """Whatever a route lists: nothing twice, nothing that it does not have."""
    asked = [one.choice for one in choices.ordered(route, tried)]
    assert len(asked) == len({one.model for one in asked})
    assert set(asked) <= set(route)


def breaker(state: str, until: int = 0, reason: str = "server: HTTP 500", probe: str = "", probe_until: int = 0) -> Any:
    """A breaker's row as the ledger gives it."""
    return SimpleNamespace(state=state, until=until, reason=reason, probe=probe, probe_until=probe_until)


BOTH = choices.breakers_of(CHEAP)


def stands(name: str, row: Any, who: str = "me") -> Standing:
    """How the breakers of the cheap choice stand where one of them has this row."""
    return choices.standing(BOTH, {name: row}, who, NOW)


def test_a_closed_breaker_lets_calls_through() -> None:
    """No row, and a row with a few failures, are no obstacle."""
    assert choices.standing(BOTH, {}, "me", NOW) == Standing()
    assert stands("model:a:cheap", breaker("closed")) == Standing()


@pytest.mark.parametrize("name", BOTH)
def test_an_open_breaker_of_model_or_provider_stops_calls(name: str) -> None:
    """Until its time is over nobody calls; then this caller is the one to try it."""
    assert stands(name, breaker("open", until=NOW + 1)).until == NOW + 1
    assert stands(name, breaker("open", until=NOW)) == Standing(probes=(name,))


def test_only_the_prober_calls_while_it_probes() -> None:
    """Others look again soon; the prober itself goes on; a probe that never reported is anybody's."""
    probing = breaker("half_open", probe="me", probe_until=NOW + 60_000_000)
    assert stands("model:a:cheap", probing).probes == ("model:a:cheap",)
    assert stands("model:a:cheap", probing, "another").until == NOW + choices.PROBING
    assert stands("model:a:cheap", breaker("half_open", probe="me", probe_until=NOW), "another").probes == ("model:a:cheap",)


def test_a_script_has_no_breakers() -> None:
    """What a script plays as errors is no outage of anybody."""
    assert choices.breakers_of(Choice(model="scripted:any")) == ()


def test_who_answers_after_an_outage_is_marked_so() -> None:
    """A choice that answers because those before it are away is counted as a step for an outage."""
    second = Candidate(OTHER, "first")
    assert second.after([], ()).chosen == "first"
    assert second.after([Passed("a:cheap", "unfit", "too long")], ()).chosen == "first"
    assert second.after([Passed("a:cheap", "outage", "HTTP 500", NOW)], ()).chosen == "outage"


def test_a_minutes_limit_does_not_use_up_the_spare() -> None:
    """Where a first choice only has to wait for its minute, what is for outages is not asked; other first ones are."""
    limited = [Passed("a:cheap", "rate", "limit", NOW)]
    assert [choices.eligible(one, limited) for one in choices.ordered(ROUTE, "first")] == [True, True, False]


@pytest.mark.parametrize(("tokens", "micros", "fits"), [(100, 50, True), (101, 50, False), (100, 51, False)])
def test_a_choice_has_limits_of_its_own(tokens: int, micros: int, fits: bool) -> None:
    """A call with more input, or that may cost more, than a choice takes is not made there."""
    limited = Choice(model="a:small", context=100, most_micros=50)
    assert (choices.unfit(limited, tokens, micros) is None) == fits
    assert choices.unfit(CHEAP, 10**9, 10**9) is None


SETTINGS = Breakers()


def test_a_run_waits_for_whoever_is_back_first() -> None:
    """It is told the earliest moment, every reason, and how long to be patient."""
    gone = choices.away(
        [Passed("a:x", "outage", "server: 500", NOW + 9), Passed("b:y", "outage", "cut", NOW + 5)], SETTINGS, NOW
    )
    assert gone is not None
    assert (gone.kind, gone.until.microsecond, gone.patience) == ("outage", 5, SETTINGS.patience)
    assert gone.why == "a:x: server: 500; b:y: cut"


def test_what_only_a_person_mends_is_not_waited_for() -> None:
    """A refused key alone: no patience. Beside something that may come back by itself: that is waited for."""
    refused, down = Passed("a:x", "refused", "authentication: 401", NOW + 5), Passed("b:y", "outage", "cut", NOW + 9)
    alone = choices.away([refused], SETTINGS, NOW)
    beside = choices.away([refused, down], SETTINGS, NOW)
    assert alone is not None
    assert beside is not None
    assert (alone.kind, alone.patience) == ("refused", timedelta())
    assert (beside.kind, beside.until.microsecond) == ("outage", 9)


def test_a_call_that_fits_nowhere_is_no_outage() -> None:
    """Where every choice is too small for the call, waiting is not offered."""
    assert choices.away([Passed("a:x", "unfit", "too long")], SETTINGS, NOW) is None


def test_a_class_may_demand_a_minimum() -> None:
    """A minimum for a risk leaves only what is good enough, also for any higher risk; none left is refused with the fix."""
    demands: dict[Risk, int] = {"medium": 2}
    assert good_enough(ROUTE, demands, "low", "worker") == ROUTE
    assert good_enough(ROUTE, demands, "high", "worker") == (SPARE, STRONG)
    with pytest.raises(Misconfigured, match="'worker' needs quality 9 at low risk, and no reachable choice"):
        good_enough(ROUTE, {"low": 9}, "low", "worker")
