"""What another site, another name or another method gets from the console: nothing."""

import pytest

from activities.gates.policy import load_policy
from config import HOME
from console.answers import Place
from console.application import application
from console.routes import GATE, OPEN, OPERATIONS, PAGES
from ledger.db import Ledger
from tests.console.serving import Served, forms_of, nowhere, settings_of

SHIPPED = load_policy(HOME / "policy.toml")


async def test_whatever_the_application_answers_is_in_the_list_and_pages_need_somebody(console: Served) -> None:
    """Deny by default: a route that is not among those that are open answers nobody who is not signed in."""
    place = Place(frozenset({"h"}), frozenset({"http://h"}), settings_of(console.ledger))
    every = {route.path for route in application(console.ledger, place, nowhere, SHIPPED).routes if hasattr(route, "path")}
    listed = {one.path for one in (*PAGES, *OPERATIONS)} | {one.removesuffix("/{path:path}") for one in OPEN}
    assert every == listed | {"/events", f"{GATE.path}/withdraw"}
    stranger = console.visitor()
    for path in (page.path.format(run="r", gate="plan-1", key="k", id="i", name="gate-plan") for page in PAGES):
        page = await stranger.get(path)
        assert (page.status_code, page.headers.get("location")) == (303, "/sign-in"), path
        assert (await stranger.get(path, accept="application/json")).status_code == 401, path
    for path in (one.path.format(key="k", id="i", run="r", gate="g") for one in OPERATIONS):
        sent = await stranger.post(path, why="x")
        assert (sent.status_code, sent.headers.get("location")) == (303, "/sign-in"), path
    assert (await stranger.get("/events")).status_code == 401
    for path in ("/healthz", "/readyz", "/sign-in", "/static/console.js"):
        assert (await stranger.get(path)).status_code == 200, path


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "169.254.169.254", ""], ids=repr
)
async def test_a_name_that_is_not_the_consoles_own_is_refused(console: Served, host: str) -> None:
    """As after DNS rebinding: the page of another site has the right address, and a wrong name."""
    visitor = await console.signed_in()
    for path in ("/", "/healthz", "/static/console.css"):
        answer = await visitor.get(path, host=host)
        assert answer.status_code in {400, 421}, path
        assert "olga" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
    ids=str,
)
async def test_a_form_that_another_site_sent_changes_nothing(console: Served, headers: dict[str, str]) -> None:
    """Neither lets it sign somebody in, nor out."""
    visitor = await console.signed_in()
    forms = forms_of((await visitor.get("/")).text)
    answer = await visitor.post("/sign-out", headers=headers, session=forms)
    assert answer.status_code == 403
    assert (await visitor.get("/")).status_code == 200
    assert (await visitor.post("/sign-out", session=forms)).status_code == 303


async def test_a_form_without_what_its_page_had_changes_nothing(console: Served) -> None:
    """The token of another session does not count either."""
    visitor, other = await console.signed_in(), await console.signed_in("erik")
    for value in ("", "x", forms_of((await other.get("/")).text)):
        assert (await visitor.post("/sign-out", session=value)).status_code == 403
    assert (await visitor.get("/")).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT2"])
async def test_other_methods_are_refused(console: Served, method: str) -> None:
    """Nothing here takes them."""
    visitor = await console.signed_in()
    assert (await visitor.send(method, "/", headers={"origin": console.base})).status_code == 405


async def test_a_get_never_changes_anything(console: Served) -> None:
    """What a POST does is not done for a GET."""
    visitor = await console.signed_in()
    assert (await visitor.get("/sign-out")).status_code == 405
    assert (await visitor.get("/")).status_code == 200


async def test_a_body_that_is_too_long_or_has_no_length_is_refused(console: Served) -> None:
    """Before anything of it is read."""
    visitor = console.visitor()
    assert (await visitor.post("/sign-in", link="x" * 70_000)).status_code == 413

    async def chunks():  # type: ignore[no-untyped-def]
        yield b"link=x"

    answer = await console.client.post(console.base + "/sign-in", headers={"origin": console.base}, content=chunks())
    assert answer.status_code == 413


async def test_every_answer_says_what_a_browser_may_do_with_it(console: Served) -> None:
    """Pages, files, refusals and errors alike."""
    visitor = await console.signed_in()
    answers = [await visitor.get(path) for path in ("/", "/nothing", "/static/console.css", "/runs/none", "/healthz")]
    for answer in [*answers, await visitor.get("/", host="evil.example")]:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
    assert answers[0].headers["cache-control"] == "no-store"


async def test_the_consoles_files_cannot_be_left(console: Served) -> None:
    """Paths that lead elsewhere."""
    visitor = await console.signed_in()
    for path in ("/static/../application.py", "/static/%2e%2e/application.py", "/static//etc/passwd", "/static/..%2fpages.py"):
        assert (await visitor.get(path)).status_code == 404, path


def test_a_place_is_secure_only_if_all_its_origins_are(ledger: Ledger) -> None:
    """Else the cookie would be missing under one of them."""
    hosts = frozenset({"a", "b"})
    settings = settings_of(ledger)
    assert Place(hosts, frozenset({"https://a", "https://b"}), settings).secure
    assert not Place(hosts, frozenset({"https://a", "http://b"}), settings).secure
