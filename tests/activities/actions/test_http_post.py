"""`http.post`: what a receiver sees, what its answers mean, and where a request never goes."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from activities.actions import web
from activities.actions.adapter import CannotFind, NotSent, Repeatable, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.actions.http_post import HttpPostAdapter
from activities.actions.web import AddressRefused, Call, check_address
from contracts.effects.http_post import HttpPost
from contracts.effects.targets import HttpTarget, Target
from contracts.errors import Misconfigured, Refused
from tests.activities.actions.cases import SECRET
from tests.activities.actions.servers import Web
from tests.activities.actions.servers import web as serving
from tests.wire.proxy import certificate

NOW = datetime(2026, 11, 20, tzinfo=UTC)
POST = HttpPost.read_typed_by_people({"target": "shop", "event": "refund/7", "body": {"amount": 7}})


@pytest.fixture
def site() -> Iterator[Web]:
    """A receiver."""
    with serving() as found:
        yield found


def adapter(url: str, variables: dict[str, str] | None = None, **changes: Any) -> HttpPostAdapter:
    """An adapter of one target."""
    table = HttpTarget.model_validate({"kind": "http", "url": url, "private": True, "timeout": "PT5S"} | changes)
    return HttpPostAdapter(Targets({"shop": table}, lambda name: (variables or {}).get(name, "")))


def test_a_receiver_can_verify_who_sent_what(site: Web) -> None:
    """Signed over id, time and body with the secret, as Standard Webhooks has it; the key is id and idempotency key."""
    secrets = {"key_env": "KEY", "secret_env": "SECRET"}
    sender = adapter(f"{site.address}/hook", {"KEY": "key-1", "SECRET": SECRET}, **secrets)
    assert sender.send(POST.stored(), NOW) == "evt-1"
    seen = site.book[0]
    headers, body = seen["headers"], seen["body"]
    assert json.loads(body) == {"amount": 7}
    assert (headers["webhook-id"], headers["idempotency-key"]) == (POST.key(), f'"{POST.key()}"')
    assert (headers["authorization"], headers["content-type"]) == ("Bearer key-1", "application/json")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        *((code, TargetRefused) for code in (301, 302, 307, 400, 401, 403, 404, 410, 413, 422)),
        *((code, Unclear) for code in (408, 409, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_an_answer_is_a_refusal_or_says_nothing(site: Web, status: int, raised: type[Exception]) -> None:
    """A 4xx is a no. 409 says that the key is under way, and 5xx nothing at all. No redirect is followed."""
    site.answer = status
    with pytest.raises(raised, match=f"answered {status}"):
        adapter(f"{site.address}/hook").send(POST.stored(), NOW)
    assert (site.seen, site.book) == (["POST /hook"], [])


def test_what_cannot_be_looked_up_is_said_to_be_so(site: Web) -> None:
    """By the target's table: a look-up, a receiver that acts once per key, or nobody."""
    found = adapter(f"{site.address}/hook", lookup=f"{site.address}/taken/{{key}}")
    assert found.find(POST.stored()) is None
    found.send(POST.stored(), NOW)
    assert found.find(POST.stored()) == "evt-1"
    assert "it is looked up" in found.check(POST.stored())[1]
    with pytest.raises(Repeatable):
        adapter(f"{site.address}/hook", repeats=True).find(POST.stored())
    with pytest.raises(CannotFind) as blind:
        adapter(f"{site.address}/hook").find(POST.stored())
    assert not isinstance(blind.value, Repeatable)


def test_a_lost_answer_and_a_lost_connection_are_told_apart(site: Web) -> None:
    """Nobody there: nothing was sent. An answer that does not come: it may have been."""
    site.loses = True
    with pytest.raises(Unclear):
        adapter(f"{site.address}/hook").send(POST.stored(), NOW)
    assert len(site.book) == 1
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            adapter(f"http://127.0.0.1:{held.getsockname()[1]}/hook").send(POST.stored(), NOW)


def test_a_receiver_behind_tls_is_known_by_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is trusted and is for this name; the signature arrives as it does without TLS."""
    trusted, tls = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(tls) as site:
        found = adapter(f"{site.address}/hook", {"SECRET": SECRET}, secret_env="SECRET", lookup=f"{site.address}/taken/{{key}}")
        assert found.find(POST.stored()) is None
        assert found.send(POST.stored(), NOW) == "evt-1"
        assert found.find(POST.stored()) == "evt-1"
    assert site.book[0]["headers"]["webhook-id"] == POST.key()


def test_a_receiver_that_is_not_who_it_says_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody trusts its certificate; it is for another name; it speaks no TLS: nothing was sent, so it can be tried again."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
    trusted, _ = certificate(mine, "localhost")
    elsewhere, wrong = certificate(other, "elsewhere.test")
    with serving(wrong) as site:
        for known in (trusted, elsewhere):
            monkeypatch.setenv("SSL_CERT_FILE", str(known))
            with pytest.raises(NotSent, match=r"localhost has no usable TLS: .*certificate"):
                adapter(f"{site.address}/hook").send(POST.stored(), NOW)
        assert (site.seen, site.book) == ([], [])
    with serving() as plain:
        with pytest.raises(NotSent, match=r"127\.0\.0\.1 has no usable TLS"):
            adapter(f"{plain.address.replace('http:', 'https:')}/hook").send(POST.stored(), NOW)
        assert plain.book == []


def test_a_receiver_that_never_ends_is_left() -> None:
    """A byte now and then keeps no worker: the whole request has one time limit."""
    go = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            taken, _ = listening.accept()
            with taken:
                try:
                    taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while not go.wait(0.05):
                        taken.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            with pytest.raises(Unclear):
                adapter(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout="PT0.5S").send(POST.stored(), NOW)
        finally:
            go.set()
            thread.join()


INNER = (
    *("127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1"),
)


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_refused(address: str) -> None:
    """Loopback, private, link-local, of a cloud's metadata, and all of these inside an IPv6 address."""
    with pytest.raises(AddressRefused, match="nothing was sent"):
        check_address(address, "shop.test")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5", "::ffff:93.184.215.14"])
def test_a_public_address_is_not(address: str) -> None:
    """The rule above is one for inner addresses."""
    check_address(address, "shop.test")


def test_what_is_not_declared_private_reaches_nothing_here(site: Web) -> None:
    """By address and by name, in every spelling that a resolver takes."""
    port = site.address.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        with pytest.raises((AddressRefused, NotSent)):
            web.request(Call("POST", f"http://{host}:{port}/hook", {}, b"{}"))
    assert site.seen == []


def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere(site: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to: the name is looked up once (rebinding)."""
    asked: list[str] = []
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    tried: list[Any] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            tried.append(address)
            raise TimeoutError("nobody is asked in a test")

    monkeypatch.setattr(web.socket, "getaddrinfo", lookup)
    monkeypatch.setattr(web.socket, "socket", Socket)
    port = int(site.address.rpartition(":")[2])
    with pytest.raises(NotSent):
        web.request(Call("POST", f"http://shop.test:{port}/hook", {}, b"{}"))
    assert (asked, tried) == (["shop.test"], [("93.184.215.14", port)])
    monkeypatch.setattr(
        web.socket, "getaddrinfo", lambda *_, **__: [*lookup("shop.test", port), (2, 1, 6, "", ("8.8.8.8", port))]
    )
    with pytest.raises(AddressRefused):
        web.request(Call("POST", f"http://shop.test:{port}/hook", {}, b"{}"))
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ftp://shop.test/"}, "is not an http or https URL"),
        ({"url": "https://maria:secret@shop.test/"}, "has credentials"),
        ({"url": "http://shop.test/"}, "has no TLS"),
        ({"lookup": "https://shop.test/taken"}, "has no {key} in it"),
        ({"lookup": "http://shop.test/{key}"}, "has no TLS"),
        ({"key_env": "A", "key_file": "/b"}, "name the key once"),
        ({"secret_env": "A", "secret_file": "/b"}, "name the signing secret once"),
        ({"url_env": "A"}, "exactly one of url, url_env and url_file"),
        ({"url": ""}, "exactly one of url, url_env and url_file"),
        ({"redirects": True}, "Extra inputs are not permitted"),
        ({"kind": "https"}, "kind"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(changes: dict[str, Any], said: str) -> None:
    """When the worker starts, by the key that is wrong."""
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(Target).validate_python({"kind": "http", "url": "https://shop.test/"} | changes)


def test_an_address_may_be_a_secret(site: Web, tmp_path: Path) -> None:
    """As those of chat services are: it is read where it is needed, checked as a declared one, and shown nowhere."""
    secret = f"{site.address}/hook/T0/B0/s3cr3t"
    sender = adapter("", {"CHAT": secret}, url_env="CHAT")
    assert sender.send(POST.stored(), NOW) == "evt-1"
    assert site.book[0]["path"] == "/hook/T0/B0/s3cr3t"
    assert "s3cr3t" not in str(sender.check(POST.stored()))
    kept = tmp_path / "url"
    kept.write_text(f"{secret}\n")
    assert adapter("", url_file=kept).send(POST.stored(), NOW) == "evt-2"
    with pytest.raises(Misconfigured, match="the address has no TLS") as caught:
        adapter("", {"CHAT": secret}, url_env="CHAT", private=False).send(POST.stored(), NOW)
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(Misconfigured, match=r"\[targets\.shop\]: the address is not an http or https URL"):
        adapter("", {"CHAT": "hooks.s3cr3t"}, url_env="CHAT").send(POST.stored(), NOW)


def test_an_undeclared_target_and_a_key_that_is_not_there_are_named() -> None:
    """The first is refused before an intent is written; the second tells an operator what to set."""
    with pytest.raises(Refused, match=r"no target is called 'shop' here; none is declared.*\[targets\.shop\]"):
        HttpPostAdapter(Targets()).check(POST.stored())
    with pytest.raises(Misconfigured, match=r"\[targets\.shop\] names the variable KEY, which holds nothing"):
        adapter("https://shop.test/", key_env="KEY").send(POST.stored(), NOW)
    with pytest.raises(Misconfigured, match="the signing secret is no base64"):
        adapter("https://shop.test/", {"S": "whsec_?"}, secret_env="S").send(POST.stored(), NOW)
