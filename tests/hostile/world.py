"""What lies around a hostile repository: canaries that its tricks touch, and secrets that they are after.

Nothing here asks the product what happened. A trick that works leaves a file among the marks, changes something outside, or
carries a secret's bytes to a place where they can be found again.
"""

import base64
import os
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest

from tests.repositories import CLEAN, plain, repository

VARIABLE = "DEPLOY_TOKEN"
"""A variable of the worker that no command and no repository has any business with."""


@dataclass
class World:
    """The machine of one test. `secret` stands in a file, in a private repository and in the worker's environment."""

    folder: Path
    secret: str = field(default_factory=lambda: f"canary{token_hex(12)}")
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    untouched: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def build(cls, folder: Path, patch: pytest.MonkeyPatch) -> "World":
        """The marks, the private things, and the secret in the environment."""
        world = cls(folder)
        world.marks.mkdir(parents=True)
        (world.outside / "empty").mkdir(parents=True)
        # Two lines: some errors name the first line of what could not be read, and some the second.
        world.secret_file.write_text(f"{world.secret}\n{world.secret}\n")
        repository(world.private, {"secret.txt": f"{world.secret}\n".encode()})
        patch.setenv(VARIABLE, world.secret)
        world.listener.setblocking(False)
        world.untouched = world.around()
        return world

    @property
    def marks(self) -> Path:
        """Where what ran or wrote outside leaves its name."""
        return self.folder / "marks"

    @property
    def outside(self) -> Path:
        """A folder that belongs to somebody else."""
        return self.folder / "outside"

    @property
    def secret_file(self) -> Path:
        """A file that the worker may read and a repository may not."""
        return self.outside / "secret.txt"

    @property
    def private(self) -> Path:
        """A repository that the worker may read and another repository may not."""
        return self.folder / "private"

    @property
    def port(self) -> int:
        """A port on loopback that somebody listens on."""
        return int(self.listener.getsockname()[1])

    def mark(self, name: str) -> str:
        """A shell command that leaves this mark."""
        return f"touch {self.marks}/{name}"

    def around(self) -> dict[str, bytes]:
        """Everything that must stay as it is."""
        found = [path for top in (self.outside, self.private) for path in sorted(top.rglob("*"))]
        return {str(path): path.read_bytes() if path.is_file() else b"" for path in found}

    def fired(self) -> set[str]:
        """The marks that were left, `written outside` and `connected` among them."""
        marks = {path.name for path in self.marks.iterdir()}
        if self.around() != self.untouched:
            marks.add("written outside")
        try:
            self.listener.accept()[0].close()
            marks.add("connected")
        except BlockingIOError:
            pass
        return marks

    def forms(self) -> list[bytes]:
        """The secret as it is, and as a careful thief would write it."""
        raw = self.secret.encode()
        coded = [base64.b64encode(raw + b"\n"), base64.b64encode(raw), raw.hex().encode(), raw[::-1]]
        return [raw, *(form.rstrip(b"=")[:-2] for form in coded)]

    def leaks(self, places: Iterable[Path], *texts: bytes | str) -> list[str]:
        """Where the secret is found: in files beneath these places, in objects of git repositories, in these texts."""
        found = [f"text {index}" for index, text in enumerate(texts) if self._holds(text)]
        for place in places:
            files = [place] if place.is_file() else [path for path in place.rglob("*") if _readable(path)]
            found += [str(path) for path in files if self._holds(path.read_bytes())]
            found += [f"objects of {git}" for git in _git_folders(place) if self._holds(_objects(git))]
        return found

    def close(self) -> None:
        """Stop listening."""
        self.listener.close()

    def _holds(self, text: bytes | str) -> bool:
        data = text.encode(errors="replace") if isinstance(text, str) else text
        return any(form in data for form in self.forms())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file and link beneath a folder, to see later what was changed."""
    found: dict[str, bytes] = {}
    for top, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(top, name)
            if path.is_symlink():
                found[str(path)] = os.readlink(os.fsencode(path))
            elif path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def _readable(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)


def _git_folders(place: Path) -> list[Path]:
    heads = [path.parent for path in (place, *place.rglob("objects")) if path.name == "objects" and path.is_dir()]
    return [folder for folder in heads if (folder / "objects" / "pack").is_dir()]


def _objects(git: Path) -> bytes:
    """The bytes of all objects that lie in this folder itself, unpacked."""
    objects = git / "objects"
    command = ["git", f"--git-dir={git}", "cat-file", "--batch-all-objects", "--batch"]
    if objects.is_symlink() or (objects / "info" / "alternates").exists():
        return b""  # they lie elsewhere
    return subprocess.run(command, env=CLEAN, capture_output=True, check=False).stdout


def head_of(path: Path) -> str:
    """The commit that a repository's HEAD names."""
    return plain(path, "rev-parse", "HEAD")
