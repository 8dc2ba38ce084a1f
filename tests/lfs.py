"""Git LFS for tests: the distribution's own git-lfs as a person would use it, and a small server of it on loopback."""

import base64
import contextlib
import http.server
import json
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from tests.repositories import plain

RULES = b"*.bin filter=lfs diff=lfs merge=lfs -text\n"

USER, PASSWORD = "ann", "s3cret"

_FILTER = (
    *("-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.smudge=git-lfs smudge -- %f"),
    *("-c", "filter.lfs.required=true"),
)


def program() -> Path:
    """The program. It may be missing on a developer's machine, and never in CI."""
    found = shutil.which("git-lfs")
    if found is None:
        text = "there is no git-lfs here; install it (Debian: apt-get install git-lfs)"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)
    return Path(found)


def without(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A PATH that has git and no git-lfs."""
    folder.mkdir()
    for name in ("git", "sh"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))


def pointer(data: bytes) -> bytes:
    """What git stores in place of this content."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize %d\n" % (digest(data).encode(), len(data))


def digest(data: bytes) -> str:
    """The name that Git LFS has for this content."""
    return sha256(data).hexdigest()


def keep(store: Path, data: bytes, name: str = "") -> Path:
    """Put the content into a folder of LFS objects, as git-lfs would; under another name where one is given."""
    oid = name or digest(data)
    file = store / oid[:2] / oid[2:4] / oid
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def commit(work: Path, files: dict[str, bytes]) -> None:
    """Commit as a person with git-lfs does: its filter makes the pointers and keeps the content in the repository's folder."""
    for name, data in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(data)
    plain(work, *_FILTER, "add", "--all")
    plain(work, *_FILTER, "commit", "--quiet", "-m", "content")


@dataclass
class Server:
    """`objects` by digest; `asked` has method and path of every request."""

    url: str
    objects: dict[str, bytes]
    certificate: Path
    asked: list[str] = field(default_factory=list)
    refused: bool = False
    """Say that nothing is there."""

    def batches(self) -> list[str]:
        """The requests to an LFS server, whichever it was."""
        return [one for one in self.asked if one.endswith("/objects/batch")]


@contextlib.contextmanager
def serving(bare: Path, made: tuple[Path, ssl.SSLContext]) -> Iterator[Server]:
    """The bare repository and its LFS objects over https, for `USER` with `PASSWORD` alone."""
    plain(bare, "update-server-info")
    state = Server("", {}, made[0])
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Handler, state=state, directory=str(bare.parent))
    ) as server:
        server.socket = made[1].wrap_socket(server.socket, server_side=True)
        state.url = f"https://localhost:{server.server_address[1]}/{bare.name}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Static files, which git's plain http protocol is content with, and the batch API of Git LFS."""

    def __init__(self, *arguments: object, state: Server, directory: str) -> None:
        self._state = state
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self._admitted():
            return
        name = self.path.rpartition("/")[2]
        if "/objects-of-lfs/" in self.path:
            self._send(200, self._state.objects[name], "application/octet-stream")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._admitted():
            return
        what = {"download": self._object, "upload": self._wanted}[asked["operation"]]
        found = [what(one["oid"], one["size"]) for one in asked["objects"]]
        self._send(200, json.dumps({"transfer": "basic", "objects": found}).encode(), "application/vnd.git-lfs+json")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._admitted():
            return
        oid = self.path.rpartition("/")[2]
        assert digest(data) == oid
        self._state.objects[oid] = data
        self._send(200, b"", "text/plain")

    def _wanted(self, oid: str, size: int) -> dict[str, object]:
        if self._state.refused:
            return {"oid": oid, "size": size, "error": {"code": 403, "message": "No room for you"}}
        if oid in self._state.objects:
            return {"oid": oid, "size": size}
        place = f"{self._state.url}/objects-of-lfs/{oid}"
        given = {"Authorization": self.headers["Authorization"]}
        return {"oid": oid, "size": size, "authenticated": True, "actions": {"upload": {"href": place, "header": given}}}

    def _object(self, oid: str, size: int) -> dict[str, object]:
        if self._state.refused or oid not in self._state.objects:
            return {"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
        place = f"{self._state.url}/objects-of-lfs/{oid}"
        given = {"Authorization": self.headers["Authorization"]}
        return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": {"href": place, "header": given}}}

    def _admitted(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = self.headers.get("Authorization") == wanted
        self._state.asked.append(f"{self.command} {self.path}")
        if not known:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        return known

    def _send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # A client that has had enough, such as of content that is too long, ends the connection.
        with contextlib.suppress(OSError):
            self.wfile.write(body)


def netrc(home: Path) -> Path:
    """A home folder whose owner may use the server."""
    home.mkdir()
    (home / ".netrc").write_text(f"machine localhost login {USER} password {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    return home
