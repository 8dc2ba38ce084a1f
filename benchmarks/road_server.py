"""The model of the benchmark `road`: answers at once and as cheaply as Python can, whole or piece by piece."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from benchmarks.agent_files import answer
from tests.wire.streams import streamed
from tests.wire.vendors import completion, message

PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
"""Where each format is asked, behind `/whole` or `/streamed`."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nx-request-id: r1\r\nrequest-id: r1\r\n%s\r\n\r\n"


def replies() -> dict[str, tuple[bytes, list[bytes]]]:
    """By path: what is sent at once, and the pieces that follow it."""
    text = json.dumps(answer())
    wholes = {
        "chat": completion({"role": "assistant", "content": text}),
        "messages": message([{"type": "text", "text": text}], stop_sequence=None),
    }
    found: dict[str, tuple[bytes, list[bytes]]] = {}
    for speaks, path in PATHS.items():
        body = json.dumps(wholes[speaks]).encode()
        head = _HEAD % (b"application/json", b"content-length: %d" % len(body))
        found[f"/whole{path}"] = (head + body, [])
        events = [f"{one}\n\n".encode() for one in streamed(speaks, wholes[speaks]).decode().split("\n\n") if one]
        head = _HEAD % (b"text/event-stream", b"transfer-encoding: chunked")
        found[f"/streamed{path}"] = (head, [*(b"%x\r\n%s\r\n" % (len(one), one) for one in events), b"0\r\n\r\n"])
    return found


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other, each with a content-length."""

    def __init__(self, known: dict[str, tuple[bytes, list[bytes]]], gap: float) -> None:
        self._known, self._gap = known, gap
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, ended, rest = self._read.partition(b"\r\n\r\n")
        if not ended:
            return
        line, *headers = head.split(b"\r\n")
        length = next(int(one.partition(b":")[2]) for one in headers if one.lower().startswith(b"content-length:"))
        if len(rest) < length:
            return
        self._read = rest[length:]
        at_once, pieces = self._known[line.split()[1].decode()]
        self._transport.write(at_once)
        self._send(pieces)

    def _send(self, pieces: Sequence[bytes]) -> None:
        if not pieces or self._transport.is_closing():
            return
        self._transport.write(pieces[0])
        asyncio.get_running_loop().call_later(self._gap, self._send, pieces[1:])


async def _main(gap: float) -> None:
    known = replies()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(known, gap), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gap", type=float, required=True, help="seconds between two pieces")
    asyncio.run(_main(parser.parse_args().gap))
