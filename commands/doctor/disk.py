"""Checks of this machine's disks: what workers keep can be written, and there is room for more."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from commands.doctor.finding import Finding

if TYPE_CHECKING:
    from config import Settings

STATE_MIB, TEMPORARY_MIB = 1024, 128
"""MiB that should be free: a check is not begun below 512; git's answers pass through the temporary folder."""

WAITS = "runs that need it wait until there is room, and go on by themselves"


def artifacts(found: "Settings") -> Finding:
    """The folder for artifacts, mirrors, workspaces and environments is writable and has room."""
    place = found.artifacts
    # Nothing is created here, so the nearest existing folder is tried.
    while not place.exists():
        place = place.parent
    return _looked("artifacts", place, found.artifacts, STATE_MIB, "set `state` to a larger disk")


def temporary(_: "Settings") -> Finding:
    """The same of the folder for temporary files."""
    place = Path(tempfile.gettempdir())
    return _looked("temporary files", place, place, TEMPORARY_MIB, "set TMPDIR to a larger disk")


def _looked(name: str, place: Path, shown: Path, least: int, other: str) -> Finding:
    from activities.running.disk import CODES

    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"baton doctor")
    except OSError as error:
        mend = f"free some space, or {other}; {WAITS}" if error.errno in CODES else f"let this user write there, or {other}"
        return Finding(name, "fail", f"{place} cannot be written: {error.strerror}", mend)
    disk = os.statvfs(place)
    free = disk.f_bavail * disk.f_frsize // (1 << 20)
    if free < least:
        return Finding(name, "warn", f"{shown}: only {free} MiB are free", f"free some space, or {other}; {WAITS}")
    return Finding(name, "ok", f"{shown} is writable, {free // 1024} GiB free")
