"""The stream of events in AWS's own binary form, as the server-sent events that it carries."""

import base64
import binascii
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import httpx2

CONTENT_TYPE = "application/vnd.amazon.eventstream"


async def as_text(pieces: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    """Each frame as the text of its event, as soon as it is there.

    A frame that says what failed becomes the error event that Anthropic itself would send. Raises `httpx2.ReadError` for
    frames that are damaged, cut off, or larger than `limit`.
    """
    from botocore.eventstream import EventStreamBuffer, ParserError

    frames, waiting = EventStreamBuffer(), 0
    async for piece in pieces:
        frames.add_data(piece)
        waiting += len(piece)
        try:
            for frame in frames:
                waiting -= frame.prelude.total_length
                if event := _event(frame.headers, frame.payload):
                    yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        except (ParserError, ValueError, binascii.Error) as error:
            raise httpx2.ReadError(f"a frame of the stream is damaged: {error}") from None
        if waiting > limit:
            raise httpx2.ReadError(f"a frame of the stream is larger than {limit} bytes")
    if waiting:
        raise httpx2.ReadError("the stream ends in the middle of a frame")


def _event(headers: dict[str, Any], payload: bytes) -> dict[str, Any] | None:
    """The event in a frame; None for a frame that holds none, such as those that only AWS knows."""
    value = json.loads(payload) if payload else {}
    if not isinstance(value, dict):
        raise ValueError("its payload is no object")
    kind = headers.get(":message-type")
    if kind in ("exception", "error"):
        code = headers.get(":exception-type") or headers.get(":error-code") or "error"
        said = value.get("message") or value.get("Message") or headers.get(":error-message") or ""
        return {"type": "error", "error": {"type": code, "message": said}}
    carried = value.get("bytes")
    if not isinstance(carried, str):
        return None
    event = json.loads(base64.b64decode(carried, validate=True))
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
