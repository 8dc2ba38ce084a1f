"""Symbolic links beneath a folder: which one a path meets, and where it leads. None is ever followed to read or write."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Leads = Literal["file", "folder", "missing", "loop", "outside"]


@dataclass(frozen=True)
class Link:
    """A link at `path`, with its target as it is written. `real` is where it leads to beneath the folder; "" for nowhere."""

    path: str
    target: str
    leads: Leads
    real: str = ""


def link_on(root: Path, path: str) -> Link | None:
    """The first link that the path meets, on its way or at its end; None if there is none. `path` must be validated."""
    at = ""
    for part in path.split("/"):
        at = f"{at}/{part}" if at else part
        try:
            # Nothing before it is a link, so nothing outside the folder is looked at.
            target = os.readlink(root / at)
        except OSError as error:
            if error.errno == errno.EINVAL:  # it is there, and no link
                continue
            return None
        return Link(at, target, *_leads(root, at))
    return None


def _leads(root: Path, path: str) -> tuple[Leads, str]:
    top, kind = os.path.realpath(root), "missing"
    try:
        end = os.path.realpath(root / path, strict=True)
        kind = "folder" if os.path.isdir(end) else "file"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "loop", ""
        end = os.path.realpath(root / path)
    real = os.path.relpath(end, top)
    if real == ".." or real.startswith("../"):
        return "outside", ""  # whether there is anything is not told
    if kind == "missing":
        return "missing", ""
    return ("folder" if kind == "folder" else "file"), "" if real == "." else real
