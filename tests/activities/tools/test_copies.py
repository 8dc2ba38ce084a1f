"""Tools on copies of logs: by time, level and text, with context, and nothing beside the service's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.tools.base import RESULT_LIMIT, ToolContext, ToolProblem
from activities.tools.copies import COPY_TOOLS
from contracts.base import sha256
from contracts.diagnosis_parts import CopiedFile, Signs, Snapshot
from contracts.step_resources import Declared, Logs
from ledger import artifacts
from ledger.db import Ledger
from tests.ledgers import migrate

TOOLS = {tool.name: tool for tool in COPY_TOOLS}
LINES = [f"2026-02-28 08:{minute:02}:00 {'ERROR order lost' if minute == 7 else 'INFO order taken'}" for minute in range(10)]
LINES[7:8] = [LINES[7], "Traceback (most recent call last):", "KeyError: 'rate' \\u001b[31m"]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ToolContext]:
    """A step with copies of one service: a log whose first 100 lines were not kept, and its configuration."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "artifacts")
    migrate(ledger)
    texts = {"a.log": "\n".join(LINES), "a.ini": "rate = 7"}
    files = tuple(
        CopiedFile(
            name=name,
            kind="log" if name == "a.log" else "config",
            artifact=sha256(text.encode()),
            first_line=101 if name == "a.log" else 1,
            lines=text.count("\n") + 1,
        )
        for name, text in texts.items()
    )
    snapshot = Snapshot(service="shop", files=files, signs=Signs())
    for data in (*(text.encode() for text in texts.values()), snapshot.stored()):
        ledger.tx_now(artifacts.put, ledger.files, data)
    given = Declared(logs=(Logs(name="shop", snapshot=sha256(snapshot.stored())),))
    yield ToolContext("t", "p", "diagnostician", ledger=ledger, given=given)
    ledger.close()


async def used(tool: str, there: ToolContext, **asked: Any) -> Any:
    """The result of a call, which a model may see all of."""
    done = await TOOLS[tool].call(there, json.dumps(asked).encode())
    assert len(done.result.model_dump_json()) <= RESULT_LIMIT
    return done.result


async def rows(there: ToolContext, tool: str, **asked: Any) -> tuple[str, ...]:
    """The rows of a call."""
    found: tuple[str, ...] = (await used(tool, there, **asked)).rows
    return found


async def test_records_are_found_by_level_time_and_text(context: ToolContext) -> None:
    """A record with its stack trace, with the lines around it, under the numbers of the file."""
    found = await rows(context, "find_records", level="error", context=1)
    assert [row.split(" ")[0] for row in found] == [
        "a.log-107-2026-02-28",
        "a.log:108:2026-02-28",
        "a.log:109:Traceback",
        "a.log:110:KeyError:",
        "a.log-111-2026-02-28",
    ]
    window = {"since": "2026-02-28T08:02:00Z", "until": "2026-02-28T08:04:00Z"}
    assert [row[:9] for row in await rows(context, "find_records", **window)] == ["a.log:103", "a.log:104"]
    assert len(await rows(context, "find_records", pattern="rate")) == 3
    assert len(await rows(context, "find_records", pattern="order (lost|found)", regex=True)) == 3
    assert len(await rows(context, "find_records", pattern="order", limit=2)) == 2


async def test_lines_are_read_by_number_and_from_the_end(context: ToolContext) -> None:
    """Of logs and of configuration."""
    assert [row[:9] for row in await rows(context, "read_copy", file="a.log", first_line=103, lines=2)] == [
        "a.log:103",
        "a.log:104",
    ]
    assert [row[:9] for row in await rows(context, "tail_copy", file="a.log", lines=1)] == ["a.log:112"]
    assert await rows(context, "read_copy", file="a.ini") == ("a.ini:1:rate = 7",)
    assert (await rows(context, "time_line", parts=3))[-1].endswith("4 records, 0 warnings, 1 errors")


async def test_what_cannot_be_read_is_said(context: ToolContext) -> None:
    """Another file, an expression that is none or takes for ever, and a step without copies."""
    with pytest.raises(ToolProblem, match=r"there are a\.log, a\.ini"):
        await used("read_copy", context, file="../../etc/passwd")
    with pytest.raises(ToolProblem, match="no regular expression"):
        await used("find_records", context, pattern="(", regex=True)
    with pytest.raises(ToolProblem, match="no logs"):
        await used("time_line", ToolContext("t", "p", "a"))
