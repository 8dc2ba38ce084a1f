"""`email.send`: who gets what from whom, over TLS, and what a server's answers mean."""

import email
import email.policy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.actions.adapter import CannotFind, NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from activities.actions.email_send import EmailSendAdapter
from contracts.effects.email_send import EmailSend
from contracts.effects.targets import MailTarget
from contracts.errors import ContractViolation, Misconfigured, Refused
from tests.activities.actions.servers import Mail, mail
from tests.wire.proxy import certificate

NOW = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
WANTED = {
    "target": "post",
    "event": "hello/7",
    "to": ["olga@example.org"],
    "cc": ["otto@example.org"],
    "subject": "Grüße",
    "text": "We are closed.\n.\n..dots\r.\rEhlo\n",
}


@pytest.fixture
def server() -> Iterator[Mail]:
    """A mail server of this machine."""
    with mail() as found:
        yield found


def adapter(server: Mail, **changes: Any) -> EmailSendAdapter:
    """An adapter of one server."""
    table = {"kind": "smtp", "host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "shop@example.org"}
    target = MailTarget.model_validate(table | {"domains": ["example.org"], "timeout": "PT10S"} | changes)
    return EmailSendAdapter(Targets({"post": target}, lambda _: "s3cret"))


def stored(**changes: Any) -> bytes:
    """Arguments as they are kept."""
    return EmailSend.read_typed_by_people(WANTED | changes).stored()


def test_a_message_arrives_whole_and_is_the_same_each_time(server: Mail) -> None:
    """One message for all recipients, whatever lines its text has; its id follows from the event."""
    first, again = adapter(server).send(stored(), NOW), adapter(server).send(stored(), NOW)
    assert first == again == f"<{EmailSend.model_validate(WANTED).key()}@example.org>"
    assert server.box[0] == server.box[1]
    sender, recipients, raw = server.box[0]
    assert (sender, recipients) == ("shop@example.org", ("olga@example.org", "otto@example.org"))
    unstuffed = b"\r\n".join(line.removeprefix(b".") for line in raw.split(b"\r\n"))
    message = email.message_from_bytes(unstuffed, policy=email.policy.default)
    assert (message["Subject"], message["Message-ID"], message["To"]) == ("Grüße", first, "olga@example.org")
    assert message["Date"] == "Fri, 20 Nov 2026 08:30:00 +0000"
    assert message.get_content().splitlines() == ["We are closed.", ".", "..dots", ".", "Ehlo"]
    assert not [line for line in server.said if line == "Ehlo"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hello\r\nBcc: all@example.org"},
        {"subject": "Hello\nBcc: all@example.org"},
        {"to": ["olga@example.org\r\nRCPT TO:<all@example.org>"]},
        {"to": ["olga@example.org, all@example.com"]},
        {"to": ["<olga@example.org> SIZE=1"]},
        {"to": ["Olga <olga@example.org>"]},
        {"to": ["olga@example.org\u0000"]},
        {"to": ["ölga@example.org"]},
        {"to": []},
        {"from": "chief@example.org"},
    ],
)
def test_what_would_be_another_header_or_address_is_refused(changes: dict[str, Any]) -> None:
    """By the contract: it is never prepared."""
    with pytest.raises(ContractViolation):
        stored(**changes)


def test_only_declared_domains_get_mail(server: Mail) -> None:
    """A domain within or beside a declared one is another one; nothing is said to the server."""
    for other in ("a@example.com", "a@evil-example.org", "a@sub.example.org", "a@example.org.evil.test"):
        with pytest.raises(Refused, match=f"and not to {other}"):
            adapter(server).check(stored(cc=[other]))
        with pytest.raises(Refused):
            adapter(server).send(stored(to=[other]), NOW)
    assert server.said == []
    assert adapter(server).check(stored(cc=["a@EXAMPLE.org"]))[2] == "copies to a@EXAMPLE.org"


@pytest.mark.parametrize(
    ("refuses", "raised"),
    [
        ({"MAIL": "550 not you"}, TargetRefused),
        ({"MAIL": "451 later"}, NotSent),
        ({"RCPT TO:<OTTO": "550 unknown"}, TargetRefused),
        ({"RCPT TO:<OTTO": "450 later"}, NotSent),
        ({"DATA": "554 no"}, TargetRefused),
        ({"DATA": "421 going down"}, NotSent),
    ],
)
def test_nobody_gets_a_message_of_which_one_is_refused(server: Mail, refuses: dict[str, str], raised: type[Exception]) -> None:
    """A 5xx is for good and a 4xx for now; the message is sent to all or to nobody."""
    server.refuses = refuses
    with pytest.raises(raised, match="nothing was sent"):
        adapter(server).send(stored(), NOW)
    assert server.box == []


def test_an_answer_that_is_lost_after_the_text_is_unknown(server: Mail) -> None:
    """It may have been taken, and nobody can be asked."""
    server.loses = True
    with pytest.raises(Unclear):
        adapter(server).send(stored(), NOW)
    assert len(server.box) == 1
    with pytest.raises(CannotFind):
        adapter(server).find(stored())


def test_a_password_goes_over_tls_alone(tmp_path: Path, server: Mail) -> None:
    """STARTTLS with a certificate that is checked; a server without it, or with another certificate, gets nothing."""
    trusted, tls = certificate(tmp_path, "localhost")
    secret = {"tls": "starttls", "host": "localhost", "user": "shop", "key_env": "KEY"}
    with mail(tls) as safe:
        adapter(safe, ca_file=str(trusted), **secret).send(stored(), NOW)
        assert len(safe.box) == 1
        before = list(safe.said)
        assert any(line.startswith("AUTH ") for line in before[before.index("STARTTLS") :])
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            adapter(safe, **secret).send(stored(), NOW)
        assert [line for line in safe.said[len(before) :] if line.startswith(("AUTH", "MAIL"))] == []
    with pytest.raises(TargetRefused, match="does not offer"):
        adapter(server, **secret).send(stored(), NOW)
    assert not [line for line in server.said if line.startswith("AUTH")]
    with pytest.raises(ValidationError, match="never sent without TLS"):
        adapter(server, user="shop", key_env="KEY")
    with pytest.raises(Misconfigured, match="is for a server of this machine"):
        adapter(server, host="mail.example.org").check(stored())
