"""The form in which quotes are compared with files."""

import pytest

from activities.repositories.quotes import plain


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xe9\r\n", "café\n"),
        ("café\n".encode("utf-16"), "café\n"),
        (b"\xef\xbb\xbfx\n", "x\n"),
        ("é é\n".encode() + b"\xff", "é é\n\ufffd"),
        (b"a\0b", "a\\u0000b"),
    ],
)
def test_a_file_is_compared_as_it_was_shown(raw: bytes, text: str) -> None:
    """A quote that was copied from what a tool showed is found, whatever the file's encoding and line ends are."""
    assert plain(raw) == text
