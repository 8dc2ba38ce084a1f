"""The console beyond loopback: behind a proxy that says who is there, with TLS of its own, and refused with neither."""

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activities.gates.policy import read_policy
from config import Settings, load
from console import hashing
from console.place import place_of
from console.server import check_certificate
from contracts.console import ConsoleSetting
from contracts.errors import Misconfigured
from ledger import passwords, signed_in
from ledger.db import Ledger
from tests import children
from tests.console.proxy import Proxy, proxied
from tests.console.serving import Served, Visitor, served

HEADER, ADDRESS, PROXY = "X-Forwarded-Email", "https://baton.example.org", "127.0.0.2"
"""The whole of 127.0.0.0/8 is loopback: the proxy connects from one address, everybody else from another."""

SETTING = ConsoleSetting(address=ADDRESS, proxies=(PROXY,), header=HEADER)
POLICY = read_policy(
    b'identity = "known"\n[people.olga]\n[people.petra]\n[people."jos\xc3\xa9@example.org"]\n'
    b'[gates.plan]\nwho = ["*"]\ndeadline = "P1D"\n',
    "policy.toml",
)


class Browser(Visitor):
    """A browser that has opened the public address: it asks for that host, and its forms come from there."""

    def __init__(self, base: str, client: httpx2.AsyncClient) -> None:
        super().__init__(base, client)
        self.given = {"host": "baton.example.org", "origin": ADDRESS}

    async def send(
        self, method: str, path: str, headers: dict[str, str], data: dict[str, str] | None = None
    ) -> httpx2.Response:
        """With the header `host`, and `origin` where a form is sent."""
        mine = self.given if method == "POST" else {"host": self.given["host"]}
        theirs = {name: value for name, value in headers.items() if value != self.base}
        return await super().send(method, path, headers=mine | theirs, data=data)


@pytest.fixture
async def console(ledger: Ledger) -> AsyncIterator[Served]:
    """The console behind the proxy."""
    async with served(ledger, policy=POLICY, setting=SETTING) as running:
        yield running


@pytest.fixture
async def proxy(console: Served) -> AsyncIterator[Proxy]:
    """The proxy, at which olga has signed in."""
    async with proxied(console.base, HEADER, "olga", PROXY) as running:
        yield running


async def test_who_the_proxy_names_signs_in_with_one_click(console: Served, proxy: Proxy) -> None:
    """Looking changes nothing; the session is like any other, with a cookie that is for this host and TLS alone."""
    browser = Browser(proxy.base, console.client)
    assert (await browser.get("/")).headers["location"] == "/sign-in"
    page = await browser.get("/sign-in")
    assert ("Sign in as olga" in page.text, "set-cookie" in page.headers) == (True, False)
    answer = await browser.post("/sign-in")
    cookie = answer.headers["set-cookie"].split("; ")
    assert cookie[0].startswith("__Host-baton_console=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie)
    assert not any(part.startswith("Domain") for part in cookie)
    page = await browser.get("/")
    assert (page.status_code, "<span>olga</span>" in page.text) == (200, True)
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    forms = page.text.split('name="session" value="')[1].split('"')[0]
    assert (await browser.post("/sign-out", session="another")).status_code == 403
    assert (await browser.post("/sign-out", session=forms)).status_code == 303
    assert (await browser.get("/")).status_code == 303


async def test_a_name_that_a_visitor_sends_along_is_not_believed(console: Served, proxy: Proxy) -> None:
    """Through the proxy, which takes it out."""
    browser = Browser(proxy.base, console.client)
    for name in (HEADER, HEADER.lower(), "X_Forwarded_Email"):
        assert "Sign in as olga" in (await browser.get("/sign-in", **{name: "petra"})).text


@pytest.mark.parametrize("path", ["/", "/sign-in", "/healthz", "/static/console.css"])
async def test_who_goes_around_the_proxy_is_refused(console: Served, path: str) -> None:
    """With the header and without, and told which address to open; a forged one signs nobody in."""
    browser = Browser(console.base, console.client)
    answer = await browser.get(path, **{HEADER: "olga"})
    assert answer.status_code == 403
    assert f"127.0.0.1 is not one of the proxies that this console answers, and its header {HEADER} is believed" in answer.text
    assert ADDRESS in answer.text
    assert (await browser.get(path)).status_code == 403
    posted = await browser.post("/sign-in", headers={HEADER: "olga"})
    assert (posted.status_code, "set-cookie" in posted.headers) == (403, False)
    assert (await browser.get(path, **{"x-forwarded-for": PROXY, "forwarded": f"for={PROXY}"})).status_code == 403


async def test_a_session_is_of_whom_the_proxy_names_now(console: Served, proxy: Proxy) -> None:
    """Behind the proxy nobody is somebody else, and who is signed out there is nobody here."""
    browser = Browser(proxy.base, console.client)
    await browser.post("/sign-in")
    for other in ("petra", None):
        proxy.person = other
        assert (await browser.get("/")).status_code == 303
    proxy.person = "olga"
    assert (await browser.get("/")).status_code == 200
    # A link for somebody else does not make olga that one.
    link = console.ledger.tx_now(signed_in.make_link, "petra")
    await browser.post("/sign-in", link=link)
    assert "<span>olga</span>" in (await browser.get("/")).text
    assert console.ledger.read_now(signed_in.person_of_link, link) == "petra"


@pytest.mark.parametrize("name", ["erik", "agent:planner", "OLGA"])
async def test_whom_the_policy_does_not_know_is_refused(console: Served, proxy: Proxy, name: str) -> None:
    """With the reason, and without a session."""
    proxy.person = name
    answer = await Browser(proxy.base, console.client).post("/sign-in")
    assert (answer.status_code, "set-cookie" in answer.headers, "people in policy.toml" in answer.text) == (403, False, True)


async def test_names_are_read_as_the_provider_writes_them(console: Served, proxy: Proxy) -> None:
    """UTF-8, and not what a header's bytes would be in Latin-1."""
    proxy.person = "josé@example.org"
    browser = Browser(proxy.base, console.client)
    assert (await browser.post("/sign-in")).status_code == 303
    assert "josé@example.org" in (await browser.get("/")).text


@pytest.mark.parametrize("names", [["olga", "petra"], ["olga", "olga"], ["ol\u202ega"], ["x" * 300], ["ol\tga"], ["olga\xff"]])
async def test_a_header_that_names_nobody_in_particular_is_an_error(console: Served, names: list[str]) -> None:
    """From the proxy itself: it is told, and nothing is guessed."""
    transport = httpx2.AsyncHTTPTransport(local_address=PROXY)
    headers = [(b"host", b"baton.example.org")]
    headers += [(HEADER.encode(), name.encode("latin-1" if "\xff" in name else "utf-8")) for name in names]
    async with httpx2.AsyncClient(transport=transport, timeout=children.PATIENCE) as client:
        answer = await client.get(console.base + "/", headers=headers)
    assert answer.status_code == 400
    assert f"the header {HEADER} does not say who is there" in answer.text


async def test_host_and_origin_are_those_of_the_public_address(console: Served, proxy: Proxy) -> None:
    """What is right on loopback is wrong behind a proxy."""
    browser = Browser(proxy.base, console.client)
    own = console.base.removeprefix("http://")
    for host in (own, "localhost", "baton.example.org:80", "evil.example"):
        browser.given["host"] = host
        assert (await browser.get("/sign-in")).status_code == 421, host
    browser.given["host"] = "baton.example.org"
    for origin in (console.base, "http://baton.example.org", "https://baton.example.org:444", "https://evil.example", "null"):
        browser.given["origin"] = origin
        assert (await browser.post("/sign-in")).status_code == 403, origin


async def test_a_proxy_that_only_has_the_tls_leaves_signing_in_to_the_console(ledger: Ledger) -> None:
    """Links and passwords count, and a header that nobody declared says nothing."""
    ledger.tx_now(passwords.put, "olga", hashing.made("violet tractor moon"))
    plain = ConsoleSetting(address=ADDRESS, proxies=(PROXY,))
    async with (
        served(ledger, policy=POLICY, setting=plain) as console,
        proxied(console.base, HEADER, "petra", PROXY) as proxy,
    ):
        browser = Browser(proxy.base, console.client)
        assert "Password" in (await browser.get("/sign-in")).text
        assert (await browser.post("/sign-in")).status_code == 400
        assert (await browser.post("/sign-in", name="olga", password="violet tractor moon")).status_code == 303
        assert "<span>olga</span>" in (await browser.get("/")).text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of this test's own for 127.0.0.1, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "baton test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "chain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return folder / "chain.pem", folder / "key.pem"


async def test_it_has_tls_of_its_own(ledger: Ledger, certificate: tuple[Path, Path]) -> None:
    """A browser that trusts the certificate signs in, with the cookie of TLS; without TLS nothing is answered."""
    setting = ConsoleSetting(certificate=certificate[0], private_key=certificate[1])
    check_certificate(setting)
    async with served(ledger, setting=setting) as console:
        trusting = ssl.create_default_context(cafile=certificate[0])
        async with httpx2.AsyncClient(verify=trusting, trust_env=False, timeout=children.PATIENCE) as client:
            visitor = Visitor(console.base.replace("http://", "https://"), client)
            answer = await visitor.post("/sign-in", link=ledger.tx_now(signed_in.make_link, "olga"))
            assert answer.headers["set-cookie"].startswith("__Host-baton_console=")
            assert (await visitor.get("/")).status_code == 200
            # Names on loopback are shared with others, who may have no TLS.
            assert "strict-transport-security" not in answer.headers
        with pytest.raises(httpx2.HTTPError):
            await console.visitor().get("/healthz")


def test_a_certificate_that_cannot_be_used_is_told(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Missing, no certificate, or with another key."""
    other = tmp_path / "other.pem"
    for content in (None, "nothing"):
        if content:
            other.write_text(content)
        for pair in ((other, certificate[1]), (certificate[0], other)):
            with pytest.raises(Misconfigured, match=r"other\.pem.*cannot be used"):
                check_certificate(ConsoleSetting(certificate=pair[0], private_key=pair[1]))


TLS = {"certificate": Path("chain.pem"), "private_key": Path("key.pem")}


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.5", "::", "192.168.1.7"])
def test_a_port_that_others_reach_needs_tls_or_a_proxy(host: str) -> None:
    """It is refused, with why and what to do; with one of them it is not."""
    with pytest.raises(Misconfigured, match=r"nothing here has TLS.*certificate.*proxies.*tunnel"):
        place_of(Settings(), host, 8234)
    with pytest.raises(Misconfigured, match="Set address"):
        place_of(Settings(console=ConsoleSetting.model_validate(TLS)), host, 8234)
    for setting in (ConsoleSetting.model_validate({**TLS, "address": ADDRESS}), SETTING):
        place = place_of(Settings(console=setting), host, 8234)
        assert (place.hosts, place.origins, place.secure) == ({"baton.example.org"}, {ADDRESS}, True)


@pytest.mark.parametrize(
    ("host", "written"), [("127.0.0.1", "127.0.0.1:8234"), ("127.0.0.9", "127.0.0.9:8234"), ("::1", "[::1]:8234")]
)
def test_on_loopback_nothing_is_needed(host: str, written: str) -> None:
    """As before; with a certificate it is https there, too."""
    plain, secure = (
        place_of(Settings(), host, 8234),
        place_of(Settings(console=ConsoleSetting.model_validate(TLS)), host, 8234),
    )
    assert {written, "localhost:8234"} <= plain.hosts
    assert (plain.secure, secure.secure) == (False, True)
    assert f"https://{written}" in secure.origins


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"certificate": "a.pem"}, "go together"),
        ({"header": HEADER}, "believed from a proxy alone"),
        ({"proxies": ["10.0.0.1"]}, "address has to say"),
        ({"address": ADDRESS}, "nothing here has TLS"),
        ({"address": "http://baton.example.org", "proxies": ["10.0.0.1"]}, "https://NAME"),
        ({"address": f"{ADDRESS}/baton", "proxies": ["10.0.0.1"]}, "nothing behind it"),
        ({"address": ADDRESS, "proxies": ["0.0.0.0/0"]}, "is everybody"),
        ({"address": ADDRESS, "proxies": ["::/0"]}, "is everybody"),
        ({"address": ADDRESS, "proxies": ["10.0.0.1/8"]}, "neither an address nor a network"),
        ({"address": ADDRESS, "proxies": ["proxy.internal"]}, "neither an address nor a network"),
        ({"address": ADDRESS, "proxies": ["10.0.0.1"], "header": "X Name"}, "letters, digits and hyphens"),
        ({"address": ADDRESS, "proxies": ["10.0.0.1"], "header": "Cookie"}, "says something else"),
        ({"address": ADDRESS, "proxies": ["10.0.0.1"], "certificate": "a", "private_key": "b"}, "the proxy has the TLS"),
        ({"adress": ADDRESS}, "there is no such key"),
    ],
    ids=str,
)
def test_a_table_that_cannot_be_meant_is_refused(table: dict[str, object], said: str) -> None:
    """By name, when settings are read."""
    with pytest.raises(Misconfigured, match=said):
        load(console=table)


def test_an_address_is_as_browsers_send_it() -> None:
    """In small letters and without the port that https has anyway; another port stays."""
    found = [
        load(console={"address": one, "proxies": ["10.0.0.0/8"]}).console
        for one in ("https://Baton.Example.org:443/", f"{ADDRESS}:8443")
    ]
    assert [one.address for one in found] == [ADDRESS, f"{ADDRESS}:8443"]
    assert [found[0].is_proxy(one) for one in ("10.1.2.3", "::ffff:10.1.2.3", "11.0.0.1", "::1", "", "testclient")] == [
        True,
        True,
    ] + [False] * 4
