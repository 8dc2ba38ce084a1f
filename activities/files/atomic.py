"""Files of our own that must be there whole after a crash, or not at all."""

import os
from pathlib import Path
from secrets import token_hex


def write_durably(path: Path, data: bytes) -> None:
    """Put these bytes under that name in one step. On return they survive a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The folder, too: after a power cut the file could be there under its temporary name only.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
