"""Where Baton lives on this machine: the folders of one user, paths that begin with `~`, and whether a folder can be used."""

import os
import pwd
import re
from pathlib import Path
from urllib.parse import quote, unquote

from contracts.errors import Misconfigured

_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})")


def state_home() -> Path:
    """The folder of a user's state folders: `$XDG_STATE_HOME`, else `~/.local/state`. Raises `Misconfigured` without a home."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def config_home() -> Path:
    """The folder of a user's settings: `$XDG_CONFIG_HOME`, else `~/.config`. Raises `Misconfigured` without a home."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def default_state() -> Path:
    """The state folder of who names none: one per user, whatever folder the commands are called in."""
    return state_home() / "baton"


def expanded(path: Path) -> Path:
    """The path with a leading `~` or `~user` replaced, as a shell does.

    Raises `ValueError` where that home is not known, and for a path that begins with a shell's variable.
    """
    if path.parts and _VARIABLE.fullmatch(path.parts[0]):
        # Unit files and env files are read by no shell, and a folder of that name below the working folder is never meant.
        raise ValueError(
            f"{path} begins with {path.parts[0]}, which only a shell replaces; write the whole path, or begin with ~"
        )
    try:
        return path.expanduser()
    except RuntimeError:
        who = "this user" if path.parts[0] == "~" else path.parts[0][1:]
        raise ValueError(f"{path} begins with ~, and the home folder of {who} is not known; write the whole path") from None


def whole(path: Path) -> Path:
    """The path `expanded`, and from the root. Raises `ValueError` as well where the working folder was removed."""
    path = expanded(path)
    try:
        return path.absolute()
    except FileNotFoundError:
        raise ValueError(
            f"{path} is relative, and the working folder was removed; go to one that is there, or write the whole path"
        ) from None


def usable(folder: Path, *, make: bool = True) -> Path:
    """The state folder, made if it is not there and `make` is true; new ones are for their user alone.

    Raises `Misconfigured` with the folder, the user and what to do, where it is no folder or this user may not write to it.
    """
    try:
        problem = _problem(folder, make=make)
        if make and not problem:
            # Each by itself: `parents=True` would make those above readable by everybody.
            for place in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
                place.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        problem = unable(error)
    if problem:
        raise Misconfigured(f"the state folder {folder} cannot be used: {problem}. Or name another one: BATON_STATE=FOLDER")
    return folder


def unable(error: OSError) -> str:
    """What the system did not let this user do, where, and what to do: the sentence for an `OSError` about a file."""
    # Two names where something was moved or linked; the second is where it would have gone.
    where = next((os.fsdecode(name) for name in (error.filename, error.filename2) if name), "")
    reason = f"{where}: {error.strerror}" if where else str(error.strerror or error)
    if isinstance(error, PermissionError):
        owner = _owner(Path(where)) if where else ""
        return f"{reason} (user {name_of(os.geteuid())}{owner}). Give this user the right to it, or call Baton as its owner"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{reason} (user {name_of(os.geteuid())}). There is a file where a folder is needed: move it away"
    return f"{reason} (user {name_of(os.geteuid())})"


def name_of(uid: int) -> str:
    """The name of an account, or `uid-N` for a number without one, as containers use them."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"


def _xdg(variable: str, below_home: str) -> Path:
    # The XDG specification: a relative path in these variables is to be ignored.
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / below_home
    except RuntimeError:
        raise Misconfigured(
            f"user {name_of(os.geteuid())} has no home folder to keep Baton's state in: set HOME, or BATON_STATE=FOLDER"
        ) from None


def _problem(folder: Path, *, make: bool) -> str:
    """Why this folder cannot be used or, to `make` it, the nearest one above it that is there; "" if it can."""
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            return f"{place} is a link to {place.readlink()}, which is not there. Make that folder, or remove the link"
        if not place.exists():
            continue
        if not place.is_dir():
            return f"{place} is a file. Move it away"
        wanted = os.W_OK | os.X_OK if make or place == folder else os.X_OK
        if not os.access(place, wanted, effective_ids=True):
            return f"user {name_of(os.geteuid())} may not write to {place}{_owner(place)}. Give this user the right to"
        return ""
    return ""


def _owner(place: Path) -> str:
    """Whose it is, where that can be seen and is somebody else."""
    try:
        found = place.lstat()
    except OSError:
        return ""
    whose = f", which belongs to {name_of(found.st_uid)}" if found.st_uid != os.geteuid() else ""
    return f"{whose} (mode {found.st_mode & 0o7777:o})" if whose else f" (mode {found.st_mode & 0o7777:o})"


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file. Any path: what means something in a URL (`?`, `#`, `%`) is written as an escape."""
    return f"sqlite:///{quote(os.fspath(file), safe='/:@')}"


def whole_url(url: str) -> str:
    """The same URL of a ledger; of a SQLite file with its path from the root, and a leading `~` replaced.

    Raises `Misconfigured` where that home is not known. What is no URL is given back: who opens it says what is wrong.
    """
    kind, found, rest = url.strip().partition(":///")
    path, mark, options = rest.partition("?")
    if not found or kind not in ("sqlite", "sqlite+pysqlite") or not path or path.startswith(("/", ":", "file:")):
        return url
    try:
        return sqlite_url(whole(Path(unquote(path)))) + mark + options
    except ValueError as error:
        raise Misconfigured(f"ledger_url: {error}") from None
