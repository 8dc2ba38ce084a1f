"""Real repositories for tests, made with plain git as a person would use it."""

import os
import subprocess
from pathlib import Path

CLEAN = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "someone@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def plain(folder: Path, *arguments: str, check: bool = True, feed: bytes = b"") -> str:
    """Git as a person would run it in that folder."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=CLEAN, capture_output=True, check=False, input=feed)
    assert done.returncode == 0 or not check, done.stderr.decode()
    return done.stdout.decode(errors="replace").strip()


def repository(path: Path, files: dict[str, bytes] | None = None, *, bare: bool = False) -> Path:
    """A repository with one commit on main."""
    path.mkdir(parents=True)
    plain(path, "init", "--quiet", "--initial-branch=main", *(["--bare"] if bare else []))
    if not bare:
        change(path, files or {"README.md": b"hello\n"})
    return path


def change(path: Path, files: dict[str, bytes], attributes: str = "") -> str:
    """Commit these files with plain git; the commit's id."""
    (path / ".git" / "info").mkdir(exist_ok=True)
    (path / ".git" / "info" / "attributes").write_text(attributes)
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    plain(path, "add", "--all", "--force")
    plain(path, "commit", "--quiet", "--allow-empty", "-m", "change")
    (path / ".git" / "info" / "attributes").unlink()
    return plain(path, "rev-parse", "HEAD")
