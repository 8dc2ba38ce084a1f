"""A way out of the sandbox to declared hosts and nowhere else.

The sandbox has no network. A socket file in its folder leads to a proxy outside, which connects to declared hosts only; inside,
a small program listens on loopback, passes on to that socket, and starts the command with the proxy's variables set.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from contracts.effects.targets import Host

FOLDER = ".baton"
"""Beside the command's files: the socket, and the program that is started inside."""

HEAD_LIMIT = 64 * 1024
_PATIENCE = 30.0

INSIDE = """\
import os, socket, subprocess, sys, threading

def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass

def serve(listening):
    while True:
        near, _ = listening.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "way"))
        except OSError:
            near.close()
            continue
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=copy, args=(one, other), daemon=True).start()

listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listening,), daemon=True).start()
way = "http://127.0.0.1:%d" % listening.getsockname()[1]
names = ("http_proxy", "https_proxy", "all_proxy")
set_there = ["%s=%s" % (name, way) for one in names for name in (one, one.upper())]
code = subprocess.call(["env", *set_there, *sys.argv[1:]])
os._exit(code if code >= 0 else 128 - code)
"""


def through(argv: tuple[str, ...], place: str = f"/workspace/{FOLDER}") -> tuple[str, ...]:
    """The command as it is started inside, when a doorway is open. `place`: where its folder is seen there."""
    return ("python3", f"{place}/start.py", *argv)


@contextlib.asynccontextmanager
async def doorway(directory: Path, hosts: Collection[Host]) -> AsyncIterator[list[str]]:
    """Open a way from the sandbox's folder to these hosts while the block runs. Gives a list of what was refused, as it grows.

    Start the command as `through` says. The folder `.baton` in `directory` is ours.
    """
    refused: list[str] = []
    serving: set[asyncio.Task[None]] = set()
    folder = directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "start.py").write_text(INSIDE)
    # The name of a socket may have 107 bytes: the folder is reached by a short one while it is bound.
    with tempfile.TemporaryDirectory(prefix="baton-") as short:
        link = Path(short) / "f"
        link.symlink_to(folder.absolute())
        allowed = {one.lower() for one in hosts}

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None, "each connection is served by a task of its own"
            serving.add(task)
            try:
                with contextlib.closing(writer):
                    await _served(reader, writer, allowed, refused)
            finally:
                serving.discard(task)

        server = await asyncio.start_unix_server(serve, path=os.fspath(link / "way"))
        (folder / "way").chmod(0o666)
    try:
        yield refused
    finally:
        server.close()
        for one in tuple(serving):
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: set[str], refused: list[str]) -> None:
    """One connection from inside."""
    try:
        async with asyncio.timeout(_PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        method, url, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        host, head = _where(method, url, head)
        if host.lower() not in allowed:
            refused.append(host[:200])
            await _answered(writer, "403 Forbidden", f"{host} is none of the declared hosts\n")
            return
        name, _, port = host.rpartition(":")
        async with asyncio.timeout(_PATIENCE):
            far_reader, far_writer = await asyncio.open_connection(name, int(port))
    except (ValueError, UnicodeDecodeError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await _answered(writer, "400 Bad Request", "no request that a proxy takes\n")
        return
    except (OSError, TimeoutError) as error:
        await _answered(writer, "502 Bad Gateway", f"{error}\n")
        return
    with contextlib.closing(far_writer):
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            far_writer.write(head)
        await asyncio.gather(_copied(reader, far_writer), _copied(far_reader, writer))


def _where(method: str, url: str, head: bytes) -> tuple[str, bytes]:
    """The host and port of a request to a proxy, and its head as the host gets it. Raises `ValueError`."""
    if method == "CONNECT":
        return url, b""
    if not url.startswith("http://"):
        raise ValueError(url)
    netloc, _, path = url.removeprefix("http://").partition("/")
    lines = head.split(b"\r\n")
    # One request per connection: the next could be meant for another host.
    kept = [line for line in lines[1:-2] if not line.lower().startswith((b"connection:", b"proxy-", b"host:"))]
    first = [f"{method} /{path} HTTP/1.1".encode(), f"Host: {netloc}".encode(), b"Connection: close"]
    return (netloc if ":" in netloc else f"{netloc}:80"), b"\r\n".join([*first, *kept, b"", b""])


async def _copied(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.write_eof()


async def _answered(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    with contextlib.suppress(OSError):
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(text.encode())}\r\nConnection: close\r\n\r\n{text}".encode())
        await writer.drain()
