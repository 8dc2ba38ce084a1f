"""Paid replies that a database cannot hold as they are, or refuses by a rule of its own: each is paid once, and kept."""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from contracts.conversation import ModelReply, Usage
from ledger.db import Ledger
from tests.faults.test_paid_replies import asked, states
from tests.scripts import answer, summary


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    """A ledger on each database."""
    return str(request.getfixturevalue(request.param))


ODD: dict[str, dict[str, Any]] = {
    "counts beyond 64 bits": {"tokens": 10**30},
    "counts beyond a signed 64": {"tokens": 2**63},
    "a zero byte and half a character": {"said": "a\x00b \ud800"},
}


@pytest.mark.parametrize("odd", ODD)
async def test_a_reply_that_no_column_holds_is_paid_once(client: Client, tmp_path: Path, url: str, odd: str) -> None:
    """Numbers that no column holds, texts that no encoder takes: the step is done, each call is settled, and none is lost."""
    tokens, said = ODD[odd].get("tokens", 10), ODD[odd].get("said", "did it")
    odd_one, plain = (json.dumps(answer(summary(one))["answer"]) for one in (said, "did it"))
    usage = Usage(input=tokens, output=tokens)
    async with asked(client, tmp_path, url) as (asking, server):
        server.play(*(ModelReply(text=text, stop="end", model="one", usage=usage) for text in (odd_one, plain)))
        ended = await asking.ended(await asking.start())
        # What cannot be an answer is asked for once more: a call of its own, and the first one is settled all the same.
        assert (ended.handoff.outcome, len(ended.turns)) == ("done", len(server.requests)), ended.handoff.reason
        assert await asking.stack.ledger.read(states) == ["settled"] * len(server.requests)


RULES = {
    "of its own rows": "CREATE TRIGGER refusing BEFORE INSERT ON turn BEGIN SELECT RAISE(ABORT, 'not now'); END",
    "of the money": (
        "CREATE TRIGGER refusing BEFORE UPDATE ON reservation WHEN NEW.state = 'settled' "
        "BEGIN SELECT RAISE(ROLLBACK, 'not now'); END"
    ),
}


class Refusing:
    """A ledger of SQLite has a rule against storing a reply, until it has refused twice."""

    def __init__(self, ledger: Ledger, file: Path, rule: str) -> None:
        self.refused = 0
        self._real, self._file = ledger.tx_now, file
        self._do(rule)
        ledger.tx_now = self._tx_now  # type: ignore[method-assign]

    def _do(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self._file, timeout=60)) as connection, connection:
            connection.execute(statement)

    def _tx_now(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return self._real(function, *args, **kwargs)
        except Exception:
            if function.__qualname__ == "settle":
                self.refused += 1
                if self.refused == 2:
                    self._do("DROP TRIGGER refusing")
            raise


@pytest.mark.parametrize("rule", RULES)
async def test_what_sqlite_refuses_for_a_moment_is_kept(client: Client, tmp_path: Path, sqlite_url: str, rule: str) -> None:
    """No outage that anybody lists, but a rule in the database: one call, settled, and the step is done once it is gone."""
    async with asked(client, tmp_path, sqlite_url) as (asking, server):
        refusing = Refusing(asking.stack.ledger, Path(sqlite_url.removeprefix("sqlite:///")), RULES[rule])
        ended = await asking.ended(await asking.start())
        assert refusing.refused == 2
        assert (ended.handoff.outcome, len(ended.turns), len(server.requests)) == ("done", 1, 1), ended.handoff.reason
        assert await asking.stack.ledger.read(states) == ["settled"]
