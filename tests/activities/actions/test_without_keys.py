"""What a worker that sends nothing needs of the targets: their tables, and no key, folder or server."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from activities.actions.declared import Targets
from activities.actions.every import adapters
from activities.actions.git_push import GitPushAdapter
from activities.git import Mirrors
from activities.sandbox import Sandbox
from contracts.effects.every import ARGUMENTS
from contracts.effects.targets import Target
from contracts.errors import Misconfigured
from ledger.db import Ledger
from tests.activities.actions.cases import PAY, REFUND

COMMAND = {"about": "deploys", "argv": ["deploy"]}
TABLES = {
    "bank": {"kind": "http", "url": "https://bank.example/hook", "key_env": "BANK", "secret_env": "BANK_SECRET"},
    "books": {"kind": "sql", "url_file": "/nowhere/url", "statements": {"pay": PAY, "refund": REFUND}},
    "notices": {"kind": "folder", "path": "/nowhere/notices"},
    "host": {"kind": "github", "api": "https://host.example", "key_env": "HOST", "repositories": ["olga/shop"]},
    "machine": {
        "kind": "commands",
        "folder": "/nowhere/machine",
        "commands": {"deploy": COMMAND},
        "variables": {"K": "DEPLOY"},
    },
    "post": {"kind": "smtp", "host": "mail.example", "sender": "shop@example.org", "domains": ["example.org"]},
}
ASKED: dict[str, dict[str, Any]] = {
    "http.post": {"target": "bank", "event": "refund/7", "body": {"amount": 7}},
    "sql.execute": {"target": "books", "event": "pay/7", "statement": "pay", "values": {"cents": 7, "name": "olga"}},
    "file.write": {"target": "notices", "path": "today.txt", "text": "closed\n"},
    "git.comment": {"target": "host", "repository": "olga/shop", "number": 7, "event": "fixed/7", "text": "It is fixed."},
    "command.run": {"target": "machine", "event": "deploys/7", "command": "deploy"},
    "email.send": {"target": "post", "event": "hello/7", "to": ["a@example.org"], "subject": "Hello", "text": "Closed.\n"},
}


@pytest.mark.parametrize("name", ASKED)
def test_an_action_is_checked_without_its_key(name: str, sqlite_url: str, tmp_path: Path) -> None:
    """The check tells where it acts; only whoever sends misses the key, the folder or the file."""
    tables: dict[str, Target] = TypeAdapter(dict[str, Target]).validate_python(TABLES)
    ledger, mirrors = Ledger(sqlite_url, tmp_path / "artifacts"), Mirrors(tmp_path / "mirrors")
    there: Any = adapters(
        *(ledger, Targets(tables), GitPushAdapter(mirrors, lambda _: b""), mirrors, Sandbox.find),
        tmp_path / "commands",
        "Baton <baton@localhost>",
    )[name]
    meant: Any = ARGUMENTS[name].read_typed_by_people(ASKED[name])
    stored: bytes = meant.stored()
    assert there.check(stored)
    if name in ("file.write", "git.comment"):
        with pytest.raises(Misconfigured):
            there.find(stored)
    ledger.close()
