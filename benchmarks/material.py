"""What both sides are given: the tool's result of 4 KB."""

PART_BYTES = 4096


def part_text(number: int) -> str:
    """The text of one part: always the same, never the same as another, and 4 KB long."""
    return (f"part {number:04d} " + "the quick brown fox jumps over the lazy dog " * 100)[:PART_BYTES]
