"""Every path of the one list, for everybody: who gets in where, what a GET changes, and what a form takes."""

import itertools
from pathlib import Path

import pytest

from activities.gates.policy import Policy, read_policy
from activities.gates.rights import rights_of
from console.routes import FORMS, OPEN, PAGES, needed, ways
from contracts.base import sha256
from contracts.console import RIGHTS, Right
from ledger import signed_in
from ledger.db import Ledger
from tests.console.filled import CONDEMNED, SOURCE, waits
from tests.console.serving import Served, Visitor, served
from tests.docs.claims import tables, words
from tests.docs.pages import ROOT
from tests.ledger import samples

TEXT = """
identity = "known"
[people.vera]
roles = ["viewer"]
[people.otto]
roles = ["operator"]
[people.nina]
[console]
read = ["viewer"]
operate = ["operator"]
[gates.plan]
who = ["*"]
deadline = "P1D"
"""
POLICY = read_policy(TEXT.encode(), "policy.toml")

MAY: dict[str, set[Right]] = {
    "nobody": set(),
    "nina": set(),
    "stranger": set(),
    "vera": {"read", "decide"},
    "otto": set(RIGHTS),
}
"""Who may do what by this policy. `nobody` is not signed in, `nina` has no role, and `stranger` is in no policy."""

WAYS = sorted(ways())

CASES = [(who, *way) for who, way in itertools.product(MAY, WAYS)]


async def _visitor(console: Served, who: str) -> Visitor:
    return console.visitor() if who == "nobody" else await console.signed_in(who)


def _path(pattern: str) -> str:
    path = pattern.format(run="trace-1", gate="plan-1", key=samples.intent("unknown").key, id=CONDEMNED, name="gate-plan")
    return f"{path}?id={sha256(SOURCE)}" if path in ("/read", "/provenance/condemn") else path


async def _asked(visitor: Visitor, method: str, path: str) -> int:
    if method == "POST":
        return (await visitor.post(path, session="another")).status_code
    if path == "/events":
        # Answered before the stream begins: a wrong number of a line ends it.
        return (await visitor.get(path, **{"last-event-id": "x"})).status_code
    return (await visitor.get(path)).status_code


async def test_every_path_is_for_those_who_have_its_right_and_nobody_else(ledger: Ledger) -> None:
    """The whole matrix: each path of the list, with each kind of person, signed in or not."""
    async with served(ledger, policy=POLICY) as console:
        waits(ledger)
        visitors = {who: await _visitor(console, who) for who in MAY}
        for who, method, pattern, right in CASES:
            status = await _asked(visitors[who], method, _path(pattern))
            if who == "nobody":
                allowed = 401 if pattern == "/events" else 303
            elif right not in MAY[who]:
                allowed = 403
            else:
                # Past the door: the page, a stream that begins nowhere, or a form that is asked for what its page had.
                allowed = {"GET": 400 if pattern == "/events" else 200, "POST": 403}[method]
            assert status == allowed, (who, method, pattern)
        refused = await visitors["vera"].post("/runs/trace-1/gates/plan-1", session="another")
        assert "this form is of another session" in refused.text
        for who in ("nina", "stranger"):
            assert "policy.toml" in (await visitors[who].get("/")).text


def test_a_path_that_says_no_right_takes_the_most() -> None:
    """Whoever adds a page or a form and says nothing of it has it closed to all but those who operate."""
    from console import pages
    from console.routes import Form, Page

    assert (Page("/x", "x.html", pages.runs).needs, Form("/x").needs) == ("operate", "operate")


@pytest.mark.parametrize(
    "path", ["/what", "/feed/", "/runs/a/b", "/runs/a/gates/b/c", "//", "/static", "/healthz/x", "/Feed", ""]
)
def test_what_is_in_no_list_is_no_page(path: str) -> None:
    """By whatever way it is written."""
    assert needed("GET", path) == "no such page"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_each_path_is_taken_by_the_methods_that_the_list_says(method: str) -> None:
    """A form is no page, and a page takes no form that is not in the list."""
    for asked, pattern, right in WAYS:
        same = "GET" if method == "HEAD" else method
        others = {one: needs for one, path, needs in WAYS if path == pattern}
        assert needed(method, pattern) == others.get(same, "another method"), (asked, pattern, right)


async def test_a_get_decides_nothing_wherever_it_is_sent(console: Served) -> None:
    """Every path of the list, also those that forms are sent to, with the fields of a form: the ledger is as it was."""
    waits(console.ledger)
    visitor = await console.signed_in()
    forms = (await visitor.get("/")).text.split('name="session" value="')[1].split('"')[0]
    link = console.ledger.tx_now(signed_in.make_link, "erik")
    before = _rows(console.ledger)
    patterns = {pattern for _, pattern, _ in WAYS} | {one for one in OPEN if "{" not in one} | {form.path for form in FORMS}
    for pattern, method in itertools.product(sorted(patterns - {"/events"}), ("GET", "HEAD")):
        query = f"session={forms}&verb=approve&nonce=x&name=olga&password=x&link={link}&id=trace-1"
        answer = await visitor.send(method, f"{_path(pattern).partition('?')[0]}?{query}", headers={"origin": console.base})
        assert answer.status_code in {200, 405}, pattern
        assert "set-cookie" not in answer.headers, pattern
    assert _rows(console.ledger) == before


def _rows(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the ledger holds. When a session was last used is noted at most once a minute, and is no decision."""
    from ledger.tables import metadata

    with ledger.engine.connect() as connection:
        return {
            table.name: sorted(
                tuple(row) for row in connection.execute(table.select().with_only_columns(*_kept(table.columns)))
            )
            for table in metadata.sorted_tables
        }


def _kept(columns):  # type: ignore[no-untyped-def]
    return [one for one in columns if one.name != "seen_at"]


async def test_who_is_taken_out_of_the_policy_is_out_at_the_next_request(ledger: Ledger) -> None:
    """And a role that is taken away is gone, without another sign-in."""

    class Changing:
        policy: Policy = POLICY

        def now(self, connection: object) -> Policy:
            del connection
            return self.policy

    standing = Changing()
    async with served(ledger, policy=standing) as console:
        vera = await console.signed_in("vera")
        assert (await vera.get("/")).status_code == 200
        standing.policy = read_policy(TEXT.replace('["viewer"]\n[people.otto]', "[]\n[people.otto]").encode(), "p")
        assert (await vera.get("/")).status_code == 403
        standing.policy = read_policy(TEXT.replace("[people.vera]", "[people.petra]").encode(), "p")
        assert "'vera' is not one of the people" in (await vera.get("/")).text.replace("&#39;", "'")
        document = await vera.get("/", accept="application/json")
        assert (document.status_code, document.json()["error"]["status"]) == (403, 403)


ANY = read_policy(b'identity = "any"\n[gates.plan]\nwho = ["*"]\ndeadline = "P1D"\n', "policy.toml")
KNOWN = read_policy(b'identity = "known"\n[people.olga]\n[gates.plan]\nwho = ["*"]\ndeadline = "P1D"\n', "policy.toml")


@pytest.mark.parametrize(
    ("policy", "who", "rights"),
    [
        (ANY, "anybody", {"read", "decide", "operate"}),
        (ANY, "agent:planner", set()),
        (ANY, "", set()),
        (KNOWN, "olga", {"read", "decide"}),
        (KNOWN, "erik", set()),
        *[(POLICY, who, rights) for who, rights in MAY.items() if who != "nobody"],
        # With identity any a name brings no role along.
        (read_policy(TEXT.replace('"known"', '"any"').encode(), "p"), "vera", set()),
        # Whoever operates reads, and an empty list is nobody.
        (read_policy(TEXT.replace('["viewer"]\noperate', "[]\noperate").encode(), "p"), "otto", set(RIGHTS)),
        (read_policy(TEXT.replace('["viewer"]\noperate', "[]\noperate").encode(), "p"), "vera", set()),
    ],
)
def test_rights_come_from_the_policy(policy: Policy, who: str, rights: set[Right]) -> None:
    """Where the table says nothing: everybody who is known reads, and operates only where any name counts."""
    assert rights_of(policy, who) == rights


def test_the_page_has_every_path_with_its_right() -> None:
    """The table in docs/console.md is the list."""
    page = (ROOT / "docs" / "console.md").read_text()
    rows = next(table for table in tables(page) if table[0][0] == "path")[1:]
    said = [(method, words(path)[0], words(right)[0]) for path, method, right in ((one[0], one[1], one[2]) for one in rows)]
    mine = [(method, path, right) for method, path, right in ways()]
    open_ones = [
        ("GET, POST" if path == "/sign-in" else "POST" if path == "/sign-out" else "GET", path, "nothing") for path in OPEN
    ]
    assert sorted(said) == sorted(mine + open_ones)
    assert len(PAGES) > 3
    assert Path(ROOT / "console" / "routes.py").is_file()
