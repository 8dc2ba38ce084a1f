"""docs/notifications.md: its block loads and leads somewhere, and its tables name every kind, key and command."""

import json
import re
import tomllib
from dataclasses import fields

import config
from activities.actions.declared import Targets
from activities.gates.policy import load_policy
from activities.notices.audience import known_to
from activities.notices.letters import check_channels
from activities.notices.wording import Shown
from commands.decide import notify
from contracts.channels import Channel
from contracts.notices import KINDS
from ledger.channels import STATES
from tests.docs.claims import tables
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "notifications.md"
TABLES = {table[0][0]: table[1:] for table in tables(PAGE.read_text())}


def test_the_block_is_what_a_worker_starts_with() -> None:
    """All three kinds of channel, each with a target that it can use, and with the shipped policy."""
    [block] = [tomllib.loads(one.text) for one in blocks(PAGE) if one.language == "toml"]
    settings = config.load(**block)
    assert {one.kind for one in settings.channels.values()} == {"slack", "webhook", "mail"}
    check_channels(settings.channels, Targets(settings.targets), known_to(load_policy(ROOT / "policy.toml")))


def test_the_example_has_every_key() -> None:
    """Of what a webhook gets for each notice."""
    [example] = [json.loads(one.text) for one in blocks(PAGE) if one.language == "json"]
    [one] = example["data"]["notices"]
    assert list(one) == [field.name for field in fields(Shown)]


def test_the_tables_have_every_kind_and_key() -> None:
    """With what is important and urgent, as the code has it."""
    said = {row[0].strip("`"): (row[2] == "yes", row[3] == "yes") for row in TABLES["kind"]}
    assert said == {name: (kind.alert, kind.urgent) for name, kind in KINDS.items()}
    assert {row[0].strip("`") for row in TABLES["key"]} == set(Channel.model_fields)


def test_every_command_and_state_is_named() -> None:
    """Those of `baton notify`, and those of a message."""
    named = {re.match(r"`baton notify (\w+)", row[0])[1] for row in TABLES["command"]}  # type: ignore[index]
    assert notify.__doc__ is not None
    assert named == set(re.findall(r"\w+", notify.__doc__.partition("`")[2].partition("`")[0])) - {"baton", "notify"}
    assert all(f"`{state}`" in PAGE.read_text() for state in STATES)
