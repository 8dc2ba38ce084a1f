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
from activities.git.place import PARTS, Place, find, head, settings, worked_in
from activities.git.uncommitted import Uncommitted, look
from contracts.base import sha256

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
    """Parse what a person typed: a path, an https, ssh or git URL, or host:path. Raises `NoRepository`."""
    if not repository.strip() or any(not character.isprintable() for character in repository):
        raise NoRepository("a repository is a path or a URL without control characters; this one is empty or has some")
    if repository.startswith("-") or _HELPER.match(repository):
        raise NoRepository(f"repository {repository[:80]!r} would start a program; give a path or an https, ssh or git URL")
    scheme = _SCHEME.match(repository)
    if scheme:
        return _url(repository, scheme.group(1).lower())
    before, colon, _ = repository.partition(":")
    if colon and "/" not in before and not os.path.exists(repository):
        if not _SCP.match(repository):
            raise NoRepository(f"repository {repository[:80]!r} is no address that git knows; write host:path or a URL")
        return Address(repository, "ssh", repository)
    return _local(Path(repository))


@dataclass(frozen=True)
class Reached:
    """Where one remote command goes. For a local repository `url` is a stand-in, and `own` the repository's own path."""

    url: str
    own: str = ""

    def told(self, words: str) -> str:
        """Git's words with the repository's own path in place of the stand-in's, which is gone when anybody reads them."""
        if not self.own:
            return words
        for standing in dict.fromkeys((os.path.realpath(self.url), self.url)):
            words = words.replace(f"{standing}/./", f"{self.own}/").replace(standing, self.own)
        return words


@contextmanager
def reachable(address: Address, git: Git, *, branch: str | None = None) -> Iterator[Reached]:
    """Where one remote command goes. For a local repository that is a stand-in with only its objects and refs.

    Git would run a local repository's hooks and obey its configuration, which its owner (or an agent) can write and which
    cannot be overridden name by name. The stand-in links its objects and refs and has our own configuration. A `branch` that
    is about to be changed must not be checked out there (`PushRefused`). Raises what `place.find` raises.
    """
    if address.path is None:
        yield Reached(address.url)
        return
    place = find(address.path, git)
    if branch is not None:
        # Git itself would not refuse it: the stand-in that it pushes to is bare.
        _refuse_checked_out(place, branch)
    with tempfile.TemporaryDirectory(prefix="stand-in-", dir=git.directory) as folder:
        _stand_in(Path(folder), place, settings(place.common / "config", git))
        yield Reached(folder, str(place.common))


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
        raise NoRepository(
            f"repositories are read over https, ssh, git or from a path, not over {scheme}; give another address"
        )
    if parts.hostname.startswith("-") or (parts.username or "").startswith("-") or parts.path.startswith("/-"):
        raise NoRepository("a host, user or path that starts with a dash would be taken for an option; give another address")
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
    """The folder on this machine in which the branch is checked out; "" where it is not, or is somewhere else."""
    if address.path is None:
        return ""
    return _checked_out_in(find(address.path, git), branch)


def _refuse_checked_out(place: Place, branch: str) -> None:
    if there := _checked_out_in(place, branch):
        raise PushRefused(
            f"branch {branch} is checked out in {there}: pushing would change it under whoever works there; "
            "choose another branch, or check out another one there"
        )


def _checked_out_in(place: Place, branch: str) -> str:
    """The working folder that has this branch checked out; "" for none. The main folder comes before its worktrees."""
    worktrees = [folder for folder in (place.common / "worktrees").glob("*") if (folder / "HEAD").is_file()]
    used = [*([] if place.bare else [place.common]), *worktrees]
    found = (one for one in used if (one / "HEAD").exists() and head(one) == f"ref: refs/heads/{branch}")
    own = next(found, None)
    return "" if own is None else str(worked_in(own))


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


_HOOKS = ("pre-receive", "update", "reference-transaction", "post-receive", "post-update")
"""Programs that git starts in a repository that is pushed to."""


def hooks(address: Address, git: Git) -> str:
    """Which of its programs a push into a repository on this machine does not start, and what would; "" where it has none."""
    if address.path is None:
        return ""
    place = find(address.path, git)
    named = settings(place.common / "config", git).get("core.hookspath", "")
    # As git does it: a relative path counts from where a hook would run, which is the working folder where there is one.
    folder = (place.common if place.bare else address.path) / named if named else place.common / "hooks"
    found = [name for name in _HOOKS if os.access(folder / name, os.X_OK) and (folder / name).is_file()]
    if not found:
        return ""
    return (
        f"hooks of {address.shown} are not run by a push from here: {', '.join(found)}; where they have to be, give the "
        "repository's https, ssh or git address instead of its folder"
    )
