"""Git on other people's repositories: fetched into bare mirrors of our own, never run with their configuration or hooks."""

from activities.git.differences import TreeChange
from activities.git.errors import (
    PERMANENT,
    UNREADABLE,
    BranchTaken,
    GitProblem,
    NoRepository,
    PatchUnusable,
    PushRefused,
    RemoteUnknown,
    RepositoryRefused,
    RepositoryTooLarge,
    RepositoryUnreachable,
    RevisionUnknown,
    TreeRefused,
)
from activities.git.mirror import Fetched, Mirror
from activities.git.mirrors import Mirrors
from activities.git.standing import RemoteHead
from activities.git.trees import Applied

__all__ = [
    "PERMANENT",
    "UNREADABLE",
    "Applied",
    "BranchTaken",
    "Fetched",
    "GitProblem",
    "Mirror",
    "Mirrors",
    "NoRepository",
    "PatchUnusable",
    "PushRefused",
    "RemoteHead",
    "RemoteUnknown",
    "RepositoryRefused",
    "RepositoryTooLarge",
    "RepositoryUnreachable",
    "RevisionUnknown",
    "TreeChange",
    "TreeRefused",
]
