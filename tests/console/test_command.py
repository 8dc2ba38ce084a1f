"""`baton console`: it starts, prints a link, and says what is wrong."""

import io
import os
import re
import signal
import socket
import subprocess

import httpx2
import pytest
from argon2 import PasswordHasher

from commands.errors import Code
from console import hashing
from ledger import passwords, signed_in
from ledger.db import Ledger
from tests import children, forks
from tests.commands.conftest import Baton, baton, ledger

__all__ = ["baton", "ledger"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def test_it_serves_until_it_is_told_to_end(baton: Baton, ledger: Ledger) -> None:
    """The link that it prints signs in, and Ctrl-C ends it without a word of error."""
    del ledger
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*forks.program(), "console", "--port", str(port), "--by", "olga"]
    with children.started(*command, cwd=baton.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"Console    http://127.0.0.1:{port}\n"
        link = process.stdout.readline().split()[-1]
        process.stderr.readline()
        with httpx2.Client(trust_env=False, timeout=children.PATIENCE) as client:
            assert "Sign in as olga" in client.get(link).text
            sent = {"link": link.partition("link=")[2]}
            answer = client.post(link.partition("?")[0], data=sent, headers={"origin": f"http://127.0.0.1:{port}"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            assert "Nothing waits for a person" in client.get(f"http://127.0.0.1:{port}/").text
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(children.PATIENCE) in {Code.DONE, Code.INTERRUPTED}
        assert process.stderr.read() == ""


def test_a_link_is_for_one_of_the_people_where_the_policy_knows_them(baton: Baton, ledger: Ledger) -> None:
    """Where anybody counts, for anybody."""
    made = baton("console", "link", "--by", "olga", "--json")
    link = made.json["link"]
    assert re.fullmatch(r"http://127\.0\.0\.1:8234/sign-in\?link=[\w-]{43}", link)
    assert ledger.read_now(signed_in.person_of_link, link.partition("link=")[2]) == "olga"
    policy = baton.folder / "policy.toml"
    shipped = (forks.ROOT / "policy.toml").read_text()
    known = shipped.replace('identity = "any"', 'identity = "known"').replace("[people.operator]", "[people.olga]")
    policy.write_text(known)
    baton.set(BATON_POLICY=policy)
    refused = baton("console", "link", "--by", "erik")
    assert (refused.code, "'erik' is not one of the people in policy.toml (olga)" in refused.err) == (Code.USAGE, True)
    assert baton("console", "link", "--by", "olga").code == Code.DONE


def test_a_port_that_is_in_use_is_named(baton: Baton, ledger: Ledger) -> None:
    """With what to do; nothing was started."""
    del ledger
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = baton("console", "--port", str(port))
    assert refused.code == Code.USAGE
    assert f"port {port} on 127.0.0.1 cannot be used" in refused.err
    assert "--port" in refused.err


RIGHT, OTHER = "violet tractor moon", "granite spoon 48 lanterns"


def _typing(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_password_comes_from_stdin_and_is_changed_and_taken_away(
    baton: Baton, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, of which nothing is printed; each time it says what has become of the person's sessions."""
    said = []
    for password in (RIGHT, OTHER):
        _typing(monkeypatch, f"{password}\nmore\n")
        made = baton("console", "password", "--by", "olga", "--json")
        assert (made.code, password in made.out + made.err) == (Code.DONE, False)
        said.append(made.json["password"])
        assert hashing._is_right(ledger.read_now(passwords.hash_of, "olga") or "", password)
    assert said == ["set", "changed"]
    said = [baton("console", "password", "--by", "olga", "--remove", "--json").json["password"] for _ in range(2)]
    assert said == ["removed", "none"]
    assert ledger.read_now(passwords.hash_of, "olga") is None


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("short\n", "takes at least 12"),
        ("password1234\n", "tried first"),
        ("olga-olga-olga\n", "name"),
        ("", "nothing on stdin"),
    ],
)
def test_a_password_that_is_none_changes_nothing(
    baton: Baton, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, typed: str, why: str
) -> None:
    """With the reason; the one before still counts, and so do its sessions."""
    ledger.tx_now(passwords.put, "olga", hashing.made(RIGHT))
    session = ledger.tx_now(signed_in.begin, "olga", "password")
    _typing(monkeypatch, typed)
    refused = baton("console", "password", "--by", "olga")
    assert (refused.code, why in refused.err) == (Code.USAGE, True)
    assert typed.strip() not in refused.err or not typed
    assert ledger.read_now(signed_in.find, session) is not None


def test_a_password_is_no_argument(baton: Baton) -> None:
    """It would stand in the list of processes, and in the shell's history."""
    assert baton("console", "password", RIGHT).code == Code.USAGE
    assert baton("console", "password", "--password", RIGHT).code == Code.USAGE


def test_at_a_terminal_a_password_is_asked_for_twice_and_not_shown(baton: Baton, ledger: Ledger) -> None:
    """Two that differ change nothing."""
    asked = ("Password for olga", "The same again")
    done = baton.process("console", "password", "--by", "olga", typed=[(asked[0], f"{RIGHT}\n"), (asked[1], f"{RIGHT}\n")])
    assert (done.code, RIGHT in done.out) == (Code.DONE, False)
    assert hashing._is_right(ledger.read_now(passwords.hash_of, "olga") or "", RIGHT)
    done = baton.process("console", "password", "--by", "olga", typed=[(asked[0], f"{OTHER}\n"), (asked[1], f"{RIGHT}\n")])
    assert (done.code, "two different passwords" in done.out) == (Code.USAGE, True)
    assert hashing._is_right(ledger.read_now(passwords.hash_of, "olga") or "", RIGHT)


def test_others_reach_it_with_tls_or_a_proxy_alone(baton: Baton) -> None:
    """Refused before anything listens or is written, with why and what to do."""
    refused = baton("console", "--host", "0.0.0.0")
    assert refused.code == Code.USAGE
    assert "nothing here has TLS" in refused.err
    assert not baton.state.exists()
    assert "no address of this machine" in baton("console", "--host", "baton.example.org").err
    baton.set(BATON_CONSOLE__CERTIFICATE="/nowhere.pem", BATON_CONSOLE__PRIVATE_KEY="/nowhere.pem")
    baton.set(BATON_CONSOLE__ADDRESS="https://baton.example.org")
    assert "certificate /nowhere.pem with private_key /nowhere.pem cannot be used" in baton("console", "--host", "0.0.0.0").err


def test_links_lead_to_where_people_open_it(baton: Baton, ledger: Ledger) -> None:
    """The address of the settings, if there is one."""
    del ledger
    baton.set(BATON_CONSOLE__ADDRESS="https://baton.example.org", BATON_CONSOLE__PROXIES='["10.0.0.1"]')
    assert baton("console", "link", "--by", "olga").out.startswith("https://baton.example.org/sign-in?link=")


@pytest.mark.parametrize(
    "arguments", [("--port", "0"), ("--port", "x"), ("link", "extra"), ("what",), ("--host", "x")], ids=" ".join
)
def test_wrong_words_are_usage(baton: Baton, arguments: tuple[str, ...]) -> None:
    """Told before anything is opened."""
    assert baton("console", *arguments).code == Code.USAGE
