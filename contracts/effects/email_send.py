"""`email.send`: one plain message through a declared mail server."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.base import Line
from contracts.effects.base import TEXT_LIMIT, Effect, Event, event_key, whole

_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9-]{1,63}"
)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or len(text) > 254:
        raise ValueError("is no plain address; write it as NAME@DOMAIN, in ASCII and without a display name")
    return text


Address = Annotated[Line, AfterValidator(_address)]
"""A bare mail address. What could begin another header, or hide a second address, is refused."""


class EmailSend(Effect, name="email_send/1"):
    """Send one message of plain text. The sender is the target's, so that nobody writes in another's name."""

    event: Event = Field(description="the logical event; sent once, whatever the text")
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)
    cc: tuple[Address, ...] = Field(default=(), max_length=50)
    subject: Line = Field(min_length=1, max_length=300)
    text: str = Field(min_length=1, max_length=TEXT_LIMIT)

    def key(self) -> str:
        """Business key: this event at this target."""
        return event_key("email.send", self.target, self.event)

    def identity(self) -> str:
        """Digest of recipients, subject and text."""
        return whole("email.send", self)

    def summary(self) -> str:
        """Recipients and subject."""
        more = f" and {len(self.to) + len(self.cc) - 1} more" if len(self.to) + len(self.cc) > 1 else ""
        return f"mail {self.to[0]}{more}: {self.subject}"
