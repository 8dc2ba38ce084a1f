"""docs/actions.md: every adapter has a block for each file, which loads, and the table names the adapters that there are."""

import re
import tomllib
from pathlib import Path
from typing import Any

import config
from activities.gates.policy import load_policy
from contracts.effects.every import ARGUMENTS
from contracts.effects.targets import CommandSetting, StatementSetting, Target
from tests.docs.claims import tables
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "actions.md"
BLOCKS = [tomllib.loads(block.text) for block in blocks(PAGE) if block.language == "toml"]


def test_every_block_loads_and_every_adapter_has_one(tmp_path: Path) -> None:
    """Targets as settings, actions as policy, all together: every kind of target, and every adapter but what pipelines do."""
    declared: dict[str, Any] = {}
    for name, table in ((name, table) for block in BLOCKS for name, table in block.get("targets", {}).items()):
        declared[name] = declared.get(name, {}) | table  # a target may have its tables in a block of their own
    settings = config.load(targets=declared)
    kinds = {one.kind for one in settings.targets.values()}
    assert kinds == {_kind(one) for one in _kinds()}
    page = "".join(block.text for block in blocks(PAGE) if block.language == "toml" and "[actions." in block.text)
    file = tmp_path / "policy.toml"
    file.write_text((ROOT / "policy.toml").read_text() + page)
    policy = load_policy(file)
    policy.check_adapters(ARGUMENTS)
    assert set(policy.adapters().values()) == set(ARGUMENTS)
    assert set(policy.undone_by().values()) <= set(policy.actions)


def test_the_table_has_every_adapter() -> None:
    """With the kind of target that it takes."""
    rows = next(table for table in tables(PAGE.read_text()) if table[0][0] == "adapter")[1:]
    assert {row[0].strip("`") for row in rows} == set(ARGUMENTS)
    named = {row[2].strip("`") for row in rows} - {"none"}
    assert named == {_kind(one) for one in _kinds()}


def test_the_page_has_every_key_of_a_target() -> None:
    """By kind, and those of statements and commands in the rows of their tables."""
    rows = next(table for table in tables(PAGE.read_text()) if table[0][0] == "kind")[1:]
    said = {(row[0].strip("`"), key) for row in rows for key in re.findall(r"`(\w+)`", row[1])}
    assert said == {(_kind(one), key) for one in _kinds() for key in one.model_fields.keys() - {"kind"}}
    for setting, key in ((StatementSetting, "statements"), (CommandSetting, "commands")):
        meaning = next(row[3] for row in rows if row[1] == f"`{key}`")
        assert set(re.findall(r"`(\w+)`", meaning)) == set(setting.model_fields)


def _kind(one: Any) -> str:
    return str(one.model_fields["kind"].annotation.__args__[0])


def _kinds() -> tuple[Any, ...]:
    return Target.__origin__.__args__  # type: ignore[attr-defined, no-any-return]  # the union's members
