"""Parquet as JSON lines, by DuckDB: one object for each row, every value as text."""

import json
import os
from pathlib import Path
from typing import BinaryIO

from contracts.errors import BatonError

ROWS = 20_000
"""Rows that are in memory at a time."""

MEMORY = "512MB"


class ParquetUnusable(BatonError):
    """The file is no Parquet file, or has columns that are no single values."""


def as_json_lines(file: BinaryIO, path: Path) -> None:
    """Write the rows of a Parquet file, in their order, to `path`: all of them, or no file. Raises `ParquetUnusable`."""
    # Here, because it takes a tenth of a second, and most workers never read a Parquet file.
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 1}) as connection:
            for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
                connection.execute(f"set {setting} = false")
            # The file that was opened below its folder, and not whatever has its name by now.
            opened = f"/proc/self/fd/{file.fileno()}"
            names = _columns(connection.execute("describe select * from read_parquet(?)", [opened]).fetchall())
            casts = ", ".join(f'cast("{name.replace(chr(34), chr(34) * 2)}" as varchar)' for name in names)
            found = connection.execute(f"select {casts} from read_parquet(?)", [opened])  # noqa: S608 (names of columns, quoted)
            with temporary.open("w", encoding="utf-8") as out:
                while rows := found.fetchmany(ROWS):
                    out.writelines(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)
        temporary.replace(path)
    except duckdb.Error as error:
        raise ParquetUnusable(f"the file cannot be read as Parquet: {str(error).splitlines()[0][:300]}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _columns(described: list[tuple[str, ...]]) -> list[str]:
    for name, kind, *_ in described:
        if any(word in kind for word in ("[", "STRUCT", "MAP", "UNION", "BLOB")):
            raise ParquetUnusable(f"the column {name!r} is {kind[:60]}, which is no single value; write a file without it")
    return [row[0] for row in described]
