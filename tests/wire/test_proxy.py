"""Models behind a proxy: the real clients go through it, and through nothing else, and nobody learns its password."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import config
from activities.providers.base import Provider, ProviderError
from activities.providers.proxy import Way, way_to
from contracts.errors import Misconfigured
from model_choice import build_providers, way
from tests.commands.conftest import Baton, baton
from tests.wire.proxy import Proxy, certificate
from tests.wire.samples import KEY, REPLY, ask
from tests.wire.server import WireServer

__all__ = ["baton"]

ELSEWHERE = "models.test"
"""A name that nobody knows: only a proxy leads there."""

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine's own decides a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def proxy(server: WireServer) -> AsyncIterator[Proxy]:
    """A proxy to the wire server that asks nobody who they are."""
    async with Proxy(port_of(server)) as running:
        yield running


def port_of(server: WireServer) -> int:
    """Where the wire server listens."""
    return int(server.url.rpartition(":")[2])


def settings(scheme: str = "http", host: str = ELSEWHERE, **more: Any) -> config.Settings:
    """Both providers at this host."""
    base = f"{scheme}://{host}"
    reached = {"openai_base_url": f"{base}/v1", "anthropic_base_url": base}
    return config.Settings(**({"anthropic_api_key": KEY, "openai_api_key": KEY} | reached | more))


async def answers(found: config.Settings, server: WireServer) -> int:
    """Ask each provider once; how many requests came in."""
    heard = []
    for provider in build_providers(found).values():
        server.play(REPLY)
        try:
            heard.append((await provider.complete(ask())).text)
        except ProviderError as error:
            heard.append(str(error))
        await provider.close()
    assert heard == [REPLY.text] * len(heard)
    return len(server.requests)


async def failure(provider: Provider) -> ProviderError:
    """The error that a call ends in."""
    with pytest.raises(ProviderError) as caught:
        await provider.complete(ask())
    await provider.close()
    return caught.value


@pytest.mark.parametrize("given", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "setting"])
async def test_calls_go_through_the_proxy(
    server: WireServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Named by a variable or the setting: both clients' requests come through it, unchanged, with no credentials of its own."""
    found = settings(proxy=proxy.address) if given == "setting" else settings()
    if given != "setting":
        monkeypatch.setenv(given, f"http://{proxy.address}")
    assert await answers(found, server) == 2
    assert proxy.asked == [f"POST http://{ELSEWHERE}/v1/messages", f"POST http://{ELSEWHERE}/v1/chat/completions"]
    for seen in server.requests:
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.headers["host"] == ELSEWHERE


async def test_an_endpoint_with_tls_is_reached_by_a_tunnel(
    server: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY, with a user and a password: the proxy sees a host and nothing of the request."""
    trusted, tls = certificate(tmp_path, ELSEWHERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with Proxy(port_of(server), credentials=f"maria:{SECRET}", tls=tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://maria:{SECRET}@{proxy.address}")
        assert await answers(settings("https"), server) == 2
        assert proxy.asked == [f"CONNECT {ELSEWHERE}:443"] * 2
    assert all("proxy-authorization" not in seen.headers for seen in server.requests)


async def test_an_endpoint_has_a_proxy_and_an_authority_of_its_own(server: WireServer, tmp_path: Path) -> None:
    """Of its table: that endpoint alone goes through it, and trusts a certificate that others refuse."""
    trusted, tls = certificate(tmp_path, ELSEWHERE)
    async with Proxy(port_of(server), tls=tls) as proxy:
        there = {"speaks": "chat", "base_url": f"https://{ELSEWHERE}/v1", "proxy": f"http://{proxy.address}"}
        beside = there | {"base_url": server.openai_url, "proxy": "none"}
        tables = {"trusting": there | {"ca_file": str(trusted)}, "refusing": there, "beside": beside}
        made = build_providers(config.Settings(providers=tables))
        server.play(REPLY, REPLY)
        assert (await made["trusting"].complete(ask())).text == REPLY.text
        assert (await made["beside"].complete(ask())).text == REPLY.text
        assert "CERTIFICATE_VERIFY_FAILED" in str(await failure(made["refusing"]))
        assert proxy.asked == [f"CONNECT {ELSEWHERE}:443"] * 2
        for name in ("trusting", "beside"):
            await made[name].close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_is_named_as_no_connection(server: WireServer, scheme: str) -> None:
    """Wrong credentials: nothing came through, nothing is charged, and the password is in no error."""
    async with Proxy(port_of(server), credentials="maria:other") as proxy:
        for provider in build_providers(settings(scheme, proxy=f"http://maria:{SECRET}@{proxy.address}")).values():
            error = await failure(provider)
            assert (error.kind, error.maybe_charged, "407" in str(error)) == ("connection", False, True)
            assert SECRET not in str(error)
            assert "the proxy" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "[::1]"])
async def test_a_loopback_address_has_no_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Whoever names one, also one of a kind that is not used."""
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    for setting in ("", "http://127.0.0.1:9"):
        found = settings(host=f"{host}:8080", proxy=setting)
        assert way(found, "openai").proxy == ""
        assert way(found, "openai").shown == "directly (a loopback address)"


NO_PROXY = [
    ("*", "https://api.openai.com/v1", True),
    ("other.test, api.openai.com", "https://api.openai.com/v1", True),
    (".openai.com", "https://api.openai.com/v1", True),
    ("openai.com", "https://api.openai.com/v1", True),
    ("*.openai.com", "https://API.openai.com/v1", True),
    ("api.openai.com:443", "https://api.openai.com/v1", True),
    ("api.openai.com:8443", "https://api.openai.com/v1", False),
    ("penai.com", "https://api.openai.com/v1", False),
    ("openai.com.evil.test", "https://api.openai.com/v1", False),
    ("10.0.0.0/8,fd00::/8", "http://10.1.2.3:8000/v1", True),
    ("10.0.0.0/8", "http://11.1.2.3:8000/v1", False),
    ("fd00::/8", "http://[fd00::1]:8000/v1", True),
    ("10.1.2.3:8000", "http://10.1.2.3:8000/v1", True),
    ("1.2.3", "http://10.1.2.3:8000/v1", False),
    (" , ", "https://api.openai.com/v1", False),
]


@pytest.mark.parametrize(("excepted", "endpoint", "direct"), NO_PROXY)
def test_no_proxy_is_read_as_others_read_it(excepted: str, endpoint: str, direct: bool) -> None:
    """Names with all below them, addresses, networks and ports; what is only alike is not meant."""
    found = way_to(
        endpoint, "", {"HTTPS_PROXY": "http://proxy.test:1", "HTTP_PROXY": "http://proxy.test:1", "NO_PROXY": excepted}
    )
    assert (found.proxy == "") is direct
    assert found.source in (("NO_PROXY",) if direct else ("HTTPS_PROXY", "HTTP_PROXY"))


def test_the_setting_goes_before_the_variables_and_can_switch_them_off() -> None:
    """Also from NO_PROXY nobody is taken away by it but by `none`."""
    variables = {"https_proxy": "http://one.test:1", "HTTPS_PROXY": "http://two.test:2"}
    endpoint = "https://api.anthropic.com"
    assert way_to(endpoint, "", variables) == Way("http://one.test:1", "https_proxy")
    assert way_to(endpoint, "three.test:3", variables) == Way("http://three.test:3", "the setting proxy")
    assert way_to(endpoint, "none", variables).proxy == ""
    assert way_to(endpoint, "", {}) == Way()


WRONG: list[tuple[str, Mapping[str, str], str]] = [
    ("socks5://maria:s3cret@proxy.test:1080", {}, "the setting proxy: socks5 proxies"),
    ("", {"ALL_PROXY": "socks5h://maria:s3cret@proxy.test"}, "ALL_PROXY: socks5h proxies"),
    ("http://maria:s3cret@proxy.test:80x", {}, "the setting proxy: it is no proxy's URL"),
    ("", {"https_proxy": "http://maria:s3cret@"}, "https_proxy: it is no proxy's URL"),
]


@pytest.mark.parametrize(("setting", "variables", "says"), WRONG)
def test_a_proxy_that_cannot_be_used_is_refused(setting: str, variables: Mapping[str, str], says: str) -> None:
    """By the name of what holds it and with what to write, never by going past it, and without its password."""
    with pytest.raises(Misconfigured) as refused:
        way_to("https://api.openai.com/v1", setting, variables)
    assert says in str(refused.value)
    assert "http://USER:PASSWORD@HOST:PORT" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_doctor_shows_the_way_to_models(baton: Baton) -> None:
    """The proxy and who named it, without its password; none where none is used."""
    baton.set(OPENAI_API_KEY=KEY, ANTHROPIC_API_KEY=KEY, HTTPS_PROXY=f"http://maria:{SECRET}@proxy.test:3128")
    ran = baton("doctor", "--json")
    found = {one["name"]: one for one in ran.json["findings"]}["models"]
    assert found["text"].count("through the proxy http://proxy.test:3128 (HTTPS_PROXY)") == 2
    baton.set(NO_PROXY="anthropic.com", BATON_PROXY=f"http://maria:{SECRET}@other.test:1")
    other = baton("doctor", "--json")
    text = {one["name"]: one for one in other.json["findings"]}["models"]["text"]
    assert "directly (NO_PROXY)" in text
    assert "through the proxy http://other.test:1 (the setting proxy)" in text
    assert SECRET not in ran.out + ran.err + other.out + other.err
