"""docs/console.md: its settings are read, its policy says what it says, and the console serves with its proxy's header."""

import tomllib

from activities.gates.policy import Policy, read_policy
from config import load
from contracts.console import ConsoleSetting
from ledger.db import Ledger
from tests.console.proxy import proxied
from tests.console.serving import served
from tests.console.test_behind import Browser
from tests.docs.claims import tables, words
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "console.md"
POLICY, TLS, PROXY, OAUTH2_PROXY = (tomllib.loads(one.text) for one in blocks(PAGE) if one.language == "toml")


def test_its_table_has_every_key() -> None:
    """Of [console] in baton.toml."""
    rows = next(table for table in tables(PAGE.read_text()) if table[0][0].startswith("key in"))[1:]
    assert [words(row[0])[0] for row in rows] == [
        "address",
        *[name for name in ("certificate", "private_key", "proxies", "header") if name in ConsoleSetting.model_fields],
    ]
    assert len(rows) == len(ConsoleSetting.model_fields)


def test_its_policy_is_read() -> None:
    """As a part of one."""
    gate = b'identity = "known"\n[people.olga]\nroles = ["lead"]\n[gates.plan]\nwho = ["*"]\ndeadline = "P1D"\n'
    text = next(one.text for one in blocks(PAGE) if one.language == "toml")
    policy: Policy = read_policy(gate + text.encode(), "policy.toml")
    assert policy.console.readers == tuple(POLICY["console"]["read"])


def test_its_settings_fit_each_other() -> None:
    """Both ways are read, and the proxy of the example sends to where the console listens, under the console's name."""
    assert load(console=TLS["console"]).console.certificate is not None
    found = load(console=PROXY["console"]).console
    assert OAUTH2_PROXY["upstreams"] == ["http://127.0.0.1:8234/"]
    assert OAUTH2_PROXY["redirect_url"].startswith(f"{found.address}/")
    assert found.header == "X-Forwarded-Email"
    assert (OAUTH2_PROXY["pass_user_headers"], OAUTH2_PROXY["pass_host_header"]) == (True, True)


async def test_the_console_serves_with_its_settings(ledger: Ledger) -> None:
    """Behind a proxy that does what the page asks of one; the try of the page does not sign anybody in as somebody."""
    setting = load(console=PROXY["console"]).console
    async with (
        served(ledger, setting=setting) as console,
        proxied(console.base, setting.header, "olga@example.org", "127.0.0.1") as proxy,
    ):
        browser = Browser(proxy.base, console.client)
        tried = (await browser.get("/sign-in", **{setting.header: "somebody"})).text
        assert ("Sign in as olga@example.org" in tried, "somebody" in tried.replace("somebody else", "")) == (True, False)
        assert (await browser.post("/sign-in")).status_code == 303
        assert "<span>olga@example.org</span>" in (await browser.get("/")).text
