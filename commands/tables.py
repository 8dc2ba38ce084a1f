"""Tables that a terminal of any width shows whole: only columns of words wrap, never an id, an amount or a time."""

from collections.abc import Collection, Sequence

LEAST = 20
"""Fewest characters of a column of words. Where there is less room, each row becomes a block of its own."""

_GAP = 2


def laid_out(columns: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[str], width: int | None) -> list[str]:
    """A table as lines, the header first if it has one. `words` names the columns that may wrap; `width` None: none has to.

    If the other columns leave no room, each row becomes a block: its first cell on a line, then name and value of the others.
    A cell that is longer than a line is still printed whole, for the terminal to break.
    """
    natural = [max(_cells(row[at]) for row in (columns, *rows)) for at in range(len(columns))]
    if width is None or sum(natural) + _GAP * (len(natural) - 1) <= width:
        return [_joined(row, natural) for row in (columns, *rows)]
    wraps = [at for at, name in enumerate(columns) if name in words]
    room = width - _GAP * (len(natural) - 1) - sum(size for at, size in enumerate(natural) if at not in wraps)
    if not wraps or room < LEAST * len(wraps):
        return [line for row in rows for line in _block(columns, row, words, width)]
    # The narrowest first: what it does not need goes to the others.
    for left, at in zip(range(len(wraps), 0, -1), sorted(wraps, key=lambda at: natural[at]), strict=True):
        natural[at] = min(natural[at], room // left)
        room -= natural[at]
    return [line for row in (columns, *rows) for line in _wrapped(row, natural, wraps)]


def _wrapped(row: Sequence[str], widths: Sequence[int], wraps: Collection[int]) -> list[str]:
    parts = [folded(cell, widths[at]) if at in wraps else [cell] for at, cell in enumerate(row)]
    height = max(len(part) for part in parts)
    return [_joined([part[at] if at < len(part) else "" for part in parts], widths) for at in range(height)]


def _block(columns: Sequence[str], row: Sequence[str], words: Collection[str], width: int) -> list[str]:
    lines, line = [row[0]], ""
    for name, cell in zip(columns[1:], row[1:], strict=True):
        if cell in ("", "-"):
            continue
        pair = f"{name.lower()} {cell}".strip()
        if name in words and _cells(pair) + _GAP > width:
            lines += [f"  {line}"] if line else []
            lines += [f"  {part}" for part in folded(pair, width - _GAP)]
            line = ""
        elif line and _GAP + _cells(line) + 3 + _cells(pair) > width:
            lines.append(f"  {line}")
            line = pair
        else:
            line = f"{line}   {pair}" if line else pair
    return [*lines, f"  {line}"] if line else lines


def folded(text: str, width: int) -> list[str]:
    """Text in lines of at most `width` cells, broken between words, and inside a word only if it is longer than a line."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and _cells(lines[-1]) + 1 + _cells(word) > width:
            lines.append("")
        begun = f"{lines[-1]} {word}" if lines[-1] else word
        while _cells(begun) > width > 1:
            most = next(at for at in range(len(begun), 0, -1) if _cells(begun[:at]) <= width)
            lines[-1], begun = begun[:most], begun[most:]
            lines.append("")
        lines[-1] = begun
    return lines


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{cell}{' ' * (size - _cells(cell) + _GAP)}" for cell, size in zip(cells, widths, strict=True)).rstrip()


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
