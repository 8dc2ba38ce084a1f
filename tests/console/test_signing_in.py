"""Links that sign people in once, and how long a session lasts."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from ledger import signed_in
from ledger.db import Ledger, now_us
from ledger.sign_in_tries import LINKS
from tests.console.serving import Served, served


async def test_a_link_signs_in_once_and_looking_at_it_uses_nothing_up(console: Served) -> None:
    """Programs open links before people do; of two people with the same link one gets in."""
    link = console.ledger.tx_now(signed_in.make_link, "olga")
    for _ in range(3):
        page = await console.visitor().get(f"/sign-in?link={link}")
        assert (page.status_code, "Sign in as olga" in page.text, "set-cookie" in page.headers) == (200, True, False)
    visitors = [console.visitor() for _ in range(4)]
    answers = await asyncio.gather(*(one.post("/sign-in", link=link) for one in visitors))
    assert sorted(one.status_code for one in answers) == [303, 410, 410, 410]
    used = await console.visitor().get(f"/sign-in?link={link}")
    assert (used.status_code, "baton console link" in used.text) == (410, True)


async def test_the_cookie_is_for_this_site_and_no_script(console: Served, ledger: Ledger) -> None:
    """Behind TLS it is for nothing else, under a name that a browser takes only then."""
    answer = await console.visitor().post("/sign-in", link=ledger.tx_now(signed_in.make_link, "olga"))
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("baton_console=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    async with served(ledger, scheme="https") as secure:
        link, origin = ledger.tx_now(signed_in.make_link, "olga"), secure.base.replace("http", "https")
        answer = await secure.visitor().post("/sign-in", headers={"origin": origin}, link=link)
    assert answer.headers["set-cookie"].startswith("__Host-baton_console=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_a_session_that_somebody_else_chose_is_none(console: Served) -> None:
    """Fixation: a cookie that was there before does not become the session, and a made-up one is nobody's."""
    visitor = console.visitor()
    visitor.cookies["baton_console"] = "chosen-by-another"
    assert (await visitor.get("/")).status_code == 303
    await visitor.post("/sign-in", link=console.ledger.tx_now(signed_in.make_link, "olga"))
    assert visitor.cookies["baton_console"] != "chosen-by-another"
    assert (await visitor.get("/")).status_code == 200


async def test_signing_out_ends_the_session_wherever_its_cookie_is(console: Served) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    visitor = await console.signed_in()
    copied = console.visitor()
    copied.cookies = dict(visitor.cookies)
    forms = (await visitor.get("/")).text.split('name="session" value="')[1].split('"')[0]
    assert (await visitor.post("/sign-out", session=forms)).status_code == 303
    assert (await copied.get("/")).status_code == 303


async def test_who_tries_many_links_has_to_wait(console: Served) -> None:
    """Also with one that counts: nobody learns whether a guess was right."""
    link = console.ledger.tx_now(signed_in.make_link, "olga")
    for number in range(LINKS.most):
        assert (await console.visitor().post("/sign-in", link=f"guess-{number}")).status_code == 410
    assert (await console.visitor().post("/sign-in", link=link)).status_code == 429
    # Another console on the same ledger is no second try.
    async with served(console.ledger) as other:
        assert (await other.visitor().post("/sign-in", link=link)).status_code == 429


@pytest.mark.parametrize("after", [signed_in.LINK_LASTS, signed_in.LINK_LASTS + timedelta(days=30)])
def test_a_link_that_is_too_old_does_not_count(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, after: timedelta) -> None:
    """Neither to look at nor to use."""
    link = ledger.tx_now(signed_in.make_link, "olga")
    _later(monkeypatch, after)
    assert ledger.read_now(signed_in.person_of_link, link) is None
    assert ledger.tx_now(signed_in.sign_in, link) is None


def test_a_session_ends_when_it_is_idle_and_after_twelve_hours(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests keep it going, but not for ever."""
    session = ledger.tx_now(signed_in.sign_in, ledger.tx_now(signed_in.make_link, "olga"))
    assert session is not None
    found = ledger.read_now(signed_in.find, session)
    assert found is not None
    assert (found[0].person, found[1]) == ("olga", False)
    passed = timedelta()
    while passed + timedelta(minutes=14) < signed_in.LASTS:
        passed += timedelta(minutes=14)
        _later(monkeypatch, passed)
        found = ledger.read_now(signed_in.find, session)
        assert found is not None, passed
        assert found[1], "a request is noted once a minute"
        ledger.tx_now(signed_in.seen, session)
    _later(monkeypatch, signed_in.LASTS + timedelta(seconds=1))
    ledger.tx_now(signed_in.seen, session)
    assert ledger.read_now(signed_in.find, session) is None


@pytest.mark.parametrize("after", [signed_in.IDLE, signed_in.LASTS])
async def test_nothing_is_for_a_session_that_is_over(
    console: Served, monkeypatch: pytest.MonkeyPatch, after: timedelta
) -> None:
    """Neither a page nor a form, however fresh its form is; at the last moment it was for it yet."""
    visitor = await console.signed_in()
    forms = (await visitor.get("/")).text.split('name="session" value="')[1].split('"')[0]
    rest = timedelta(minutes=1)
    passed = timedelta()
    while passed + signed_in.IDLE - rest < after:
        passed += signed_in.IDLE - rest
        _later(monkeypatch, passed)
        assert (await visitor.get("/")).status_code == 200
    _later(monkeypatch, passed + signed_in.IDLE + rest if after == signed_in.IDLE else after + rest)
    assert (await visitor.get("/")).status_code == 303
    assert (await visitor.post("/runs/trace-1/gates/plan-1", session=forms)).status_code == 303
    assert (await visitor.post("/sign-out", session=forms)).status_code == 403
    assert (await visitor.get("/", accept="application/json")).status_code == 401


def test_an_idle_session_is_over_and_does_not_come_back(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of an hour without a request; what is over is swept."""
    session = ledger.tx_now(signed_in.sign_in, ledger.tx_now(signed_in.make_link, "olga"))
    assert session is not None
    _later(monkeypatch, signed_in.IDLE + timedelta(seconds=1))
    assert ledger.read_now(signed_in.find, session) is None
    ledger.tx_now(signed_in.sign_out, session)
    ledger.tx_now(signed_in.sweep)
    ledger.tx_now(signed_in.seen, session)
    assert ledger.read_now(signed_in.find, session) is None


def test_the_ledger_keeps_no_secret(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever reads the database, or a copy of it, can sign in as nobody."""
    link = ledger.tx_now(signed_in.make_link, "olga")
    session = ledger.tx_now(signed_in.sign_in, ledger.tx_now(signed_in.make_link, "erik"))
    assert session is not None
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("ledger.db*"))
    assert b"olga" in kept
    assert link.encode() not in kept
    assert session.encode() not in kept


def _later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    monkeypatch.setattr(signed_in, "server_us", lambda _: now_us() + by // timedelta(microseconds=1))
