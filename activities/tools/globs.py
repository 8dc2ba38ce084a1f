"""File patterns without backtracking: a hostile pattern costs pattern times path, never more."""

from fnmatch import fnmatchcase


def fits(path: str, pattern: str) -> bool:
    """Whether the pattern names the path. `*` stays within one folder, `**` crosses folders, case counts.

    A pattern without a slash names files at any depth: `*.py`.
    """
    wanted = pattern.removeprefix("./").split("/")
    if len(wanted) == 1:
        wanted = ["**", *wanted]
    parts = path.split("/")
    at = piece = 0
    resume: tuple[int, int] | None = None
    while at < len(parts):
        if piece < len(wanted) and wanted[piece] == "**":
            resume = (at, piece)
            piece += 1
        elif piece < len(wanted) and fnmatchcase(parts[at], wanted[piece]):
            at, piece = at + 1, piece + 1
        elif resume is not None:
            # The last `**` takes one folder more; earlier ones need no second try.
            resume = (resume[0] + 1, resume[1])
            at, piece = resume[0], resume[1] + 1
        else:
            return False
    return all(one == "**" for one in wanted[piece:])
