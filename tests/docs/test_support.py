"""docs/support.md: its policy loads and does what the page says, and its tables name every key, ending and reason."""

import tomllib
from pathlib import Path
from typing import get_args

from activities.gates.policy import load_policy
from contracts.desks import DeskSetting, Guide, Template
from contracts.rules import Facts
from contracts.support_cases import Ending, Reason
from contracts.terms import ruling
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "support.md"
SHIPPED = (ROOT / "policy.toml").read_text()


def test_the_policy_of_the_page_pays_small_refunds_and_no_large_ones(tmp_path: Path) -> None:
    """Put in place of the shipped tables: confirm up to 20.00, a person above, and what cannot be judged is a person's."""
    [block] = [one.text for one in blocks(PAGE) if one.language == "toml"]
    assert tomllib.loads(block)["rules"]
    kept = SHIPPED[: SHIPPED.index("# An answer to a ticket, by mail")]
    (tmp_path / "policy.toml").write_text(kept + block)
    policy = load_policy(tmp_path / "policy.toml")
    terms, tainted = policy.terms("support.refund"), Facts(taint=("ticket",))

    def tier(values: dict[str, int | str]) -> str:
        return ruling("support.refund", terms, policy.rules, tainted, {"values": values}).tier

    assert [tier({"cents": 2000}), tier({"cents": 2001}), tier({}), tier({"cents": "many"})] == ["confirm", *["draft"] * 3]
    assert ruling("support.reply", policy.terms("support.reply"), policy.rules, tainted, {}).tier == "auto"


def test_shipped_a_person_pays_and_reads_each_answer() -> None:
    """The tiers that the page names."""
    policy = load_policy(ROOT / "policy.toml")
    assert [policy.terms(one).tier for one in ("note", "support.refund", "support.reply")] == ["auto", "draft", "confirm"]


def test_the_page_names_every_key_ending_and_reason() -> None:
    """A key, ending or reason that is new is on the page."""
    text = PAGE.read_text()
    named = [*DeskSetting.model_fields, *Guide.model_fields, *Template.model_fields, *get_args(Ending)]
    named += [one for one in get_args(Reason) if one]
    assert [one for one in named if f"`{one}`" not in text and f"[{one}" not in text] == []
