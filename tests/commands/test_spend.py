"""`baton spend` and `baton figures`: the table says what the document says, and neither hides what is not known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from ledger import actions, gates, runs
from ledger.db import Ledger
from ledger.tables import reservation
from tests.commands.conftest import Baton
from tests.ledger.books import Book, key
from tests.ledger.samples import admit, begin, claim, intent, opening, view

HOSTILE = "x\x1b[2J\u202e@v1"


@pytest.fixture
def books(ledger: Ledger) -> list[Book]:
    """A run that is done, one that could not, and one of another project under way."""
    done, failed, open_run = Book(ledger), Book(ledger), Book(ledger, project="shop")
    done.call(key("1"), 3_000_000, 1_000_000)
    done.answer("plan")
    done.end()
    failed.close(failed.reserve(key("2"), 500_000), "lost")
    failed.call(key("2"), 500_000, 200_000, problem="no JSON")
    failed.call(key("3"), 500_000, 50_000, agent="writer@v1", path="write")
    failed.end("could_not")
    open_run.reserve(key("4"), 2_000_000, agent="writer", model="b:two")
    return [done, failed, open_run]


def lines(text: str) -> dict[str, list[str]]:
    """Lines of a table by their first cell, the rest split at blanks."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_spend_says_what_came_of_the_money(baton: Baton, books: list[Book]) -> None:
    """One line for each run, dearest first, and a total; what is charged without a known cost is said apart."""
    ran = baton("spend")
    assert ran.code == 0
    table = lines(ran.out)
    assert list(table)[:5] == ["RUN", *(f"delivery-{one.trace}" for one in books), "total"]
    assert table[f"delivery-{books[0].trace}"] == ["1", "$1.00", "$1.00", "$0.00", "$0.00", "$0.00", "$0.00", "$1,000,000.00"]
    assert table[f"delivery-{books[1].trace}"][:6] == ["3", "$0.75", "$0.00", "$0.50", "$0.20", "$0.05"]
    assert table["total"] == ["5", "$1.75", "$1.00", "$0.50", "$0.20", "$0.05", "$2.00", "-"]
    assert "$0.50 of it (1 call) is an upper bound" in ran.out


def test_the_document_has_whole_numbers_that_add_up(baton: Baton, books: list[Book]) -> None:
    """--json: micro-dollars, the parts of each group and of the total add up, and the groups to the total."""
    document = baton("spend", "--by", "agent", "--json").json
    for one in (document["total"], *document["groups"]):
        assert sum(one[f"{part}_micros"] for part in ("useful", "retried", "repaired", "thrown_away")) == one["spent_micros"]
    assert sum(one["spent_micros"] for one in document["groups"]) == document["total"]["spent_micros"] == 1_750_000
    assert document["total"]["unknown_micros"] == 500_000
    assert [one["name"] for one in document["groups"]] == ["planner@v1", "writer@v1", "writer"]
    assert document["groups"][0]["ceiling_micros"] == 100_000_000


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", ["a:one", "b:two"]),
        ("pipeline", ["Delivery"]),
        ("project", ["default", "shop"]),
    ],
)
def test_spend_is_grouped_as_asked(baton: Baton, books: list[Book], by: str, names: list[str]) -> None:
    """--by model, pipeline and project."""
    document = baton("spend", "--by", by, "--json").json
    assert [one["name"] for one in document["groups"]] == names
    assert document["left_out"] == 0


def test_spend_is_grouped_by_day(baton: Baton, books: list[Book]) -> None:
    """--by day: today, and yesterday where it was that a moment ago."""
    named = {one["name"] for one in baton("spend", "--by", "day", "--json").json["groups"]}
    now = datetime.now(UTC)
    assert named
    assert named <= {f"{now:%Y-%m-%d}", f"{now - timedelta(hours=1):%Y-%m-%d}"}


def test_one_project_and_few_groups_are_shown_when_asked_for(baton: Baton, books: list[Book]) -> None:
    """--project counts that one alone; --limit leaves groups out, says how many, and still counts them in the total."""
    shop = baton("spend", "--project", "shop", "--json").json
    assert (shop["total"]["spent_micros"], shop["total"]["held_micros"]) == (0, 2_000_000)
    assert (shop["month"]["spent_micros"], shop["month"]["held_micros"], shop["month"]["ceiling_micros"]) == (
        0,
        2_000_000,
        None,
    )
    few = baton("spend", "--limit", "1")
    assert "2 more groups are in the total" in few.err
    assert lines(few.out)["total"][1] == "$1.75"


def test_what_was_before_is_not_of_this_month(baton: Baton, ledger: Ledger, books: list[Book]) -> None:
    """Without --since it is this UTC month; --since and --until take days, months and lengths of time."""
    old = update(reservation).where(reservation.c.call_key == key("1")).values(at=1)
    ledger.tx_now(lambda connection: connection.execute(old))

    def total(*options: str) -> int:
        return int(baton("spend", *options, "--json").json["total"]["spent_micros"])

    assert total() == total("--since", "2h") == total("--since", "2020-01") == 750_000
    assert total("--since", "1970-01-01") == 1_750_000
    assert total("--since", "1970-01-01", "--until", "1970-01-02") == 1_000_000


WRONG = [
    (("--since", "yesterday"), "--since 'yesterday' is not a time; write a duration such as 12h or 30d"),
    (("--since", "999999d"), "--since '999999d' is not a time"),
    (("--until", "2026-13"), "--until '2026-13' is not a time"),
    (("--since", "2026-11-02", "--until", "2026-11-01"), "--until '2026-11-01' is not after the beginning"),
    (("--by", "colour"), "'colour' is not one of"),
]


@pytest.mark.parametrize(("options", "said"), WRONG, ids=[" ".join(one) for one, _ in WRONG])
@pytest.mark.usefixtures("ledger")
def test_a_wrong_option_is_named_with_what_it_takes(baton: Baton, options: tuple[str, ...], said: str) -> None:
    """Exit 2, and the text says how to write it."""
    ran = baton("spend", *options)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.usefixtures("books")
def test_a_month_at_its_ceiling_is_told_by_the_exit_code(baton: Baton, ledger: Ledger) -> None:
    """--check: 8 where the month has reached its ceiling, or is heading above it, 0 while there is room."""
    assert baton("spend", "--check").code == 0
    baton.set(BATON_CEILINGS__MONTH_USD="3.75")
    assert baton("spend", "--check").code == 8
    assert baton("spend").code == 0
    baton.set(BATON_CEILINGS__MONTH_USD="3.76", BATON_CEILINGS__PROJECTION_AFTER="P40D")
    ran = baton("spend", "--check")
    assert (ran.code, "projected no history yet" in ran.out) == (0, True)
    baton.set(BATON_CEILINGS__PROJECTION_AFTER="PT0S")
    document = baton("spend", "--json").json["month"]
    assert baton("spend", "--check").code == (8 if document["projected_micros"] > 3_760_000 else 0)


@pytest.mark.usefixtures("ledger")
def test_nothing_spent_is_a_total_of_nothing_and_no_projection(baton: Baton) -> None:
    """An empty ledger: no groups, a total of zero, and `no history yet`."""
    document = baton("spend", "--json").json
    assert (document["groups"], document["total"]["calls"], document["month"]["projected_micros"]) == ([], 0, None)
    assert document["month"]["projection"] == "no history yet"
    assert "no turns from" in baton("figures").err


def test_before_anything_ran_spend_says_so(baton: Baton) -> None:
    """Exit 3 without a ledger, and none is made."""
    for command in ("spend", "figures"):
        assert (baton(command).code, "nothing has run here yet" in baton(command).err) == (3, True)
    assert not baton.state.exists()


def figures(baton: Baton, *arguments: str) -> dict[str, Any]:
    """The document's figures by name."""
    return {one.pop("name"): one for one in baton("figures", *arguments, "--json").json["figures"]}


def test_figures_of_agents(baton: Baton, books: list[Book]) -> None:
    """One line for each agent version with what it did, errors by kind, and the same in the document."""
    ran = baton("figures")
    assert ran.code == 0
    assert lines(ran.out)["planner@v1"][:5] == ["50.0%", "1", "done,", "1", "nothing"]
    assert "errors of planner@v1: lost 1, unusable reply 1" in ran.out
    planner = figures(baton)["planner@v1"]
    assert (planner["success_per_mille"], planner["turns"], planner["retries"]) == (500, 2, 1)
    assert planner["cost_per_run_micros"] == {"p50": 700_000, "p90": 1_000_000}
    assert planner["latency_ms"] == {"p50": 1, "p95": 1, "p99": 1}
    assert (planner["escalated"], planner["escalated_per_mille"]) == (0, 0)
    writer = figures(baton)["writer"]
    assert (writer["turns"], writer["escalated_per_mille"]) == (0, None)


def test_figures_of_actions(baton: Baton, ledger: Ledger) -> None:
    """How many there were of each type, and how people decided; of another project, or another month, there are none."""
    assert "no actions from" in baton("figures", "actions").err
    ledger.tx_now(runs.begin, *begin())
    shown, said = view("action-1", kind="action"), claim("olga", gate="action-1")
    ledger.tx_now(gates.open_gate, opening(shown, intent()))
    assert ledger.tx_now(gates.win, admit(shown, said), said, authenticated=False).won
    ledger.tx_now(actions.propose, intent(), trace="trace-1", gate="action-1", state="approved")
    ever = ("--since", "2000-01-01")
    ran = baton("figures", "actions", *ever)
    assert ran.out.splitlines()[0].split()[:2] == ["TYPE", "ACTIONS"]
    assert lines(ran.out)["git.push"][:6] == ["1", "1", "0", "0", "0", "0"]
    found = figures(baton, "actions", *ever)["git.push"]
    assert (found["count"], found["unchanged"], found["undone"], found["rejected"]) == (1, 1, 0, 0)
    assert figures(baton, "actions", *ever, "--project", "another") == {}
    assert figures(baton, "actions", "--since", "2020-01-01", "--until", "2020-02-01") == {}


def test_the_escalated_share_is_in_table_and_document(baton: Baton, ledger: Ledger) -> None:
    """One step of three ended unsure, and its run asked a person: 33.3% of the agent's steps, all of the pipeline's runs."""
    book = Book(ledger)
    for path in ("a", "b", "c"):
        book.call(key(path), 5, 5, path=path)
        made = book.answer(path, "unsure" if path == "a" else "done")
    book.ask(1, made, "clarify")
    for of, name, share in (("agents", "planner@v1", "33.3%"), ("pipelines", "Delivery", "100.0%")):
        ran = baton("figures", of)
        assert ran.out.splitlines()[0].split()[-1] == "ESCALATED"
        assert lines(ran.out)[name][-1] == share
        assert figures(baton, of)[name]["escalated"] == 1


STEPPING: list[tuple[tuple[str, ...], str, int, int | None]] = [
    ((), "-", 0, None),
    (("first", "outage"), "0.0%", 0, 0),
    (("first", "invalid", "first"), "33.3%", 1, 333),
    (("invalid", "unsure", "first", "unsure"), "75.0%", 3, 750),
]


@pytest.mark.parametrize(("chosen", "share", "count", "per_mille"), STEPPING, ids=str)
def test_the_share_of_steps_that_stepped_up_is_in_table_and_document(
    baton: Baton, ledger: Ledger, chosen: tuple[str, ...], share: str, count: int, per_mille: int | None
) -> None:
    """Of the steps that a model answered, for the agent and for its pipeline, as text and JSON; of none there is no share."""
    book = Book(ledger)
    book.close(book.reserve(key(book.trace), 5), "lost")
    for number, why in enumerate(chosen):
        for turn in range(2):
            book.call(key(number, turn), 5, 5, path=f"write/{number}", chosen=why)
    for of, name in (("agents", "planner@v1" if chosen else "planner"), ("pipelines", "Delivery")):
        ran = baton("figures", of)
        assert ran.out.splitlines()[0].split()[-3:-1] == ["STEPPED", "UP"]
        assert lines(ran.out)[name][-2] == share
        found = figures(baton, of)[name]
        assert (found["steps"], found["stepped_up"], found["stepped_up_per_mille"]) == (len(chosen), count, per_mille)


def test_figures_of_pipelines(baton: Baton, books: list[Book]) -> None:
    """Runs by their state, and what one cost."""
    found = figures(baton, "pipelines")["Delivery"]
    assert found["outcomes"] == {"done": 1, "could_not": 1, "open": 1}
    assert found["cost_per_run_micros"] == {"p50": 750_000, "p90": 1_000_000}
    assert figures(baton, "pipelines", "--project", "shop")["Delivery"]["outcomes"] == {"open": 1}


def test_a_name_from_a_ledger_cannot_steer_the_terminal(baton: Baton, ledger: Ledger) -> None:
    """Whatever stands in a name: it is shown as text."""
    book = Book(ledger)
    book.call(key("h"), 5, 5, agent=HOSTILE, problem="x")
    for command in (("spend", "--by", "agent"), ("figures",)):
        ran = baton(*command)
        assert ran.code == 0
        assert {"\x1b", "\u202e"}.isdisjoint(ran.out + ran.err)
