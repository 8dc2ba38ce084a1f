"""The page on the policy has one that loads, and does what its table says when it is tried."""

import json
import shlex

import pytest

from activities.gates.policy import Policy, load_policy
from commands.decide.policy_trial import Asked, trial
from contracts.rules import COMPARISONS, OF_ACTIONS, OF_HANDOFFS, Facts
from tests.docs.claims import tables, words
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "policy.md"
ROWS = next(table for table in tables(PAGE.read_text()) if table[0][0] == "try")[1:]
FIELDS = next(table for table in tables(PAGE.read_text()) if table[0][0] == "fields")[1:]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The policy as its reader would copy it."""
    file = tmp_path_factory.mktemp("policy") / "policy.toml"
    file.write_text(next(block.text for block in blocks(PAGE) if block.language == "toml"))
    return load_policy(file)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_it_takes_what_the_page_says(policy: Policy, row: list[str]) -> None:
    """Tier, people and rules of each row."""
    action, _, arguments, *more = shlex.split(words(row[0])[0].replace('"', '\\"'))
    given = dict(zip(more[::2], more[1::2], strict=True))
    taint = (given["--taint"],) if "--taint" in given else ()
    found = trial(policy, Asked(action, arguments, "", Facts(lines=int(given.get("--lines", 0)), taint=taint))).fields()
    json.loads(arguments)
    assert [found["tier"], str(found["approvals"] or 0)] == row[1:3]
    assert found["rules"] == words(row[3])


def test_the_table_of_fields_is_complete() -> None:
    """Each field is there, with what it is of and its comparisons."""
    said: dict[str, str] = {}
    for row in FIELDS:
        said |= dict.fromkeys(words(row[0]), row[1])
    arguments = {"arguments.NAME": "actions"}
    of = {name: "both" if name in OF_HANDOFFS and name in OF_ACTIONS else "" for name in (*OF_ACTIONS, *OF_HANDOFFS)}
    true = {name: one or ("actions" if name in OF_ACTIONS else "agents") for name, one in of.items()}
    assert said == arguments | true
    named = {word for row in FIELDS for word in words(row[2])}
    assert {one for several in COMPARISONS.values() for one in several} <= named
