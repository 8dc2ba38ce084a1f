"""A forward proxy on loopback, as companies have them: every name behind it is the wire server, and no name is looked up."""

import asyncio
import base64
import ssl
import subprocess
from pathlib import Path
from typing import Self

from tests.children import PATIENCE

_HEAD = b"\r\n\r\n"


class Proxy:
    """`async with Proxy(port) as proxy:` forwards to this port of 127.0.0.1; `asked` has what it was asked for, in order."""

    def __init__(self, port: int, *, credentials: str = "", tls: ssl.SSLContext | None = None) -> None:
        """`credentials` are wanted as USER:PASSWORD; `tls` is what a tunnel ends in, with the endpoint's certificate."""
        self.asked: list[str] = []
        self._port, self._tls = port, tls
        self._wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        """Host and port on which it listens."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._served(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await asyncio.wait_for(reader.readuntil(_HEAD), PATIENCE)).decode("latin-1")
            await self._answered(head, reader, writer)
        except asyncio.IncompleteReadError:
            pass  # a connection that is closed unused
        finally:
            writer.close()

    async def _answered(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        self.asked.append(f"{method} {target}")
        given = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if self._wanted and given.get("proxy-authorization") != self._wanted:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        answers, there = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                if self._tls is not None:
                    await writer.start_tls(self._tls)
            else:
                path = "/" + target.split("/", 3)[3]
                kept = [line for line in lines if not line.lower().startswith(("proxy-", "connection:"))]
                there.write("\r\n".join((f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", "")).encode("latin-1"))
            asking = asyncio.ensure_future(_passed(reader, there))
            # Over is what the endpoint ends: the client may keep its side open for another request.
            await _passed(answers, writer)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        finally:
            there.close()


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this name that only `SSL_CERT_FILE` makes trusted, and the server's side of it."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    options = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500")
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    command = ["openssl", "req", *options, *subject, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return made, context
