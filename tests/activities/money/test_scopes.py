"""Which ceilings a call counts against: its run's, its child's part, its agent's day, its month, and its project's own."""

from datetime import UTC, datetime
from decimal import Decimal

from activities.money.scopes import months_of, parts_of, shared_by, shared_scopes
from contracts.money import Ceilings, Part
from contracts.runs import RunRef
from ledger.money.slices import Slice
from ledger.money.spend import Scope

RUN = RunRef(trace="t", workflow_id="w", project="shop")
NOW = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)
LEVELS = Ceilings.model_validate(
    {"run_usd": 2, "agent_day_usd": 10, "month_usd": 100, "projects": {"shop": {"agent_day_usd": 1, "month_usd": 20}}}
)


def named(scopes: list[Scope]) -> list[tuple[str, int]]:
    """Names and dollars."""
    return [(one.id, one.ceiling // 1_000_000) for one in scopes]


def test_every_call_counts_against_all_that_share_it() -> None:
    """The project's own first, and what all share last."""
    assert named(shared_by(LEVELS, project="shop", agent="planner", now=NOW)) == [
        ("project:shop:agent:planner:2026-05-01", 1),
        ("agent:planner:2026-05-01", 10),
        ("project:shop:month:2026-05", 20),
        ("month:2026-05", 100),
    ]
    assert named(shared_by(LEVELS, project="other", agent="planner", now=NOW)) == [
        ("agent:planner:2026-05-01", 10),
        ("month:2026-05", 100),
    ]
    assert named(months_of(LEVELS, "other", NOW)) == [("month:2026-05", 100)]


def test_a_level_without_a_ceiling_is_no_scope() -> None:
    """Where models cost nothing none needs to be set."""
    assert shared_by(Ceilings(), project="shop", agent="planner", now=NOW) == []
    assert shared_by(Ceilings(month_usd=Decimal(5)), project="shop", agent="planner", now=NOW) == [
        Scope("month:2026-05", 5_000_000)
    ]


def test_a_shared_ceiling_is_named_once_for_all_projects_and_agents() -> None:
    """As for the worker's start, which takes over what is configured."""
    found = [name for name, _ in named(shared_scopes(LEVELS, ("", "shop"), ("planner", "writer"), NOW))]
    assert len(found) == len(set(found)) == 2 + 1 + 2 + 1
    assert {"month:2026-05", "project:shop:month:2026-05", "project:shop:agent:writer:2026-05-01"} <= set(found)


def test_a_run_by_itself_may_use_all_of_its_ceiling() -> None:
    """Nothing is kept back where nothing comes after it."""
    assert parts_of(LEVELS, RUN, ()) == [Scope("run:t", 2_000_000, 0)]


def test_children_leave_what_is_kept_back_at_each_level() -> None:
    """A child's call counts against its run, which keeps something back, then against its part, from the outside in."""
    outer = Part(group="write/1", name="fix", among=3, kept_back=200)
    inner = Part(group="parts", name="one", among=2, kept_back=100)
    assert parts_of(LEVELS, RUN, (outer, inner)) == [
        Scope("run:t", 2_000_000, 200),
        Slice("run:t", "write/1", "fix", 3, 200),
        Slice("run:t/write/1/fix", "parts", "one", 2, 100),
    ]
