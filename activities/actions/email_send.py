"""The adapter of `email.send`: one message by SMTP, with a Message-ID that follows from its key.

A mail server cannot be asked whether it took a message: where the answer to one was lost, a person has to find out.
"""

import re
import smtplib
import ssl
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NoReturn

from activities.actions.adapter import CannotFind, NotSent, TargetRefused, Unclear
from activities.actions.declared import Targets
from contracts.actions import Receipt
from contracts.effects.email_send import EmailSend
from contracts.effects.targets import MailTarget
from contracts.errors import BatonError, ContractViolation, Misconfigured, Refused
from contracts.intents import Arguments
from contracts.text import one_line

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)

ANY = "*"
"""In `domains` of a target: it writes to everybody."""

HERE = frozenset({"127.0.0.1", "::1", "localhost"})


class EmailSendAdapter:
    """Every recipient is taken by the server, or nobody gets the message: it is withdrawn before its text is sent."""

    permanent: tuple[type[BatonError], ...] = (TargetRefused, Refused, Misconfigured, ContractViolation)

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def check(self, arguments: bytes) -> tuple[str, ...]:
        """Who writes, to whom, and by which server."""
        mail, target = self._wanted(arguments)
        to = (f"to {', '.join(mail.to)}", *((f"copies to {', '.join(mail.cc)}",) if mail.cc else ()))
        return (f"from {target.sender} by {target.host}:{target.port}", *to, "without a clear answer a person is asked")

    def compensation(self, arguments: bytes, receipt: Receipt) -> Arguments | None:
        """None: a message that was sent is read."""
        del arguments, receipt
        return None

    def find(self, arguments: bytes) -> str | None:
        """Nobody can be asked."""
        del arguments
        raise CannotFind("a mail server cannot say whether it took a message")

    def send(self, arguments: bytes, when: datetime) -> str:
        """Send it; returns its Message-ID."""
        mail, target = self._wanted(arguments)
        message = written(mail, target, when)
        password = self._targets.secret(mail.target, target.key_env, target.key_file)
        try:
            server = _connected(target)
        except smtplib.SMTPResponseException as error:
            _refused(target, error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            raise TargetRefused(f"{target.host} does not offer what [targets.{mail.target}] wants of it: {error}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(f"{target.host}:{target.port} cannot be used: {error}") from None
        try:
            self._begun(server, target, mail, password)
            _handed_over(server, target, message.as_bytes(policy=SMTP))
            return str(message["Message-ID"])
        finally:
            # The message has its answer by now: how the farewell goes says nothing about it.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _begun(self, server: smtplib.SMTP, target: MailTarget, mail: EmailSend, password: str) -> None:
        """Everything before the text: nothing has been sent to anybody while this fails."""
        try:
            if target.user:
                server.login(target.user, password)
            code, answer = server.mail(target.sender)
            if code != 250:
                _refused(target, code, answer)
            for recipient in (*mail.to, *mail.cc):
                code, answer = server.rcpt(recipient)
                if code not in (250, 251):
                    _refused(target, code, answer)
        except smtplib.SMTPResponseException as error:
            _refused(target, error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            raise TargetRefused(f"{target.host} lets nobody sign in: {error}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(f"{target.host} ended the connection before the message: {error}") from None

    def _wanted(self, arguments: bytes) -> tuple[EmailSend, MailTarget]:
        mail = EmailSend.read(arguments)
        target = self._targets.get(mail.target, MailTarget)
        allowed = {domain.lower() for domain in target.domains}
        everybody = ANY in allowed
        others = [one for one in (*mail.to, *mail.cc) if not everybody and one.rpartition("@")[2].lower() not in allowed]
        if others:
            raise Refused(
                f"the target {mail.target} writes to {', '.join(sorted(allowed))}, and not to {', '.join(others)}; "
                "an operator adds a domain to its `domains`"
            )
        if target.tls == "none" and target.host not in HERE:
            raise Misconfigured(f"[targets.{mail.target}]: tls = none is for a server of this machine; {target.host} is none")
        return mail, target


def written(mail: EmailSend, target: MailTarget, when: datetime) -> EmailMessage:
    """The message: the same bytes for every attempt, so that servers that drop duplicates can."""
    message = EmailMessage(policy=SMTP)
    message["From"] = target.sender
    message["To"] = ", ".join(mail.to)
    if mail.cc:
        message["Cc"] = ", ".join(mail.cc)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(when)
    message["Message-ID"] = f"<{mail.key()}@{target.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answer is wanted
    message.set_content(mail.text, cte="quoted-printable")
    return message


def _connected(target: MailTarget) -> smtplib.SMTP:
    seconds = target.timeout.total_seconds()
    trusted = ssl.create_default_context(cafile=None if target.ca_file is None else str(target.ca_file))
    if target.tls == "implicit":
        return smtplib.SMTP_SSL(target.host, target.port, timeout=seconds, context=trusted)
    server = smtplib.SMTP(target.host, target.port, timeout=seconds)
    try:
        server.ehlo_or_helo_if_needed()
        if target.tls == "starttls":
            # Refused where the server offers none: what follows would be read by everybody on the way.
            server.starttls(context=trusted)
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _handed_over(server: smtplib.SMTP, target: MailTarget, data: bytes) -> None:
    try:
        code, answer = server.docmd("data")
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"{target.host} ended the connection before the message: {error}") from None
    if code != 354:
        _refused(target, code, answer)
    try:
        # Not by `SMTP.data`, which does not tell what failed before the text from what failed after it.
        server.send(_LEADING_DOT.sub(b"..", data).removesuffix(b"\r\n") + b"\r\n.\r\n")
        code, answer = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        raise Unclear(f"{target.host} did not say whether it took the message: {error}") from None
    if code < 200:
        raise Unclear(f"{target.host} did not say in words of SMTP whether it took the message")
    if code != 250:
        _refused(target, code, answer)


def _refused(target: MailTarget, code: int, answer: bytes | str) -> NoReturn:
    """A server's no. A code below 500 is one for now; -1 is no answer."""
    words = one_line(answer.decode(errors="replace") if isinstance(answer, bytes) else answer, 300)
    said = f"{target.host} answered {code}: {words}; nothing was sent"
    if code >= 500:
        raise TargetRefused(said)
    raise NotSent(said)
