"""A plan is a graph that can be worked off: no circles, nothing unknown, nothing two items could both change at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import ArtifactRef
from contracts.delivery.plan import Criterion, Plan, PlanItem, ancestors
from contracts.errors import ContractViolation
from contracts.repositories import CheckRun

DONE = Criterion(text="done", shown_by=None)


def item(name: str, *needs: str, files: tuple[str, ...] = (), settings: tuple[str, ...] = ()) -> PlanItem:
    """One work item that writes a file of its own unless told otherwise."""
    return PlanItem(
        id=name, intent="do", files=files or (f"{name}.py",), settings=settings, acceptance=(DONE,), depends_on=needs
    )


def plan(*items: PlanItem) -> Plan:
    """A plan of these items."""
    return Plan(summary="s", items=items, risks=(), check=None)


def refused(*items: PlanItem) -> str:
    """Why a model that returned these items is told to repair its plan."""
    raw = {"summary": "s", "items": [one.model_dump(mode="json") for one in items], "risks": [], "check": None}
    with pytest.raises(ContractViolation) as caught:
        Plan.read_typed_by_people(raw)
    return str(caught.value)


def test_a_circle_is_refused_with_its_members() -> None:
    """Items that wait for each other would never start; those outside the circle are not blamed."""
    said = refused(item("free"), item("a", "c"), item("b", "a"), item("c", "b"))
    assert "depend on each other in a circle: a, b, c" in said


def test_an_item_that_waits_for_itself_is_a_circle() -> None:
    """The shortest one."""
    assert "in a circle: a" in refused(item("a", "a"))


def test_an_unknown_dependency_is_named() -> None:
    """Item and missing id."""
    assert "item 'a' depends on 'ghost', which is not in the plan" in refused(item("a", "ghost"))


def test_two_items_with_one_id_are_refused() -> None:
    """Paths and workspaces are named by item."""
    assert "two items have the same id" in refused(item("a"), item("a", files=("other.py",)))


@pytest.mark.parametrize("shared", [{"files": ("x.py", "shared.py")}, {"settings": ("shared.py",)}], ids=["file", "setting"])
def test_two_items_that_may_run_at_once_share_nothing(shared: dict[str, Any]) -> None:
    """The same file or setting in two independent items is refused, with both names and both ways out."""
    said = refused(item("a", **shared), item("b", **(shared | ({"files": ("shared.py",)} if "files" in shared else {}))))
    assert "items 'a' and 'b' both touch shared.py and neither depends on the other; add a dependency or join them" in said


def test_items_that_follow_each_other_may_share() -> None:
    """Directly or over others: they never run at the same time."""
    same = ("shared.py",)
    plan(item("a", files=same), item("b", "a"), item("c", "b", files=same))
    assert "items 'a' and 'c'" in refused(item("a", files=same), item("b", "a"), item("c", files=same))


def test_siblings_of_one_parent_share_nothing() -> None:
    """Two items with the same dependency may still run at once."""
    assert "items 'b' and 'c'" in refused(item("a"), item("b", "a", files=("x",)), item("c", "a", files=("x",)))


def test_items_come_after_all_they_depend_on() -> None:
    """In the plan's own order otherwise."""
    ordered = plan(item("d", "c"), item("b"), item("c", "a"), item("a")).ordered()
    assert [one.id for one in ordered] == ["b", "a", "c", "d"]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[PlanItem, ...]:
    """Items without circles, listed in any order."""
    names = [f"i{number}" for number in range(draw(st.integers(1, 9)))]
    made = [
        item(name, *draw(st.lists(st.sampled_from(names[:place]), unique=True) if place else st.just([])))
        for place, name in enumerate(names)
    ]
    return tuple(draw(st.permutations(made)))


@given(graphs())
def test_ancestors_are_all_that_must_be_done_before(items: tuple[PlanItem, ...]) -> None:
    """Exactly the items that can be reached over dependencies, never the item itself."""
    by_id = {one.id: one for one in items}

    def reach(name: str) -> set[str]:
        return {found for need in by_id[name].depends_on for found in {need} | reach(need)}

    assert ancestors(items) == {name: reach(name) for name in by_id}


@given(graphs())
def test_every_order_is_a_possible_one(items: tuple[PlanItem, ...]) -> None:
    """Every item once, none before something that it needs."""
    ordered = plan(*items).ordered()
    assert sorted(one.id for one in ordered) == sorted(one.id for one in items)
    done: set[str] = set()
    for one in ordered:
        assert set(one.depends_on) <= done
        done.add(one.id)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=4)),
        min_size=1,
        max_size=7,
        unique_by=lambda one: one[0],
    )
)
def test_any_graph_is_ordered_or_refused_with_a_reason(raw: list[tuple[int, list[int]]]) -> None:
    """Whatever a model returns: a plan that can be worked off, or a text that says why not; never another error."""
    items = tuple(item(f"i{name}", *(f"i{need}" for need in needs)) for name, needs in raw)
    said = ""
    try:
        assert len(plan(*items).ordered()) == len(items)
    except ValueError as error:
        said = str(error)
    assert said == "" or "is not in the plan" in said or "in a circle" in said


@pytest.mark.parametrize(
    ("exit_code", "timed_out", "total", "green"),
    [
        (0, False, 3, True),
        (0, False, None, True),
        (0, False, 0, False),  # a run that found no tests proves nothing
        (1, False, 3, False),
        (None, True, None, False),
        (0, True, 3, False),
    ],
)
def test_a_run_is_green_only_where_it_proved_something(
    exit_code: int | None, timed_out: bool, total: int | None, green: bool
) -> None:
    """The command's own success, in time, and with tests where tests are counted."""
    output = ArtifactRef(digest="0" * 64, size=0)
    assert CheckRun(command="c", tree="t", exit_code=exit_code, timed_out=timed_out, total=total, output=output).green is green


def test_what_two_items_share_is_named_however_it_is_written() -> None:
    """A folder, a glob and another spelling name the same file; a long list is cut, and says so."""
    assert "both touch a.py and neither" in refused(item("a", files=("./a.py",)), item("b", files=("a.py",)))
    assert "both touch shop/ and shop/pricing.py" in refused(item("a", files=("shop/",)), item("b", files=("shop/pricing.py",)))
    assert "both touch LEVEL and level" in refused(item("a", settings=("LEVEL",)), item("b", settings=(" level",)))
    many = tuple(f"{number}.py" for number in range(9))
    assert "0.py, 1.py, 2.py, 3.py, 4.py and 4 more" in refused(item("a", files=many), item("b", files=many))
    assert plan(item("a", files=("shop/*",)), item("b", files=("shop/new/x.py",))), "a star stays in its folder"


def test_names_that_mean_every_file_or_none_of_the_repositorys_are_refused() -> None:
    """The item is named; a plan of globs alone would take long to compare wherever it is read."""
    assert "item 'a': '*'" in refused(item("a", files=("*",)))
    assert "item 'b': '../x'" in refused(item("a"), item("b", files=("../x",)))
    globs = tuple(f"d{number}/*" for number in range(30))
    assert plan(item("a", files=globs))
    assert "the plan has 60 globs and may have 50" in refused(item("a", files=globs), item("b", "a", files=globs))
