"""A repository's address, and access to its objects and branches without its configuration or hooks."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from activities.git.command import Git
from activities.git.errors import NoRepository, PushRefused, RepositoryRefused
from activities.git.place import PARTS, Place, find, head, settings
from activities.git.uncommitted import Uncommitted, look
from contracts.base import sha256
from contracts.errors import Refused

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"^[A-Za-z0-9+.-]*::")
_SCP = re.compile(r"^(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*:[^-].*$")
_SHARED = re.compile(r"^(group|all|world|umask|true|false|0[0-7]{3})$")
_ALLOWED = ("https", "ssh", "git")


@dataclass(frozen=True)
class Address:
    """A repository's address. `path` is set for a local one; `shown` never has a password in it."""

    url: str
    transport: str
    shown: str
    path: Path | None = None

    @property
    def folder(self) -> str:
        """The folder name of its mirror: readable, and different for different addresses."""
        last = re.split(r"[/:]", self.shown.rstrip("/"))[-1].removesuffix(".git")
        slug = re.sub(r"[^a-z0-9._-]+", "-", last.lower()).strip("-.")[:40] or "repository"
        return f"{slug}-{sha256(self.url.encode())[:16]}.git"


def parse(repository: str) -> Address:
    """Parse what a person typed: a path, an https, ssh or git URL, or host:path. Raises `Refused`."""
    if not repository.strip() or any(not character.isprintable() for character in repository):
        raise Refused("a repository is a path or a URL without control characters; this one is empty or has some")
    if repository.startswith("-") or _HELPER.match(repository):
        raise Refused(f"repository {repository[:80]!r} would start a program; give a path or an https, ssh or git URL")
    scheme = _SCHEME.match(repository)
    if scheme:
        return _url(repository, scheme.group(1).lower())
    before, colon, _ = repository.partition(":")
    if colon and "/" not in before and not os.path.exists(repository):
        if not _SCP.match(repository):
            raise Refused(f"repository {repository[:80]!r} is no address that git knows; write host:path or a URL")
        return Address(repository, "ssh", repository)
    return _local(Path(repository))


@contextmanager
def reachable(address: Address, git: Git, *, branch: str | None = None) -> Iterator[str]:
    """The URL for one remote command. For a local repository it is that of a stand-in with only its objects and refs.

    Git would run a local repository's hooks and obey its configuration, which its owner (or an agent) can write and which
    cannot be overridden name by name. The stand-in links its objects and refs and has our own configuration. A `branch` that
    is about to be changed must not be checked out there (`PushRefused`). Raises what `place.find` raises.
    """
    if address.path is None:
        yield address.url
        return
    place = find(address.path, git)
    if branch is not None:
        # Git itself would not refuse it: the stand-in that it pushes to is bare.
        _refuse_checked_out(place, branch)
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=git.directory) as folder:
        _stand_in(Path(folder), place, settings(place.common / "config", git))
        yield folder


def object_format(address: Address, git: Git) -> str:
    """sha1, or sha256 if a local repository says so."""
    if address.path is None:
        return "sha1"
    found = settings(find(address.path, git).common / "config", git).get("extensions.objectformat", "sha1").lower()
    return "sha256" if found == "sha256" else "sha1"


def is_partial(address: Address, git: Git) -> bool:
    """Whether it is a clone on this machine that leaves files to its own remote, until it needs them."""
    if address.path is None:
        return False
    place = find(address.path, git)
    theirs = settings(place.common / "config", git)
    promised = any(name.startswith("remote.") and name.endswith(".promisor") for name in theirs)
    return promised or "extensions.partialclone" in theirs or any((place.common / "objects" / "pack").glob("*.promisor"))


def lacks_files(address: Address) -> RepositoryRefused:
    """The error of a partial clone that does not have what is asked for, with what to do."""
    return RepositoryRefused(
        f"{address.shown} is a partial clone (git clone --filter) and lacks files of what is asked for, which only its own "
        "remote has. Give that remote's address, or complete the clone there: `git config --unset "
        "remote.origin.partialclonefilter`, then `git fetch --refetch`"
    )


def _url(repository: str, scheme: str) -> Address:
    if scheme == "file":
        return _local(Path(re.sub(r"^file://(localhost)?", "", repository, flags=re.IGNORECASE)))
    parts = urlsplit(repository)
    if scheme not in _ALLOWED or not parts.hostname:
        raise Refused(f"repositories are read over https, ssh, git or from a path, not over {scheme}; give another address")
    if parts.hostname.startswith("-") or (parts.username or "").startswith("-") or parts.path.startswith("/-"):
        raise Refused("a host, user or path that starts with a dash would be taken for an option; give another address")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]) if parts.password or scheme == "https" else parts
    return Address(repository.rstrip("/"), scheme, urlunsplit(bare._replace(query="", fragment="")).rstrip("/"))


def _local(path: Path) -> Address:
    try:
        whole = path.expanduser().resolve()
        whole.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, an unknown user
        raise NoRepository(f"there can be no git repository at {str(path)[:100]}: {str(error)[:100]}; check the path") from None
    return Address(str(whole), "file", str(whole), whole)


def _stand_in(folder: Path, place: Place, theirs: dict[str, str]) -> None:
    for name in PARTS:
        if (place.common / name).exists():
            (folder / name).symlink_to(place.common / name)
    (folder / "HEAD").write_text(head(place.own) + "\n")
    sha256_used = theirs.get("extensions.objectformat", "").lower() == "sha256"
    shared = theirs.get("core.sharedrepository", "false").lower()
    lines = [
        *("[core]", f"repositoryformatversion = {1 if sha256_used else 0}", "bare = true", "hooksPath = /dev/null"),
        *("fsmonitor = false", "logAllRefUpdates = false", "alternateRefsCommand = true"),
        f"sharedRepository = {shared if _SHARED.match(shared) else 'false'}",
        *("[uploadpack]", "allowAnySHA1InWant = true", "[receive]", "autogc = false", "denyDeletes = true"),
        f"denyNonFastForwards = {str(theirs.get('receive.denynonfastforwards', '').lower() in ('true', '1', 'yes')).lower()}",
        *("[gc]", "auto = 0", "[maintenance]", "auto = false"),
        *(("[extensions]", "objectFormat = sha256") if sha256_used else ()),
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")


def checked_out(address: Address, git: Git, branch: str) -> str:
    """The repository on this machine in which the branch is checked out; "" where it is not, or is somewhere else."""
    if address.path is None:
        return ""
    place = find(address.path, git)
    return str(place.common) if _is_checked_out(place, branch) else ""


def _refuse_checked_out(place: Place, branch: str) -> None:
    if _is_checked_out(place, branch):
        raise PushRefused(
            f"branch {branch} is checked out in {place.common}: pushing would change it under whoever works there; "
            "choose another branch, or check out another one there"
        )


def _is_checked_out(place: Place, branch: str) -> bool:
    worktrees = [folder for folder in (place.common / "worktrees").glob("*") if (folder / "HEAD").is_file()]
    used = [*([] if place.bare else [place.common]), *worktrees]
    return any((folder / "HEAD").exists() and head(folder) == f"ref: refs/heads/{branch}" for folder in used)


def uncommitted(address: Address, git: Git) -> Uncommitted | None:
    """What lies in the working folder and in no commit; None where the repository has no working folder on this machine.

    Git is not run under the repository's own configuration for it, and starts no program that it names.
    """
    if address.path is None:
        return None
    place = find(address.path, git)
    if place.bare:
        return None
    theirs = settings(place.common / "config", git)
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=git.directory) as folder:
        _stand_in(Path(folder), place, theirs)
        return look(Git(Path(folder)), place.own, place.common, address.path, theirs)
