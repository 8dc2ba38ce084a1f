"""What a model has written so far in the call under way: for the activity's heartbeat, and for what a limit cuts off."""

import codecs
import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from activities.providers.event_stream import data_of, is_end, is_finish, is_last, piece_of
from activities.providers.stream_pieces import addition, tokens_counted, tool_begun
from activities.providers.stream_usage import StreamUsage

CHARACTERS_PER_TOKEN = 4
"""About; what is charged is the usage that the reply states."""


class Progress:
    """The call under way in one activity; the next one takes its place. Nothing in it decides what a reply is."""

    def __init__(self) -> None:
        self.begin("")

    def begin(self, model: str) -> None:
        """Forget the call before. `model` is shown as the one that is asked."""
        self.model = model
        self.characters = 0
        self.tool = ""
        """The tool whose call is being written, as far as the stream shows it; "" for none."""
        self.heard = time.monotonic()
        """When the last byte came, or the call began."""
        self._counted = (0, 0)
        # Tokens, and the characters at which the provider counted them.
        self.ended = False
        """Whether the stream has said its last word."""
        self.finished = False
        """Whether the reply is whole; its usage may still come."""
        self.waits_for = ""
        """What the call waits for before it is made; "" once it is."""
        self.waited = 0.0
        """Seconds of such waits."""
        self.stream_usage = StreamUsage()
        self._texts: list[str] = []
        self._line: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def text(self) -> str:
        """What it has said so far, without thoughts and calls."""
        return "".join(self._texts)

    @property
    def tokens(self) -> int:
        """How many it has written so far: what the provider has counted, and a guess by the characters that came since."""
        counted, at = self._counted
        return counted - -(self.characters - at) // CHARACTERS_PER_TOKEN

    @property
    def estimated(self) -> bool:
        """Whether `tokens` is not the provider's own count."""
        return self.characters > self._counted[1] or not self._counted[0]

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """The block is a wait before the call: nothing has been sent, and nothing can cost anything."""
        self.waits_for, began = what, time.monotonic()
        try:
            yield
            self.waits_for = ""  # not where the wait is ended: then the call was never made
        finally:
            self.heard = time.monotonic()
            self.waited += self.heard - began

    def took(self, data: bytes) -> None:
        """Count some bytes of the body. Those of a reply that is not streamed count nothing."""
        self.heard = time.monotonic()
        *lines, rest = self._decoder.decode(data).split("\n")
        for line in lines:
            self._took_line("".join([*self._line, line]).strip())
            self._line = []
        self._line.append(rest)

    def _took_line(self, line: str) -> None:
        said = data_of(line)
        if said is None:
            return
        if is_end(said):
            self.ended = True
            return
        try:
            event = json.loads(said)
        except (ValueError, RecursionError):
            return  # the reply as a whole is judged later
        if not isinstance(event, dict):
            return
        if (added := addition(event)) is None:
            self._took_closely(event)
            return
        self._texts.append(added[0])
        self.characters += added[1]
        if "choices" in event:
            self.tool = ""  # other formats say where a text begins

    def _took_closely(self, event: Mapping[str, Any]) -> None:
        self.stream_usage.took(event)
        text, characters = piece_of(event)
        self._texts.append(text)
        self.characters += characters
        if (counted := tokens_counted(event)) is not None:
            self._counted = (counted, self.characters)
        if (tool := tool_begun(event)) is not None:
            self.tool = tool
        self.ended = self.ended or is_last(event)
        self.finished = self.finished or is_finish(event)

    def details(self) -> tuple[Mapping[str, Any], ...]:
        """For a heartbeat: which model is asked, and how much it has written; nothing of the content. Empty before a call."""
        if not self.model:
            return ()
        tokens = -(-self.characters // CHARACTERS_PER_TOKEN)
        waits = {"waits_for": self.waits_for} if self.waits_for else {}
        return ({"model": self.model, "characters": self.characters, "tokens": tokens} | waits,)

    def told(self) -> str:
        """For an error's text: how much had come by then; "" for nothing."""
        return f"; {self.characters} characters had been written by then" if self.characters else ""


_CURRENT: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextlib.contextmanager
def followed() -> Iterator[Progress]:
    """Calls in the block count here."""
    token = _CURRENT.set(progress := Progress())
    try:
        yield progress
    finally:
        _CURRENT.reset(token)


def current() -> Progress:
    """The one of this context; a new one that nobody looks at where nobody follows."""
    return _CURRENT.get() or Progress()
