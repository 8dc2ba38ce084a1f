"""Names of branches and tags, checked by git's own rules before git is asked for them."""

from functools import lru_cache
from pathlib import Path

from activities.git.command import Git
from activities.git.errors import RevisionUnknown


def branch(git: Git, name: str) -> str:
    """The full name of a branch. Raises `RevisionUnknown` for a name that git refuses."""
    full = f"refs/heads/{name}"
    if name.startswith("-") or not _is_well_formed(git.directory, full):
        raise RevisionUnknown(f"{name[:80]!r} cannot be the name of a branch or tag; choose another")
    return full


@lru_cache(maxsize=10_000)
def _is_well_formed(directory: Path, full: str) -> bool:
    return Git(directory).run("check-ref-format", full, codes=(0, 1)).code == 0


def check_revision(git: Git, revision: str) -> None:
    """Raise `RevisionUnknown` for what is no name of a branch or tag, also for what git would understand, such as `main~5`."""
    try:
        branch(git, revision)
    except RevisionUnknown:
        raise RevisionUnknown(
            f"{revision[:80]!r} is not the name of a branch or tag; give one of them, or a full commit id "
            "(`git rev-parse` prints it)"
        ) from None
