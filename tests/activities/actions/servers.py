"""Servers that actions act at, on loopback: HTTP with a host's REST interface, and SMTP. Each keeps a book.

With a file for it each effect is a line there, on the disk before anybody has an answer.
"""

import contextlib
import json
import os
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Kept:
    """A book on the disk; without a `file` nothing is kept there."""

    file: Path | None = None

    def keep(self, what: str) -> None:
        """Add an effect, a line that is on the disk when this returns."""
        if self.file is not None:
            with self.file.open("a") as book:
                book.write(f"{what}\n")
                book.flush()
                os.fsync(book.fileno())

    @property
    def kept(self) -> list[str]:
        """All effects, oldest first."""
        return self.file.read_text().splitlines() if self.file is not None and self.file.exists() else []


@dataclass
class Web(Kept):
    """An HTTP server. `book` has the requests that it acted on, in order; `seen` all of them."""

    address: str = ""
    book: list[dict[str, Any]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    pages: dict[str, Any] = field(default_factory=dict)
    """What GET answers at other paths."""
    answer: int = 0
    """The status that POST gives instead of acting; 0: it acts."""
    chokes_on: bytes = b"\0"
    """A POST whose body has this gets 500, and is not acted on."""
    loses: bool = False
    """Acts, and then ends the connection without an answer."""


@contextlib.contextmanager
def web(tls: ssl.SSLContext | None = None, book: Path | None = None) -> Iterator[Web]:
    """Run the server; with `tls` it speaks nothing else."""
    found = Web(book)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append(f"GET {self.path}")
            path, _, query = self.path.partition("?")
            if path in found.pages:
                self._say(200, found.pages[path])
            elif path.startswith("/taken/"):
                key = path.removeprefix("/taken/")
                there = [one for one in found.book if one["headers"].get("idempotency-key") == f'"{key}"']
                self._say(200 if there else 404, {"id": there[0]["id"]} if there else {})
            elif path.startswith("/posted/"):
                posts = [one["path"] for one in found.book]
                self._say(200 if path.removeprefix("/posted") in posts else 404, {})
            elif path.endswith("/pulls"):
                self._say(200, found.pulls)
            elif path.endswith("/comments"):
                page = int(query.rpartition("page=")[2])
                self._say(200, found.comments[(page - 1) * 100 : page * 100])
            else:
                self._say(404, {})

        def do_POST(self) -> None:
            found.seen.append(f"POST {self.path}")
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if found.answer:
                self._say(found.answer, {"message": "no"})
                return
            if found.chokes_on in body:
                self._say(500, {"message": "bug"})
                return
            made = self._made(body, headers)
            if found.loses:
                self.close_connection = True
                return
            self._say(201, made)

        def _made(self, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
            number = len(found.book) + 1
            if self.path.startswith("/once"):  # acts once per key
                same = [one for one in found.book if one["headers"].get("idempotency-key") == headers["idempotency-key"]]
                if same:
                    return {"id": same[0]["id"]}
            found.book.append({"id": f"evt-{number}", "path": self.path, "headers": headers, "body": body})
            found.keep(self.path)
            made: dict[str, Any] = {"id": f"evt-{number}"}
            if self.path.endswith("/pulls"):
                asked = json.loads(body)
                made = {"html_url": f"https://host.test/pull/{number}", "body": asked["body"]}
                made |= {"head": {"ref": asked["head"]}, "base": {"ref": asked["base"]}}
                found.pulls.append(made)
            elif self.path.endswith("/comments"):
                made = {"html_url": f"https://host.test/comment/{number}", "body": json.loads(body)["body"]}
                found.comments.append(made)
            return made

        def _say(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{found.address}/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        if tls is not None:
            found.address = f"https://localhost:{server.server_port}"
            # Each connection shakes hands in its own thread: one that ends in the middle must not stop the others.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with _serving(server):
            yield found


@dataclass
class Mail(Kept):
    """An SMTP server. `box` has what it took: sender, recipients and text."""

    port: int = 0
    box: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    loses: bool = False
    """Takes a message, and ends the connection without an answer."""
    refuses: dict[str, str] = field(default_factory=dict)
    """What it answers to a command instead of doing it, by the command's beginning."""


@contextlib.contextmanager
def mail(tls: ssl.SSLContext | None = None, book: Path | None = None) -> Iterator[Mail]:
    """Run the server; with `tls` it offers STARTTLS and a log-in."""
    found = Mail(book, tls=tls)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            sender, recipients = "", list[str]()
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                found.said.append(line)
                verb = line[:4].upper()
                answer = next((text for begins, text in found.refuses.items() if line.upper().startswith(begins)), "")
                if answer:
                    self._say(answer)
                elif verb == "EHLO":
                    offers = [] if found.tls is None else ["STARTTLS", "AUTH PLAIN"]
                    lines = ["here", *offers]
                    self.wfile.write("".join(f"250{'-' if one != lines[-1] else ' '}{one}\r\n" for one in lines).encode())
                elif verb == "STAR" and found.tls is not None:
                    self._say("220 go on")
                    try:
                        self.connection = found.tls.wrap_socket(self.connection, server_side=True)
                    except OSError:
                        return  # whoever asks does not trust the certificate
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
                elif verb == "MAIL":
                    sender, recipients = line.partition("<")[2].partition(">")[0], []
                    self._say("250 yes")
                elif verb == "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                    self._say("250 yes")
                elif verb == "DATA":
                    self._say("354 go on")
                    text = b""
                    while (more := self.rfile.readline()) != b".\r\n":
                        text += more
                    found.box.append((sender, tuple(recipients), text))
                    found.keep(" ".join(recipients))
                    if found.loses:
                        return
                    self._say("250 taken")
                else:
                    self._say("221 bye" if verb == "QUIT" else "235 you are in" if verb == "AUTH" else "250 yes")
                    if verb == "QUIT":
                        return

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            self.connection.close()

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        with _serving(server):
            yield found


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    # Looked at often: at the end of a test nobody waits half a second for it.
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
