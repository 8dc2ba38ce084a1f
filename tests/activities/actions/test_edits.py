"""How a configuration file would look with a proposed change: of declared files beneath declared folders alone, and whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.actions.declared import Targets
from activities.actions.edits import Edits
from activities.actions.file_write import FileWriteAdapter
from contracts.base import sha256
from contracts.diagnosis_edits import PreparedEdit, PrepareEdit
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import ProposedChange
from contracts.effects.file_write import FileWrite
from contracts.effects.targets import FolderTarget
from contracts.text import visible
from ledger import artifacts
from ledger.db import Ledger, from_us, now_us
from tests import ledgers
from tests.hostile import orders
from tests.ledger.samples import ref

INI = "[pay]\nbank = here\nrate = 19\n"
DIFF = "--- a/shop.ini\n+++ b/shop.ini\n@@ -2,2 +2,2 @@\n bank = here\n-rate = 19\n+rate = 7\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "files")
    ledgers.migrate(made)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of the target, with one file, beside a secret."""
    place = tmp_path / "etc"
    place.mkdir()
    (place / "shop.ini").write_text(INI)
    (tmp_path / "secret.ini").write_text(INI)
    return place


Ask = Callable[..., Any]


@pytest.fixture
def ask(ledger: Ledger, place: Path) -> Ask:
    """Ask for a change of the service shop, which has these configuration files."""
    targets = Targets({"etc": FolderTarget(kind="folder", path=place)})

    async def asked(*config: Path | str, kind: str = "setting", within: tuple[str, ...] = ("etc",), **change: str) -> Any:
        files = config or (place / "shop.ini",)
        proposed: Any = {"kind": kind, "name": "rate", "value": "7", "file": "", "what": "It mends it."} | change
        request = PrepareEdit(
            run=ref(),
            service=Service(name="shop", logs=("/var/log/shop.log",), config=tuple(map(str, files))),
            targets=within,
            proposed=ProposedChange(**proposed),
        )
        made: PreparedEdit = await ActivityEnvironment().run(Edits(ledger, targets).prepare_edit, request)
        return made

    return asked


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": "pay.rate", "file": "shop.ini"},
        {"file": "shop.ini (2)"},
        {"kind": "file", "name": "shop.ini", "value": DIFF},
    ],
)
async def test_the_action_writes_what_was_shown(ask: Ask, ledger: Ledger, place: Path, change: dict[str, str]) -> None:
    """Its bytes are those of the difference, and those of before are kept, so that it can be taken back."""
    made = await ask(**change)
    wanted = FileWrite.read_typed_by_people(json.loads(made.arguments))
    assert (wanted.target, wanted.path, wanted.replaces) == ("etc", "shop.ini", sha256(INI.encode()))
    assert [line for line in made.diff if line[2] in "+-"][2:] == ["| -rate = 19", "| +rate = 7"]
    read = lambda digest: ledger.read_now(artifacts.get, ledger.files, digest)  # noqa: E731
    adapter = FileWriteAdapter(Targets({"etc": FolderTarget(kind="folder", path=place)}), read)
    adapter.send(wanted.stored(), from_us(now_us()))
    assert (place / "shop.ini").read_text() == INI.replace("19", "7")
    if change.get("kind") != "file":
        assert (await ask(**change)).done
    back: Any = adapter.compensation(wanted.stored(), None)  # type: ignore[arg-type]  (it does not look at it)
    adapter.send(back.stored(), from_us(now_us()))
    assert (place / "shop.ini").read_text() == INI


async def test_nothing_leads_beside_the_declared_place(ask: Ask, place: Path) -> None:
    """By a link, a second name, another folder or upwards: nothing is read, and the reason says what is in the way."""
    (place / "link.ini").symlink_to(place.parent / "secret.ini")
    (place / "out").symlink_to(place.parent)
    (place / "hard.ini").hardlink_to(place.parent / "secret.ini")
    (place / "folder.ini").mkdir()
    for path, why in (
        (place / "link.ini", "symbolic link"),
        (place / "out" / "secret.ini", "does not lie beneath"),
        (place.parent / "secret.ini", "does not lie beneath"),
        (place / "hard.ini", "second name"),
        (place / "folder.ini", "Is a directory"),
        (place / "gone.ini", "No such file"),
        (place / "nowhere" / "shop.ini", "No such file"),
    ):
        made = await ask(path)
        assert (made.arguments, why in made.why) == ("", True), made.why


async def test_a_folder_reached_by_a_link_is_the_folder(ask: Ask, place: Path) -> None:
    """The place itself may be called by another name, as /etc often is."""
    (place.parent / "etc2").symlink_to(place)
    assert json.loads((await ask(place.parent / "etc2" / "shop.ini")).arguments)["path"] == "shop.ini"


async def test_what_is_not_sure_is_a_persons(ask: Ask, place: Path) -> None:
    """A file that is read-only, one of two, no text, or none of this service's; a change in words, or of another file."""
    (place / "b").mkdir()
    (place / "b" / "shop.ini").write_text(INI)
    (place / "raw.ini").write_bytes(b"[pay]\nrate = \xff\n")
    (place / "locked.ini").write_text(INI)
    (place / "locked.ini").chmod(0o444)
    both = (place / "shop.ini", place / "b" / "shop.ini")
    other = DIFF.replace("shop.ini", "stock.ini")
    for config, change, why in (
        (both, {}, "does not say in which"),
        (both, {"file": "shop.ini"}, "more than one"),
        ((), {"file": "/etc/passwd"}, "none of the configuration files"),
        ((), {"file": "../secret.ini"}, "none of the configuration files"),
        ((place / "raw.ini",), {}, "not UTF-8"),
        ((place / "locked.ini",), {}, "read-only"),
        ((), {"value": ""}, "no value is proposed"),
        ((), {"kind": "file", "name": "shop.ini", "value": ""}, "in words"),
        ((), {"kind": "file", "name": "shop.ini", "value": other}, "not one of shop.ini alone"),
        ((), {"kind": "file", "name": "shop.ini", "value": DIFF + other}, "not one of shop.ini alone"),
        ((), {"kind": "file", "name": "shop.ini", "value": DIFF.replace("here", "there")}, "should be"),
        ((), {"kind": "file", "name": "shop.ini", "value": "rm -rf /"}, "names no file"),
        ((), {"within": ("nowhere",)}, "no target is called 'nowhere'"),
    ):
        made = await ask(*config, **change)
        assert (made.arguments, why in made.why) == ("", True), made.why
    # Of two files of one name the whole path says which.
    assert json.loads((await ask(*both, file=str(both[1]))).arguments)["path"] == "b/shop.ini"


async def test_orders_lead_to_no_other_file_and_no_other_setting(ask: Ask, place: Path) -> None:
    """An agent that obeys puts them into each field that it has: the file is the declared one, and one value of it changes."""
    for kind, order in orders.texts().items():
        line = visible(" ".join(order.split("\n"))[:200])[:300]  # other characters no contract lets through
        for field, said in (("file", line), ("name", line), ("value", order[:1000])):
            made = await ask(**{field: said})
            if not made.arguments:
                assert made.why, kind
                continue
            assert (field, json.loads(made.arguments)["path"]) == ("value", "shop.ini"), kind
            changes = [one for one in made.diff if one[2] in "+-"][2:]
            assert changes == ["| -rate = 19", f"| +rate = {said}"], kind
        patched = await ask(kind="file", name="shop.ini", value=order[:1000])
        assert (patched.arguments, bool(patched.why)) == ("", True), kind
    assert (place / "shop.ini").read_text() == INI
    assert json.loads((await ask()).arguments)["path"] == "shop.ini"


async def test_a_change_that_a_gate_cannot_show_is_not_prepared(ask: Ask, place: Path) -> None:
    """What is approved is seen whole."""
    (place / "shop.ini").write_text(f"[pay]\n# {'x' * 2000}\nrate = 19\n")
    assert "longer than a gate can show" in (await ask()).why
