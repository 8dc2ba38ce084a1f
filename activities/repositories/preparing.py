"""Makes an environment for checks from what a repository declares: a folder with a Python, or npm packages, or both.

This is the only part that lets an installer fetch something, and it runs because a person said so. Nothing of the repository is
run, and no package's own code either: Python packages come as wheels, npm packages without their scripts. The installers are
the operator's own, with their settings (index, proxy, certificates).
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from activities.files.locks import locked
from activities.git.trees import delete_folder
from activities.repositories.declared import Declared, digest_of
from activities.running import disk
from contracts.errors import Refused

LIMIT = timedelta(minutes=15)
"""How long one installer may take."""

MARKER = "baton-environment.json"
"""Written last: a folder without it was not finished."""

PASSED_ON = re.compile(
    r"(?:PATH|HOME|LANG|TMPDIR|XDG_CONFIG_HOME|XDG_CONFIG_DIRS|XDG_CACHE_HOME)\Z"
    r"|(?i:pip_|npm_config_|(?:https?|no|all)_proxy\Z|ssl_cert_|node_extra_ca_certs\Z|requests_ca_bundle\Z)"
)
"""Names of the operator's variables that installers may need; all others are left out."""

_TOLD = 600


class NotPrepared(Refused):
    """The environment could not be made. The text says which installer failed, and its last words."""


def prepare(wanted: Declared, folder: Path, passed: Mapping[str, str]) -> None:
    """Make the environment in `folder`, which may only be there if an earlier call made or began it: then it is made anew.

    `passed` is all that installers see of the environment. Blocks. Raises `NotPrepared`.
    """
    if folder.exists() and not _ours(folder):
        raise NotPrepared(f"{folder} is there and was not made by this command; name a folder that does not exist yet")
    delete_folder(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()
    (folder / "bin").mkdir()
    if wanted.python:
        _python(wanted, folder, passed)
    if wanted.npm:
        _npm(wanted, folder, passed)
    made = {"python": wanted.python, "pinned": wanted.pinned, "npm": wanted.npm, "sources": wanted.sources}
    (folder / MARKER).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def ensure(wanted: Declared, folder: Path, passed: Mapping[str, str]) -> None:
    """As `prepare`, where it is not made already. Safe to call from several processes at once. Raises `NotPrepared`, `Busy`."""
    with locked(lock_of(folder), 3 * LIMIT, f"the environment {folder}"):
        if not finished(folder):
            prepare(wanted, folder, passed)


def place_of(environments: Path, repository: str, wanted: Declared) -> Path:
    """Where the environment of this list belongs: another list gets another folder."""
    return environments / f"{stem_of(repository)}-{digest_of(wanted)}"


def stem_of(repository: str) -> str:
    """How the folders of this repository's environments begin, whatever their lists."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", repository.rstrip("/").rpartition("/")[2].removesuffix(".git")) or "repository"


def lock_of(folder: Path) -> Path:
    """The file beside an environment that is locked by whoever makes or removes it, and while its use is noted."""
    return folder.with_name(f"{folder.name}.lock")


def finished(folder: Path) -> bool:
    """True where the folder holds an environment that was made to its end."""
    marker = folder / MARKER
    return marker.is_file() and marker.stat().st_size > 0


def _ours(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and ((folder / MARKER).is_file() or not any(folder.iterdir()))


def _python(wanted: Declared, folder: Path, passed: Mapping[str, str]) -> None:
    # Without pip in it, and from the interpreter behind our own environment: none of our packages is in there.
    home = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    _run([str(home), "-m", "venv", "--without-pip", str(folder)], folder, passed, "a Python environment could not be made")
    lines, pins = folder / "requirements.txt", folder / "constraints.txt"
    lines.write_text("\n".join(wanted.packages) + "\n", encoding="utf-8")
    pins.write_text("\n".join(wanted.pinned) + "\n", encoding="utf-8")
    argv = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "--no-input"]
    argv += ["--disable-pip-version-check", "--only-binary", ":all:", "--requirement", str(lines)]
    argv += ["--constraint", str(pins)] if wanted.pinned else []
    _run(argv, folder, passed, "pip could not install the Python packages (only wheels are taken: no package's code is run)")


def _npm(wanted: Declared, folder: Path, passed: Mapping[str, str]) -> None:
    if shutil.which("npm", path=passed.get("PATH")) is None:
        raise NotPrepared("npm is not installed, and package.json names packages; install Node with npm")
    split = (one.rpartition("@") for one in wanted.npm)
    (folder / "package.json").write_text(
        json.dumps({"private": True, "dependencies": {name: version for name, _, version in split}})
    )
    argv = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    _run(argv, folder, passed, "npm could not install the packages")


def _run(argv: Sequence[str], folder: Path, passed: Mapping[str, str], problem: str) -> None:
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=dict(passed),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotPrepared(f"{problem}: it took longer than {LIMIT.total_seconds() / 60:.0f} minutes") from None
    if done.returncode != 0:
        if why := disk.of_installer(done.stdout):
            delete_folder(folder)  # what is half made takes the room that the next attempt needs
            raise disk.away(why)
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip() and "WARNING" not in line]
        raise NotPrepared(f"{problem}: {' '.join(' '.join(lines[-8:]).split())[-_TOLD:] or f'exit code {done.returncode}'}")
