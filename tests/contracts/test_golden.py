"""Contracts in the repository keep working: a breaking change is named, a harmless one only asks for a refresh."""

import json
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest
from pydantic import Field

import config
import worker_parts
from contracts.base import Contract, Digest
from contracts.carried import Round
from contracts.delivery.run import DeliveryInput
from contracts.delivery.testing import TestReport
from contracts.handoff import Handoff
from contracts.registry import EVERY
from ledger.db import Ledger
from tests import ledgers
from tests.contracts import golden
from tests.contracts.compare import breaking_changes
from workflows.delivery.item import WriteItem
from workflows.delivery.story import Delivery
from workflows.review import Review
from workflows.review_part import ReviewPart


def test_no_contract_breaks_what_exists() -> None:
    """No stored body, history or caller of any kept contract is refused by the contracts of today."""
    problems = golden.breaking()
    assert not problems, "\n".join(problems)


def test_every_contract_is_kept_as_it_is() -> None:
    """Each contract's schema is in the repository, so that a change shows in review."""
    names = golden.stale()
    assert not names, f"the golden schemas of {', '.join(names)} are not up to date; run {golden.COMMAND}"


def test_what_crosses_to_activities_and_children_is_kept(tmp_path: Path) -> None:
    """Histories hold inputs and results of activities and workflows: none of these may change without being noticed."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path)
    ledgers.migrate(ledger)
    handled = [
        *(one.run for one in (Delivery, WriteItem, Review, ReviewPart)),
        *worker_parts.build(config.Settings(state=tmp_path), ledger).activities,
    ]
    ledger.close()
    types = {kind for one in handled for kind in get_type_hints(one).values() if isinstance(kind, type)}
    crossing = {kind for kind in types if issubclass(kind, Contract) and not issubclass(kind, Handoff)}
    assert len(crossing) > 20
    assert crossing - set(EVERY) == set(), "give it a name and add it to contracts/wire.py"
    assert '"Handoff_Any_"' in golden.rendered(Round)


def test_each_contract_has_a_file_of_its_own() -> None:
    """Names and versions give different file names."""
    assert len({golden.path_of(contract.contract) for contract in EVERY}) == len(EVERY)


class Inner(Contract):
    size: int = Field(ge=1, le=9)
    kind: Literal["a", "b"] = "a"


class Old(Contract, name="thing/1"):
    """The kept form that every variant below is compared with."""

    title: str = Field(min_length=1, max_length=80, description="one line")
    state: Literal["open", "closed"]
    inner: Inner
    many: tuple[Inner, ...] = ()
    note: str | None = None
    count: int = 0
    digest: Digest
    labels: dict[str, str] = Field(default_factory=dict)
    next: "Old | None" = None


def variant(name: str = "thing/1", without: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """The schema of `Old` with some fields declared otherwise: (annotation,) or (annotation, default)."""
    kept = {key: info for key, info in Old.model_fields.items() if key not in (*without, *fields, "next")}
    namespace: dict[str, Any] = dict(kept)
    annotations: dict[str, Any] = {key: info.annotation for key, info in kept.items()}
    for key, (annotation, *default) in fields.items():
        annotations[key] = annotation
        if default:
            namespace[key] = default[0]
    if "next" not in (*without, *fields):
        annotations["next"], namespace["next"] = "Changed | None", None
    made: Any = type("Changed", (Contract,), {"__module__": __name__, "__annotations__": annotations, **namespace}, name=name)
    made.model_rebuild(_types_namespace={"Changed": made})
    schema: dict[str, Any] = made.model_json_schema()
    return schema


class WiderInner(Contract):
    size: int = Field(ge=0, le=10)
    kind: Literal["a", "b", "c"] = "a"
    extra: str = ""


class OtherDefault(Contract):
    size: int = Field(ge=1, le=9)
    kind: Literal["a", "b"] = "b"


class NarrowInner(Contract):
    size: int = Field(ge=1, le=8)
    kind: Literal["a"] = "a"
    needed: str


BREAKING: list[tuple[str, dict[str, Any], str]] = [
    ("removed", {"without": ("count",)}, "count is gone"),
    ("renamed", {"without": ("note",), "remark": (str | None, None)}, "note is gone"),
    ("new and required", {"owner": (str,)}, "owner is new and required"),
    ("became required", {"count": (int,)}, "count was optional and is required"),
    ("type changed", {"count": (str, "")}, "count was integer and is string"),
    ("list became single", {"many": (Inner, None)}, "many was array and is object"),
    ("no longer null", {"note": (str, "")}, "note no longer accepts null"),
    ("enum member removed", {"state": (Literal["open"],)}, "state no longer accepts 'closed'"),
    ("free text became a choice", {"note": (Literal["x"] | None, None)}, "note no longer accepts any value of its type"),
    ("shorter", {"title": (str, Field(min_length=1, max_length=79))}, "title has maxLength 79 and was 80"),
    ("longer at least", {"title": (str, Field(min_length=2, max_length=80))}, "title has minLength 2 and was 1"),
    ("new limit", {"count": (int, Field(default=0, ge=0))}, "count has minimum 0 and did not have one"),
    (
        "new pattern",
        {"title": (str, Field(min_length=1, max_length=80, pattern="^a"))},
        "title has pattern '^a' and did not have one",
    ),
    ("changed pattern", {"digest": (str, Field(pattern="^[0-9a-f]{40}$"))}, "digest has pattern '^[0-9a-f]{40}$' and was"),
    ("nested limit", {"inner": (NarrowInner,)}, "inner.size has maximum 8 and was 9"),
    ("nested enum", {"many": (tuple[NarrowInner, ...], ())}, "many[].kind no longer accepts 'b'"),
    ("nested new field", {"many": (tuple[NarrowInner, ...], ())}, "many[].needed is new and required"),
    ("values of a mapping", {"labels": (dict[str, int], {})}, "labels{} was string and is integer"),
    ("another default", {"count": (int, 7)}, "count has the default 7 and had 0"),
    ("default of null gone", {"note": (str | None, "")}, 'note has the default "" and had null'),
    ("default made by code", {"count": (int, Field(default_factory=int))}, "count has the default none that is written down"),
    ("nested default", {"inner": (OtherDefault,)}, 'inner.kind has the default "b" and had "a"'),
    ("mapping became a list", {"labels": (list[str], [])}, "labels was object and is array"),
]

HARMLESS: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("new optional field", {"owner": (str | None, None)}),
    ("new field with a default", {"owner": (str, "")}),
    ("required became optional", {"title": (str, Field(default="", max_length=80))}),
    ("longer allowed", {"title": (str, Field(max_length=200))}),
    ("limit dropped", {"digest": (str,)}),
    ("choice more", {"state": (Literal["open", "closed", "held"],)}),
    ("choice became free text", {"state": (str,)}),
    ("null accepted, too", {"count": (int | None, 0)}),
    ("another type accepted, too", {"count": (int | str, 0)}),
    ("integer became number", {"count": (float, 0)}),
    ("other words", {"title": (str, Field(min_length=1, max_length=80, description="a headline"))}),
    ("nested and wider", {"inner": (WiderInner,), "many": (tuple[WiderInner, ...], ())}),
    ("nested and optional", {"inner": (Inner | None, None)}),
]


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in BREAKING], ids=[row[0] for row in BREAKING])
def test_a_breaking_change_is_named_with_its_field(change: dict[str, Any], said: str) -> None:
    """Whatever would refuse an old body, or drops a field, is found and says where and what."""
    found = [f"{one.where} {one.what}" for one in breaking_changes(Old.model_json_schema(), variant(**change))]
    assert [line for line in found if line.startswith(said)], found


@pytest.mark.parametrize("change", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_a_harmless_change_breaks_nothing(change: dict[str, Any]) -> None:
    """More is accepted, or only words differ: nobody has to make a new version."""
    assert breaking_changes(Old.model_json_schema(), variant(**change)) == []


def test_closing_an_open_object_breaks() -> None:
    """A contract that starts to refuse unknown keys refuses what newer workers send."""
    schema = Inner.model_json_schema()
    found = breaking_changes(schema, schema | {"additionalProperties": False})
    assert [one.what for one in found] == ["no longer accepts other keys"]


def test_every_contract_is_compatible_with_itself() -> None:
    """The comparison walks every real contract, also generic and self-containing ones, and finds nothing."""
    for contract in EVERY:
        kept = golden.rendered(contract)
        assert breaking_changes(json.loads(kept), json.loads(kept)) == []


def changed(**fields: Any) -> type[Contract]:
    """`thing/1` with a field more or otherwise."""
    return type("Old", (Contract,), {"__module__": __name__, "__annotations__": {"title": str} | fields}, name="thing/1")


def test_the_message_says_how_to_mend_it(tmp_path: Path) -> None:
    """Contract, field, what happened, the next version's name, and what would not break."""
    golden.write([changed()], tmp_path)
    assert golden.breaking([changed(owner=str)], tmp_path) == [
        "thing/1: field owner is new and required. Make it a new version (thing/2) with an upcaster, or give it a default"
    ]


def test_broken_copies_of_real_contracts_are_named() -> None:
    """The check can fail: a default that a caller of Delivery leaves out, and a verdict that stored reports have."""

    class MoreRework(DeliveryInput, name="delivery_input/1"):
        rework: int = Field(default=3, ge=0, le=10)

    class FewerVerdicts(TestReport, name="test_report/1"):
        verdict: Literal["passed", "failed", "not_run"]  # type: ignore[assignment]  # narrower, which is the point

    broken = [{"delivery_input/1": MoreRework, "test_report/1": FewerVerdicts}.get(one.contract, one) for one in EVERY]
    assert golden.breaking(broken) == [
        "delivery_input/1: field rework has the default 3 and had 2. Make it a new version (delivery_input/2) with an "
        "upcaster, or leave it as it was",
        *(
            f"test_report/1: field verdict no longer accepts {gone!r}. Make it a new version (test_report/2) with an "
            "upcaster, or keep accepting it"
            for gone in ("no_new_failures", "not_proven")
        ),
    ]


def test_a_contract_that_is_gone_is_named(tmp_path: Path) -> None:
    """Taking a contract out of the registry is a breaking change like another."""
    golden.write([changed()], tmp_path)
    assert golden.breaking([], tmp_path) == [
        "thing/1: the contract is gone; stored ones could no longer be read. Put it back into contracts/registry.py"
    ]


def test_writing_refuses_to_cover_a_breaking_change(tmp_path: Path) -> None:
    """Nothing at all is written then; a harmless change is written, and afterwards nothing is stale."""
    golden.write([changed()], tmp_path)
    kept = golden.path_of("thing/1", tmp_path).read_text()
    assert golden.write([changed(owner=str)], tmp_path) == golden.breaking([changed(owner=str)], tmp_path)
    assert golden.path_of("thing/1", tmp_path).read_text() == kept
    grown = changed(owner=str | None)
    grown.model_fields["owner"].default = None
    grown.model_rebuild(force=True)
    assert golden.stale([grown], tmp_path) == ["thing/1"]
    assert golden.write([grown], tmp_path) == []
    assert golden.stale([grown], tmp_path) == []
