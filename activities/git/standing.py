"""What a push of a new branch would meet at its target: the same name, a name that cannot stand beside it, or free room."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from contracts.branches import refusal


@dataclass(frozen=True)
class RemoteHead:
    """Where a branch of the repository stood when it was asked."""

    commit: str
    tree: str


@dataclass(frozen=True)
class Standing:
    """The commit of each branch that the target has, and in which repository the wanted one is checked out ("": in none)."""

    heads: Mapping[str, str]
    checked_out: str = ""

    def problem(self, branch: str) -> str:
        """Why no new branch can have this name, with one that can; "" where it can."""
        why = self._why(branch)
        return f"branch {branch!r} {why}. Name another, such as {self.free(branch)!r}" if why else ""

    def _why(self, branch: str) -> str:
        if self.checked_out:
            return f"is checked out in {self.checked_out}, and a push would change it under whoever works there"
        if branch in self.heads:
            return f"is there already, at {self.heads[branch][:12]}, and what is there is never overwritten"
        other = self.collision(branch)
        if other is None:
            return ""
        if _folded(other) == _folded(branch):
            return (
                f"differs from the branch {other!r} that is there in case or form of letters only; many disks keep one of them"
            )
        return f"cannot stand beside the branch {other!r} that is there: git keeps branches as files, and one would be a folder"

    def collision(self, branch: str) -> str | None:
        """A branch that is there under another name, and beside which this one cannot be."""
        wanted = _folded(branch)
        for name in self.heads:
            there = _folded(name)
            if name != branch and (there == wanted or there.startswith(f"{wanted}/") or wanted.startswith(f"{there}/")):
                return name
        return None

    def free(self, branch: str) -> str:
        """A name like this one that a new branch can have."""
        return next(one for one in _like(branch) if one not in self.heads and self.collision(one) is None and not refusal(one))


def _like(branch: str) -> Iterator[str]:
    short = branch[:60].rstrip("/.-")
    for number in count(2):
        yield f"{short}-{number}"
        # Also without slashes: where a branch `a` is there, nothing can be below `a/`.
        yield f"{short.replace('/', '-')}-{number}"


def _folded(name: str) -> str:
    # The usual disks of macOS and Windows ignore case, and those of macOS also how accents are composed.
    return unicodedata.normalize("NFC", name).casefold()
