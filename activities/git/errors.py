"""What can go wrong with a repository: one class each, because callers treat each differently."""

from contracts.errors import BatonError


class GitProblem(BatonError):
    """A git command failed in an unexpected way. The text is git's own; report it with the command."""


class RepositoryUnreachable(GitProblem):
    """The repository could not be read. Check its address, that it exists, and that this machine may read it."""


class NoRepository(RepositoryUnreachable):
    """There is no repository at that path. A retry cannot help: check the path."""


class RepositoryRefused(RepositoryUnreachable):
    """The repository leads to files outside of it. The text names the entry and what to do about it."""


class RepositoryTooLarge(RepositoryUnreachable):
    """The repository needs more room than `mirror_mib` gives it. Raise the setting, or work on a smaller repository."""


class RevisionUnknown(GitProblem):
    """The repository has no such branch, tag or commit. Name one that it has, or leave it out for its main branch."""


class BranchTaken(GitProblem):
    """No new branch of that name can be made there. The text says why, and names one that can."""


class PushRefused(GitProblem):
    """The repository did not take the commit, and nothing was changed there. Its own words say why."""


class RemoteUnknown(GitProblem):
    """The connection ended before the repository answered: the branch may have changed or not. Ask it before going on."""


class TreeRefused(GitProblem):
    """The files cannot be used as a workspace. The text names the entry and what is wrong with it."""


class PatchUnusable(GitProblem):
    """This is no patch that git can read. Make it with `git diff`."""


PERMANENT: tuple[type[GitProblem], ...] = (NoRepository, RevisionUnknown, PushRefused, TreeRefused)
"""Errors that a retry would only repeat."""

UNREADABLE: tuple[type[GitProblem], ...] = (RepositoryRefused, RepositoryTooLarge)
"""Permanent for work on a repository, but not for a push: without reading the target nobody knows what it has."""
