"""`baton console`: it starts, prints a link, and says what is wrong."""

import os
import re
import signal
import socket
import subprocess

import httpx2
import pytest

from commands.errors import Code
from ledger import signed_in
from ledger.db import Ledger
from tests import children, forks
from tests.commands.conftest import Baton, baton, ledger

__all__ = ["baton", "ledger"]


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


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--port", "x"), ("link", "extra"), ("what",)], ids=" ".join)
def test_wrong_words_are_usage(baton: Baton, arguments: tuple[str, ...]) -> None:
    """Told before anything is opened."""
    assert baton("console", *arguments).code == Code.USAGE
