"""The page on people and roles has a policy that loads, and says of it what it does."""

from pathlib import Path

import pytest

from activities.gates.policy import Policy, load_policy
from contracts.gates import VERBS
from tests.docs.claims import tables, words
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "people.md"
ROWS = next(table for table in tables(PAGE.read_text()) if table[0][0] == "who")[1:]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The team's policy as its reader would copy it."""
    file = tmp_path_factory.mktemp("policy") / "team.toml"
    file.write_text(next(block.text for block in blocks(PAGE) if block.language == "toml"))
    return load_policy(file)


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_policy_allows_and_refuses_what_the_page_says(policy: Policy, row: list[str]) -> None:
    """Each row of the page's table is asked of the policy that stands above it."""
    who, gate, verb, owner, may = row[0], words(row[1])[0], words(row[2])[0], row[3], row[4]
    assert verb in VERBS[gate]  # type: ignore[index]  # a kind that is none fails here
    refused = policy.refuses(policy.gate(gate), verb, who, owner)  # type: ignore[arg-type]
    assert (refused is None) == (may == "yes"), refused


def test_the_page_has_both_answers() -> None:
    """The table shows what is refused as well as what is allowed."""
    assert {row[4] for row in ROWS} == {"yes", "no"}


def test_the_tables_defaults_are_the_policys(tmp_path: Path) -> None:
    """A key that the page calls required is, and each default it names holds where the key is left out."""
    keys = next(table for table in tables(PAGE.read_text()) if table[0][0] == "key in policy.toml")
    rows = {words(one[0])[0]: one[1] for one in keys[1:]}
    file = tmp_path / "policy.toml"
    file.write_text('[people.maria]\n[gates.plan]\nwho = ["*"]\ndeadline = "P1D"\n')
    least = load_policy(file).model_dump(mode="json")
    found = {"identity": least["identity"]} | {f"defaults.{key}": value for key, value in least["defaults"].items()}
    found |= {f"people.NAME.{key}": value for key, value in least["people"]["maria"].items()}
    found |= {f"gates.KIND.{key}": value for key, value in least["gates"]["plan"].items()}
    told = {key: f"`{str(value).lower()}`" if value not in (None, "", []) else "none" for key, value in found.items()}
    assert {key: rows[key] for key in told if rows[key] != "required"} == {
        key: value for key, value in told.items() if rows[key] != "required"
    }
    assert [key for key in rows if rows[key] == "required" and key.startswith("gates")] == [
        "gates.KIND.who",
        "gates.KIND.deadline",
    ]
