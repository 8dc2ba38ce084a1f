"""Cases in the ledger: a ticket is dealt with once, and an issue has one case."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.runs import RunRef
from ledger import cases, runs
from ledger.cases import Joined
from ledger.db import Ledger
from ledger.tables import run
from tests.ledger import samples

DAY = 86_400_000_000


def opened(ledger: Ledger, key: str, trace: str = "trace-1", text: str = "a") -> object:
    """Open a case; returns the run that dealt with its ticket before."""
    ref = RunRef(trace=trace, path=f"ticket/{key}", workflow_id=f"support-{trace}")
    row = ledger.tx_now(cases.begin, ref, key=key, desk="shop", ticket=key.upper(), text=text)
    return None if row is None else row.run


def ended(ledger: Ledger, key: str, ending: str, trace: str = "trace-1") -> None:
    """Record an ending."""
    ref = RunRef(trace=trace, workflow_id="x")
    known = {"ending": ending, "category": "billing", "by_person": False, "usd_micros": 5, "replied": ending == "replied"}
    ledger.tx_now(cases.end, ref, key, **known)


def test_a_ticket_is_dealt_with_once_unless_it_was_left(ledger: Ledger) -> None:
    """Its own step finds it again; another run is told which one has it, and takes over what has no answer."""
    for trace in ("trace-1", "trace-2"):
        ledger.tx_now(runs.begin, *samples.begin(trace))
    assert opened(ledger, "a") is None
    assert opened(ledger, "a") is None
    assert opened(ledger, "a", "trace-2") == "support-trace-1"
    ended(ledger, "a", "replied")
    assert opened(ledger, "a", "trace-2") == "support-trace-1"
    assert opened(ledger, "b") is None
    ended(ledger, "b", "could_not")
    assert opened(ledger, "b", "trace-2") is None
    assert opened(ledger, "b") == "support-trace-2"
    assert opened(ledger, "c") is None
    ledger.tx_now(lambda connection: connection.execute(run.update().values(state="cancelled")))
    assert opened(ledger, "c", "trace-2") is None
    ended(ledger, "c", "replied")  # of the run that no longer has it
    assert [(one.key, one.ending) for one in ledger.read_now(cases.of_run, "trace-2")] == [("b", ""), ("c", "")]


def test_a_further_ticket_joins_the_case_of_its_issue(ledger: Ledger) -> None:
    """Within the window, unless that one is left; it says whether the customer had an answer and writes something else."""
    ledger.tx_now(runs.begin, *samples.begin())
    for key, text in (("a", "a"), ("b", "b"), ("c", "a"), ("d", "d")):
        opened(ledger, key, text=text)
    assert ledger.tx_now(cases.join, "a", "issue", DAY) is None
    assert ledger.tx_now(cases.join, "a", "issue", DAY) is None
    assert ledger.tx_now(cases.join, "b", "issue", DAY) == Joined("a", "A", "support-trace-1", answered=False)
    ended(ledger, "a", "replied")
    assert ledger.tx_now(cases.join, "b", "issue", DAY) == Joined("a", "A", "support-trace-1", answered=True)
    assert ledger.tx_now(cases.join, "c", "issue", DAY) == Joined("a", "A", "support-trace-1", answered=False)
    ended(ledger, "c", "joined")
    assert ledger.tx_now(cases.join, "d", "issue", 0) is None
    assert ledger.tx_now(cases.leave, "trace-1") == []
    ended(ledger, "a", "could_not")
    assert ledger.tx_now(cases.leave, "trace-1") == ["C"]
    assert ledger.tx_now(cases.leave, "trace-1") == ["C"]


def test_of_two_cases_that_ask_at_once_one_gets_the_issue(ledger: Ledger, url: str, tmp_path: Path) -> None:
    """On two connections, each with its own writer."""
    ledger.tx_now(runs.begin, *samples.begin())
    other = Ledger(url, tmp_path / "artifacts")
    keys = [f"k{number}" for number in range(12)]
    for key in keys:
        opened(ledger, key)
    with ThreadPoolExecutor(2) as crowd:
        asked = [
            crowd.submit(one.tx_now, cases.join, key, f"issue-{number // 2}", DAY)
            for number, (key, one) in enumerate(zip(keys, [ledger, other] * 6, strict=True))
        ]
        found = [one.result() for one in asked]
    other.close()
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert [first, second].count(None) == 1
