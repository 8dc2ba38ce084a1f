"""Logs as files: which are meant, and what of them is read. They are written by strangers, and may be anything."""

import gzip
import os
import zlib
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from activities.logfiles import sources
from activities.logfiles.sources import SourceRefused, kept, placed, text_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_globs_find_files_and_links_lead_nowhere_else(tmp_path: Path) -> None:
    """A link within the place counts once, as what it leads to; one that leads out, a folder and a pipe are not read."""
    place, outside = tmp_path / "place", tmp_path / "secret.log"
    place.mkdir()
    outside.write_text("secret\n")
    (place / "a.log").write_text("a\n")
    (place / "current.log").symlink_to("a.log")
    (place / "out.log").symlink_to(outside)
    (place / "up.log").symlink_to("../secret.log")
    (place / "folder.log").mkdir()
    os.mkfifo(place / "pipe.log")
    assert [one.path for one in placed(f"{place}/*.log")] == ["a.log"]
    assert [one.path for one in placed(f"{place}/current.log")] == ["a.log"]
    for wrong, why in (
        ("out.log", "leads out"),
        ("none.log", "no file"),
        ("folder.log", "is no file"),
        ("pipe.log", "is no file"),
    ):
        with pytest.raises(SourceRefused, match=why):
            placed(f"{place}/{wrong}")
    with pytest.raises(SourceRefused, match="fits"):
        placed(f"{place}/*.txt")
    with pytest.raises(SourceRefused, match="no folder"):
        placed("/nowhere/at/all/*.log")
    # Swapped for a link after it was found: what is opened is beneath the place, or nothing.
    (found,) = placed(f"{place}/a.log")
    (place / "a.log").unlink()
    (place / "a.log").symlink_to(outside)
    with pytest.raises(SourceRefused, match="cannot be read"):
        text_of(found, None, None, NOW)


def test_whatever_a_file_holds_becomes_printable_lines(tmp_path: Path) -> None:
    """Packed or not, bytes that are no UTF-8, colours, turned text, NUL and lines without an end."""
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(b"one\ntwo \xff \x1b[31mred\x1b[0m \xe2\x80\xae.\r\n"))
    (place,) = placed(str(tmp_path / "a.log.gz"))
    text = text_of(place, None, None, NOW)
    assert text.lines == ("one", "two \ufffd \\u001b[31mred\\u001b[0m \\u202e.")
    (tmp_path / "b.log").write_bytes(b"a\0b\n" + b"x" * (sources.LINE * 3) + b"\nlast")
    (place,) = placed(str(tmp_path / "b.log"))
    first, long, last = text_of(place, None, None, NOW).lines
    assert (first, len(long), last) == ("a\\u0000b", sources.LINE, "last")


def test_a_damaged_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """What was packed and cut says so, and the lines before are kept."""
    packed = gzip.compress(b"".join(b"line %d %d\n" % (number, zlib.crc32(b"%d" % number)) for number in range(5000)))
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    (place,) = placed(str(tmp_path / "cut.gz"))
    text = text_of(place, None, None, NOW)
    assert "damaged" in text.note
    assert len(text.lines) > 100


def test_only_the_end_of_a_large_file_is_kept_and_its_lines_keep_their_numbers() -> None:
    """And a file that unpacks to more than is read ends with a note."""
    data = b"".join(b"line %d\n" % number for number in range(1, 2001))
    text = kept("a.log", BytesIO(data), None, None, NOW, most=1000)
    assert text.lines[-1] == "line 2000"
    assert text.lines[0] == f"line {text.first}"
    assert "are not kept" in text.note


def test_a_bomb_is_not_unpacked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes are read and no more."""
    monkeypatch.setattr(sources, "READ", 100_000)
    text = kept("a.gz", BytesIO(b"x\n" * 200_000), None, None, NOW)
    assert "too large" in text.note
    assert len(text.lines) <= 50_001


def test_times_choose_lines_and_what_belongs_to_them() -> None:
    """From the first line that is meant to the last, with stack traces, and with numbers as in the file."""
    lines = [f"2026-02-28 08:{minute:02}:00 ERROR x\n  at y\n" for minute in range(10)]
    since, until = datetime(2026, 2, 28, 8, 3, tzinfo=UTC), datetime(2026, 2, 28, 8, 5, tzinfo=UTC)
    text = kept("a.log", BytesIO("".join(lines).encode()), since, until, NOW)
    assert (text.first, len(text.lines)) == (7, 4)
    assert text.lines[0].startswith("2026-02-28 08:03")
    # One that is out of order stays where it is.
    shuffled = "".join([lines[3], lines[9], lines[4], lines[8]])
    text = kept("a.log", BytesIO(shuffled.encode()), since, until, NOW)
    assert (text.first, len(text.lines)) == (1, 6)
