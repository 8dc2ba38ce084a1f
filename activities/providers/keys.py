"""The key of an endpoint: a fixed one, or what a file holds now, for tokens that expire and are written anew."""

import os
from pathlib import Path

from contracts.errors import Misconfigured


class Key:
    """An API key. Read `current` for each call: the file behind it may have changed."""

    def __init__(self, value: str = "", file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    def current(self) -> str:
        """The key now; "" if there is none. Raises `Misconfigured` if its file cannot be read."""
        if self._file is None:
            return self._value
        try:
            found = os.stat(self._file)
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                # Editors and `echo` end a file with a line feed, which belongs to no key. Empty while another program is
                # writing it: the key of before may still hold, and the next call looks again.
                self._value = self._file.read_text(encoding="utf-8").strip() or self._value
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise Misconfigured(f"the secret file {self._file} cannot be read: {why}") from None
        return self._value
