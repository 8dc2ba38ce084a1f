"""Which texts of a contract are from outside, and what they taint."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from contracts.base import Contract
from contracts.delivery.testing import TestTask
from contracts.outside import From, OutsideTask, sources_in, texts_in
from contracts.people import CHECKS, Feedback


class Page(Contract):
    """One page."""

    address: str
    text: Annotated[str, From("web")]


class Several(Contract):
    """Pages and what belongs to them."""

    pages: tuple[Page, ...] = ()
    named: dict[str, Page] = Field(default={})
    first: Page | None = None
    counts: Annotated[dict[str, int], From("log")] = Field(default={})


def test_texts_are_found_at_any_depth_with_their_names() -> None:
    """In lists, by name, and in contracts; keys and numbers of a marked field count; what is empty brings nothing."""
    page, empty = Page(address="a", text="hello"), Page(address="b", text="")
    whole = Several(pages=(page, empty), named={"x": page}, first=page, counts={"eve": 7})
    assert [(one.name, one.sources, one.text) for one in texts_in(whole)] == [
        ("pages[0].text", ("web",), "hello"),
        ("named.x.text", ("web",), "hello"),
        ("first.text", ("web",), "hello"),
        ("counts", ("log",), "eve"),
        ("counts", ("log",), "7"),
    ]
    assert sources_in(whole) == ("log", "web")
    assert sources_in(Several(pages=(empty,))) == ()


TASK: dict[str, Any] = {"instruction": "i", "acceptance": (), "files": (), "diff": "", "check": None}


@pytest.mark.parametrize(
    ("task", "sources"),
    [
        (TestTask(**TASK), ()),
        (TestTask(**(TASK | {"diff": "+x"})), ("repo",)),
        (TestTask(**(TASK | {"feedback": (Feedback(source=CHECKS, about="test", text="failed"),)})), ("check",)),
        (TestTask(**(TASK | {"feedback": (Feedback(source="maria", about="plan-1", text="no"),)})), ()),
        (OutsideTask(source="ticket", text="hello"), ("ticket",)),
    ],
)
def test_diffs_and_what_checks_print_are_from_outside(task: Contract, sources: tuple[str, ...]) -> None:
    """What a person says is not, in the same field."""
    assert sources_in(task) == sources
