"""`command.run`: declared commands in the sandbox, on a copy, with declared hosts and no other."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.actions.adapter import CannotFind, NotSent, TargetRefused, Unclear
from activities.actions.command_run import CommandRunAdapter
from activities.actions.declared import Targets
from activities.sandbox import Sandbox
from contracts.actions import Receipt
from contracts.effects.command_run import CommandRun
from contracts.effects.targets import CommandTarget
from contracts.errors import Refused
from tests.activities.actions.servers import Web, web

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def site() -> Iterator[Web]:
    """What commands reach."""
    with web() as found:
        yield found


def adapter(folder: Path, hosts: list[str], **commands: Any) -> CommandRunAdapter:
    """An adapter of one folder."""
    (folder / "machine").mkdir(exist_ok=True)
    (folder / "machine" / "kept.txt").write_text("kept")
    each = {name: {"about": "does it"} | one for name, one in commands.items()}
    table = {"kind": "commands", "folder": str(folder / "machine"), "hosts": hosts, "commands": each}
    table |= {"variables": {"TOKEN": "DEPLOY_TOKEN"}}
    targets = Targets({"machine": CommandTarget.model_validate(table)}, lambda name: {"DEPLOY_TOKEN": "t1"}.get(name, ""))
    return CommandRunAdapter(targets, Sandbox.find, folder / "copies")


def stored(command: str, event: str = "release/7", **values: str) -> bytes:
    """Arguments as they are kept."""
    return CommandRun(target="machine", event=event, command=command, values=values).stored()


async def sent(found: CommandRunAdapter, arguments: bytes) -> str:
    """In a thread, as the worker does."""
    return await asyncio.to_thread(found.send, arguments, NOW)


async def test_a_command_reaches_declared_hosts_and_no_other(site: Web, tmp_path: Path) -> None:
    """By the proxy's variables; by name, by address and past the proxy nothing else answers. It works on a copy."""
    port, beside = site.address.rpartition(":")[2], ""
    with web() as other:
        beside = other.address
        script = f"""
import os, socket, urllib.request as u
print(u.urlopen('{site.address}/hook', b'1').status, os.environ['TOKEN'], open('kept.txt').read())
open('kept.txt', 'w').write('changed')
for address in ('{beside}/hook', 'http://localhost:{port}/hook'):
    try:
        print(u.urlopen(address, b'1').status)
    except OSError as error:
        print(getattr(error, 'code', error))
try:
    socket.create_connection(('127.0.0.1', {port}), 5)
    print('reached')
except OSError:
    print('alone')
"""
        found = adapter(tmp_path, [site.address.removeprefix("http://")], deploy={"argv": ["python3", "-c", script]})
        assert await sent(found, stored("deploy")) == "deploy: exit 0: 201 t1 kept\\n403\\n403\\nalone"
        assert (len(site.book), other.book) == (1, [])
    assert (tmp_path / "machine" / "kept.txt").read_text() == "kept"
    assert list((tmp_path / "copies").iterdir()) == []


async def test_how_a_command_ends_is_what_the_receipt_says(tmp_path: Path) -> None:
    """Any code but 0 is a failure, a command that was stopped may have done its work, and a check says whether it did."""
    check = {"argv": ["sh", "-c", "exit {code}"], "parameters": {"code": "[0-9]"}}
    deploy = {
        "argv": ["sh", "-c", "echo {key}; exit {code}"],
        "parameters": {"code": "[0-9]"},
        "check": "check",
        "undo": "back",
    }
    back = {"argv": ["true"]}
    slow = {"argv": ["sleep", "60"], "timeout": "PT0.2S"}
    found = adapter(tmp_path, [], check=check, deploy=deploy, back=back, slow=slow)
    key = CommandRun.read(stored("deploy", code="0")).key()
    assert await sent(found, stored("deploy", code="0")) == f"deploy: exit 0: {key}"
    with pytest.raises(TargetRefused, match="deploy failed: exit 3"):
        await sent(found, stored("deploy", code="3"))
    with pytest.raises(Unclear, match="slow was stopped"):
        await sent(found, stored("slow"))
    look = lambda code: asyncio.to_thread(found.find, stored("deploy", code=code))  # noqa: E731
    assert ((await look("0") or "").startswith("check: exit 0"), await look("1")) == (True, None)
    with pytest.raises(NotSent, match="gave no answer: exit 2"):
        await look("2")
    with pytest.raises(CannotFind):
        found.find(stored("slow"))
    made: Any = found.compensation(stored("deploy", code="0"), Receipt(key=key, type="c", state="delivered", summary="s"))
    assert (made.command, made.event, made.values) == ("back", "undo release/7", {})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (stored("drop"), "declares no command 'drop'; it has tag"),
        (stored("tag"), "tag takes version; got none"),
        (stored("tag", version="1.0", more="x"), "got more, version"),
        (stored("tag", version="1.0; rm -rf /"), "has to match"),
        (stored("tag", version="1.0\n"), "has to match"),
        (stored("tag", version="--force"), "begins with a hyphen"),
        (stored("tag", event="-x", version="1.0"), "begins with a hyphen"),
    ],
)
def test_what_is_not_declared_is_refused_before_an_intent(tmp_path: Path, arguments: bytes, said: str) -> None:
    """Another command, other values, values that do not match, and what would be an option."""
    found = adapter(tmp_path, [], tag={"argv": ["git", "tag", "v{version}"], "parameters": {"version": r"[0-9.]+|--force"}})
    with pytest.raises(Refused, match=said):
        found.check(arguments)
    assert found.check(stored("tag", version="1.0"))[1:3] == ("git tag v1.0", "it may reach no host")


@pytest.mark.parametrize(
    "changes",
    [{"hosts": ["shop.test"]}, {"hosts": ["https://shop.test:443"]}, {"commands": {}}, {"variables": {"LD PRELOAD": "A"}}],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A host without its port, no command, a variable that is none."""
    whole = {"kind": "commands", "folder": str(tmp_path), "commands": {"a": {"about": "a", "argv": ["true"]}}}
    with pytest.raises(ValidationError):
        CommandTarget.model_validate(whole | changes)
