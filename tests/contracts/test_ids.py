"""Keys: the same thing always gets the same one, and no two different things share one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.actions import GitPush
from contracts.ids import (
    business_key,
    handoff_id,
    repository_name,
    slug,
    turn_key,
    w3c_span_id,
    w3c_trace_id,
)

FIVE = st.tuples(*[st.text(max_size=6)] * 5)
THREE = st.tuples(*[st.text(max_size=6)] * 3)
PUSH = GitPush(repository="r", base="b", tree="t", branch="x", message="m")


@given(FIVE, FIVE)
def test_two_turns_never_share_a_key(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Trace, path, head, agent and task: a difference in any of them is another turn."""
    assert (turn_key(*one) == turn_key(*other)) == (one == other)


@given(FIVE, st.integers(0, 4))
def test_each_part_alone_makes_another_turn(parts: tuple[str, ...], place: int) -> None:
    """Also where all the others are the same."""
    other = [*parts[:place], parts[place] + "x", *parts[place + 1 :]]
    assert turn_key(*parts) != turn_key(*other)


@given(FIVE, st.integers(0, 3))
def test_what_stands_in_one_part_does_not_slip_into_the_next(parts: tuple[str, ...], place: int) -> None:
    """The same characters distributed otherwise are another turn."""
    moved = list(parts)
    moved[place], moved[place + 1] = parts[place] + "x", parts[place + 1]
    other = list(parts)
    other[place], other[place + 1] = parts[place], "x" + parts[place + 1]
    assert turn_key(*moved) != turn_key(*other)


@given(FIVE, st.lists(st.text(max_size=6), max_size=3))
def test_what_enters_the_prompt_counts_where_a_conversation_begins(parts: tuple[str, ...], inputs: list[str]) -> None:
    """Other handoffs in the first prompt are another turn; later turns hang on the first and name them no more."""
    first, later = (*parts[:2], "", *parts[3:]), (*parts[:2], "head", *parts[3:])
    assert (turn_key(*first, inputs) == turn_key(*first)) == (inputs == [])
    assert turn_key(*later, inputs) == turn_key(*later)


@given(THREE)
def test_keys_of_different_kinds_never_meet(parts: tuple[str, str, str]) -> None:
    """A handoff, an action and a turn made of the same words have different keys."""
    made = {handoff_id(*parts), business_key(*parts), turn_key(*parts, "", ""), w3c_span_id(*parts), w3c_trace_id(parts[0])}
    assert len(made) == 5


@given(
    st.text(max_size=6),
    st.lists(st.text(max_size=6), max_size=3),
    st.text(max_size=6),
    st.lists(st.text(max_size=6), max_size=3),
)
def test_two_events_never_share_a_key(kind: str, parts: list[str], other_kind: str, other: list[str]) -> None:
    """The action's type counts, and how many parts there are."""
    same = (kind, parts) == (other_kind, other)
    assert (business_key(kind, *parts) == business_key(other_kind, *other)) == same


def test_a_push_is_one_event_whatever_its_message() -> None:
    """This tree on this branch of this repository; other words make other arguments of the same event."""
    worded = PUSH.model_copy(update={"message": "other"})
    assert PUSH.key() == worded.key()
    assert PUSH.stored() != worded.stored()
    for field in ("repository", "tree", "branch"):
        assert PUSH.model_copy(update={field: "else"}).key() != PUSH.key()


def test_keys_never_change() -> None:
    """Ledgers of years ago are found by these keys: they were written down once."""
    assert turn_key("t", "p", "", "a", "k") == "56af5f2c1e21f20bba44616ea56f28f3854e51a53e75c28141e15b1349f37138"
    assert handoff_id("t", "p", "d") == "03905eee05fcc40b5f6e8be180d033def0725afd3b5d34b3a1eaa615b42585c6"
    assert PUSH.key() == "e6e2107c0ba4df18add9115c7c8f9778fcdb7e87676eef8c7018f601e4c75b64"


@given(st.text())
def test_tracing_ids_have_the_form_of_the_standard(text: str) -> None:
    """32 and 16 hex digits, as other tools expect, and not all zeros."""
    assert re.fullmatch(r"[0-9a-f]{32}", w3c_trace_id(text))
    assert re.fullmatch(r"[0-9a-f]{16}", w3c_span_id(text))
    assert int(w3c_trace_id(text), 16)
    assert int(w3c_span_id(text), 16)


@given(st.text(), st.integers(1, 60))
def test_a_slug_is_a_name_anywhere(text: str, limit: int) -> None:
    """Lower-case words joined by single hyphens, none at an end, short, never empty, and itself when slugged again."""
    made = slug(text, limit)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", made)
    assert len(made) <= limit
    assert slug(made, limit) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("Add a /health endpoint!", "add-a-health-endpoint"),
        ("", "x"),
        ("漢字", "x"),
        ("../../etc/passwd", "etc-passwd"),
        ("a" * 50, "a" * 40),
        ("x" * 39 + " yz", "x" * 39),
    ],
)
def test_slugs_as_people_see_them(text: str, made: str) -> None:
    """Examples of branch and folder names."""
    assert slug(text) == made


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("https://example.com/team/My.Repo.git", "my-repo"),
        ("git@example.com:team/tool.git", "tool"),
        ("/srv/code/tool/", "tool"),
        ("C:\\code\\tool", "tool"),
        (".", "x"),
    ],
)
def test_a_repository_is_called_by_its_last_part(repository: str, name: str) -> None:
    """From a URL, an address or a path."""
    assert repository_name(repository) == name
