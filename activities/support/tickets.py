"""Tickets out of a file: JSON lines, or a mailbox as mail programs write it. What cannot be read is named and left out."""

import email.policy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts.base import sha256
from contracts.effects.email_send import Address
from contracts.support_cases import BadTicket, Ticket

LONGEST = 40_000
"""Most characters of a ticket."""

MOST = 10_000
"""Most tickets of a file."""

BYTES = 256 * 1024
"""Most bytes of one line, or of one mail."""

_ADDRESS = TypeAdapter(Address)


@dataclass(frozen=True)
class Bad:
    """A ticket that cannot be read: where it stands, why, and its bytes."""

    where: str
    why: str
    data: bytes

    def told(self) -> BadTicket:
        """For people."""
        return BadTicket(where=self.where, why=self.why[:500])


class _Line(BaseModel):
    """One line of JSON. Other keys are let pass: exports have many."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    id: str | int
    customer: str = Field(alias="from")
    subject: str = ""
    text: str
    automatic: bool = False
    follows: str | int = ""


def of_lines(file: BinaryIO) -> Iterator[Ticket | Bad]:
    """The tickets of a file of JSON lines. Blank lines are none."""
    number = 0
    while line := file.readline(BYTES + 1):
        number += 1
        where = f"line {number}"
        if len(line) > BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(BYTES)) and not rest.endswith(b"\n"):
                pass
            yield Bad(where, f"it has more than {BYTES} bytes", line)
        elif line.strip():
            yield _of_line(where, line)


def _of_line(where: str, line: bytes) -> Ticket | Bad:
    try:
        read = _Line.model_validate(json.loads(line), strict=True)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the line'}: {one['msg']}" for one in error.errors()[:3])
        return Bad(where, problems, line)
    except (ValueError, RecursionError) as error:
        return Bad(where, f"it is no JSON: {error}", line)
    made = {"customer": read.customer, "subject": read.subject, "text": read.text, "automatic": read.automatic}
    return checked(where, {"id": str(read.id), "follows": str(read.follows)} | made, line)


def checked(where: str, made: dict[str, Any], data: bytes) -> Ticket | Bad:
    """A ticket, if it can be answered: it has a number, a sender and a text of a length that is read whole."""
    identity = str(made["id"]).strip()
    if not identity or len(identity) > 200 or not identity.isprintable():
        return Bad(where, "its id is empty, too long or cannot be printed; give each ticket a number of its own", data)
    sender = str(made["customer"])
    try:
        # Of two lines the second would be dropped, and whoever wrote it meant something by it.
        customer = _ADDRESS.validate_python(parseaddr(sender)[1] if sender.isprintable() else sender).lower()
    except ValidationError:
        return Bad(where, f"its sender is no mail address: {sender[:80]!r}", data)
    text, subject = str(made["text"]).strip(), " ".join(str(made["subject"]).split())[:300]
    if not text and not subject:
        return Bad(where, "it has neither a subject nor a text", data)
    if len(text) > LONGEST:
        return Bad(where, f"its text has {len(text)} characters, and at most {LONGEST} are read", data)
    return Ticket.model_validate(made | {"id": identity, "customer": customer, "text": text, "subject": subject})


def of_mailbox(file: BinaryIO) -> Iterator[Ticket | Bad]:
    """The tickets of a mailbox in the format mbox: mails that each begin at a line with `From `."""
    for number, mail in enumerate(_mails(file), 1):
        where = f"mail {number}"
        yield Bad(where, f"it has more than {BYTES} bytes", mail) if len(mail) > BYTES else _of_mail(where, mail)


def _mails(file: BinaryIO) -> Iterator[bytes]:
    mail, inside, blank = bytearray(), False, True
    for line in file:
        if line.startswith(b"From ") and blank:
            if inside:
                yield bytes(mail)
            mail, inside = bytearray(), True
        elif inside and len(mail) <= BYTES:
            # Mail programs put a mark before lines that would begin another mail.
            mail += line[1:] if re.match(rb">+From ", line) else line
        blank = not line.strip()
    if inside:
        yield bytes(mail)


def _of_mail(where: str, data: bytes) -> Ticket | Bad:
    try:
        mail = message_from_bytes(data, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        made = {
            # Some programs give their mails no id; the same bytes are the same mail.
            "id": str(mail["Message-ID"] or sha256(data)).strip()[:200],
            "customer": str(mail["Reply-To"] or mail["From"] or ""),
            "subject": str(mail["Subject"] or ""),
            "text": _text(mail),
            "automatic": _is_automatic(mail),
            "follows": str(mail["In-Reply-To"] or "").strip()[:200],
        }
    except (MessageError, ValueError, LookupError, IndexError, AttributeError, TypeError) as error:
        return Bad(where, f"it is no mail that can be read: {error}", data)
    return checked(where, made, data)


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    content = part.get_content()
    text = content if isinstance(content, str) else ""
    return _bare(text) if part.get_content_type() == "text/html" else text


def _is_automatic(mail: EmailMessage) -> bool:
    """True if a program wrote it: an answer to it could be answered for ever (RFC 3834)."""
    said = str(mail["Auto-Submitted"] or "no").partition(";")[0].strip().lower()
    bulk = str(mail["Precedence"] or "").strip().lower() in ("bulk", "junk", "list", "auto_reply")
    return said != "no" or bulk or mail["List-Id"] is not None or str(mail["Return-Path"] or "").strip() == "<>"


class _Bare(HTMLParser):
    """Collects what a person would read."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out what is not shown, and end a line where one ends."""
        del attrs
        self.hidden += tag in ("script", "style")
        self.said += ["\n"] if tag in ("br", "p", "div", "tr", "li") else []

    def handle_endtag(self, tag: str) -> None:
        """Show again what comes after it."""
        self.hidden -= tag in ("script", "style") and self.hidden > 0

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.said += [] if self.hidden else [data]


def _bare(text: str) -> str:
    parser = _Bare()
    parser.feed(text)
    parser.close()
    return "".join(parser.said)
