"""Files of our own that, after a crash, must be complete or absent."""

import os
from pathlib import Path
from secrets import token_hex


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write these bytes under that name in one step. Once it returns they survive a power cut. `mode` is cut by the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The folder, too: after a power cut the file could otherwise have only its temporary name.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
