"""What every contract is: frozen, named and listed, the same bytes for equal values, and three ways to read it."""

import importlib
import json
import pkgutil
import types
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

import contracts
from contracts import errors
from contracts.base import BODY_LIMIT, ArtifactRef, Contract, Input, canonical, digest_of, sha256
from contracts.delivery.plan import Criterion, Plan, PlanItem, PlanV1, WorkItem
from contracts.errors import BatonError, ContractViolation, Misconfigured, NotFound
from contracts.registry import BY_NAME, CONTRACTS, named
from contracts.registry import EVERY as LISTED
from contracts.runs import Note

MODULES = [importlib.import_module(f"contracts.{module.name}") for module in pkgutil.iter_modules(contracts.__path__)]


def every_contract(parent: type[Contract] = Contract) -> Iterator[type[Contract]]:
    """Every subclass that is declared in `contracts/`."""
    for child in parent.__subclasses__():
        if child.__module__.startswith("contracts."):
            yield child
        yield from every_contract(child)


EVERY = sorted(set(every_contract()), key=lambda contract: contract.__qualname__)
NAMED = [contract for contract in EVERY if "contract" in vars(contract)]

NOT_LISTED_YET: set[str] = set()
"""Known gaps of the list. To close one: add it to contracts/registry.py, write its golden schema, remove it here."""


def plan(**changes: Any) -> Plan:
    """A small plan."""
    says = Criterion(text="it says höher", shown_by="tests/test_a.py")
    item = PlanItem(id="one", intent="say höher", files=("a.py",), settings=(), acceptance=(says,), depends_on=())
    return Plan(summary="Say höher", items=(item,), risks=(), check="pytest -q").model_copy(update=changes)


def test_every_named_contract_is_in_the_registry() -> None:
    """Golden schemas, `baton contracts` and agent files go by the list; a contract that is not in it would change unseen."""
    listed = {*LISTED, *(one for one in NAMED if one.contract in NOT_LISTED_YET)}
    missing = sorted(f"{one.contract} ({one.__module__}.{one.__name__})" for one in NAMED if one not in listed)
    assert not missing, f"add to contracts/registry.py: {', '.join(missing)}"


def test_every_contract_in_the_registry_has_a_name_of_its_own() -> None:
    """Name and version identify a contract."""
    assert all(contract.contract for contract in CONTRACTS)
    assert len({contract.contract for contract in CONTRACTS}) == len(CONTRACTS)
    assert all(BY_NAME[contract.contract] is contract for contract in CONTRACTS)
    assert (named("plan/1"), named("plan/2")) == (PlanV1, Plan)
    with pytest.raises(NotFound, match=r"no contract 'plam/1'; there are .*plan/1"):
        named("plam/1")


@pytest.mark.parametrize("wrong", ["plan", "plan/0", "Plan/1", "plan/1.0", "plan/01", "/1", ""])
def test_a_wrong_name_is_refused_where_it_is_written(wrong: str) -> None:
    """A contract without a version, or with a name that is no name, does not come into being."""
    with pytest.raises(TypeError, match="named like 'plan/1'"):
        type("Wrong", (Contract,), {"__module__": __name__}, name=wrong)


def test_every_contract_is_frozen() -> None:
    """Nobody changes what was handed over."""
    assert [contract.__qualname__ for contract in EVERY if contract.model_config["frozen"] is not True] == []


def test_a_contract_cannot_be_changed() -> None:
    """Setting a field fails, and collections in it are tuples."""
    with pytest.raises(ValidationError, match="frozen"):
        plan().summary = "other"  # type: ignore[misc]
    for contract in EVERY:
        lists = [name for name, info in contract.model_fields.items() if list in parts(info.annotation)]
        assert not lists, f"{contract.__qualname__}: {lists} can be changed in place; use a tuple"


def parts(annotation: Any) -> set[Any]:
    """Every type that an annotation is made of."""
    return {get_origin(annotation) or annotation}.union(*(parts(one) for one in get_args(annotation)))


def models(annotation: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """Every model that an annotation leads to."""
    for one in parts(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in seen:
            seen.add(one)
            for info in one.model_fields.values():
                models(info.annotation, seen)
    return seen


def floats(contract: type[Contract]) -> list[str]:
    """The fields with fractions that a contract leads to, as Model.field."""
    return [
        f"{model.__name__}.{name}"
        for model in models(contract, set())
        for name, info in model.model_fields.items()
        if float in parts(info.annotation)
    ]


def test_no_contract_holds_a_float() -> None:
    """Two machines must make the same bytes of equal values, and they print floats differently."""
    found = {contract.__qualname__: held for contract in EVERY if (held := floats(contract))}
    assert not found, f"{found}; use whole numbers, such as per mille or micro-dollars"


def test_no_contract_writes_a_float() -> None:
    """Also what pydantic makes of the other types has no fractions: the schema of the written form knows only integers."""
    schemas = {contract.contract: json.dumps(contract.model_json_schema(mode="serialization")) for contract in CONTRACTS}
    assert [name for name, schema in schemas.items() if '"type": "number"' in schema] == []


def test_a_float_is_found_however_deep_it_lies() -> None:
    """The two rules above can fail."""

    class Inner(Contract):
        share: tuple[float | None, ...] = ()

    class Outer(Contract, name="outer/1"):
        inner: Inner

    assert floats(Outer) == ["Inner.share"]
    assert '"type": "number"' in json.dumps(Outer.model_json_schema(mode="serialization"))


def test_equal_values_give_equal_bytes() -> None:
    """Whatever the order or the way in, the stored bytes and their digest are the same."""
    one = plan()
    assert Plan.read(one.stored()).stored() == one.stored()
    shuffled = dict(reversed(one.model_dump(mode="json").items()))
    assert Plan.model_validate(shuffled).stored() == one.stored()


def test_the_digest_of_a_stored_example_never_changes() -> None:
    """Digests in ledgers of years ago must still match: this one was written down once."""
    item = WorkItem(id="one", intent="say höher", files=("a.py",), settings=(), acceptance=("it says höher",), depends_on=())
    example = PlanV1(summary="Say höher", items=(item,), risks=(), check="pytest -q")
    assert example.stored() == (
        b'{"check":"pytest -q","items":[{"acceptance":["it says h\xc3\xb6her"],"depends_on":[],"files":["a.py"],"id":"one",'
        b'"intent":"say h\xc3\xb6her","settings":[]}],"risks":[],"summary":"Say h\xc3\xb6her"}'
    )
    assert sha256(example.stored()) == "c02ff988eb598dd7eb8e4f9233c5f29d55652a886155de939c1343aadebbd58a"
    assert digest_of("turn", "t", b"\x00") == "c276f15afca78d34051e4189fd9d11267807f0b90d26897d6cf0b039ad25451e"


def test_an_instant_has_one_form() -> None:
    """The same instant in UTC is written the same way, and durations as ISO 8601."""
    note = Note(key="k", at=datetime(2026, 11, 20, 12, 0, 0, 5, UTC), stage="", did="")
    assert b'"at":"2026-11-20T12:00:00.000005Z"' in note.stored()
    read = Note.read(note.stored())
    assert read.stored() == note.stored()

    class Timed(Contract):
        lasts: timedelta

    assert Timed(lasts=timedelta(hours=25, seconds=1)).stored() == b'{"lasts":"P1DT1H1S"}'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_canonical_bytes_do_not_depend_on_order(value: Any) -> None:
    """Any JSON value gives the same bytes however its keys came."""

    def turned(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: turned(one[key]) for key in reversed(one)}
        return [turned(item) for item in one] if isinstance(one, list) else one

    assert canonical(turned(value)) == canonical(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_has_no_canonical_form(value: float) -> None:
    """Numbers that JSON does not know are refused instead of written as words."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


@given(st.lists(st.text() | st.binary(), max_size=5), st.lists(st.text() | st.binary(), max_size=5))
def test_no_two_lists_of_parts_share_a_digest(one: list[str | bytes], other: list[str | bytes]) -> None:
    """The border between parts counts: 'ab','c' is not 'a','bc'."""

    def raw(items: list[str | bytes]) -> list[bytes]:
        return [item.encode() if isinstance(item, str) else item for item in items]

    assert (digest_of(*one) == digest_of(*other)) == (raw(one) == raw(other))


def test_borders_of_parts_count() -> None:
    """The same characters cut otherwise are other parts."""
    assert len({digest_of("ab", "c"), digest_of("a", "bc"), digest_of("abc"), digest_of("abc", ""), digest_of("", "abc")}) == 5


class Small(Contract, name="small/1"):
    """Read in three ways below."""

    count: int
    tags: tuple[str, ...] = ()
    inner: ArtifactRef | None = None


class Filled(Input):
    """What people fill in."""

    count: int = Field(ge=1)


def test_workers_ignore_what_they_do_not_know() -> None:
    """A newer worker may send more; the field is dropped, also further in, and the rest is read."""
    assert Small.read('{"count": 1, "new": 2, "inner": {"digest": "' + "0" * 64 + '", "size": 1, "more": 3}}').count == 1


def test_a_model_is_held_to_every_field() -> None:
    """An unknown field is refused by name, on every level, and nothing is turned from one type into another."""
    assert Small.read_strict('{"count": 1, "tags": ["a"]}') == Small(count=1, tags=("a",))
    for wrong, said in {
        '{"count": 1, "new": 2}': "new: Extra inputs are not permitted",
        '{"count": 1, "inner": {"digest": "' + "0" * 64 + '", "size": 1, "more": 3}}': "inner.more: Extra inputs",
        '{"count": "1"}': "count: Input should be a valid integer",
        '{"count": 1.0}': "count: Input should be a valid integer",
        '{"count": true}': "count: Input should be a valid integer",
        '{"count": 1, "tags": "a"}': "tags: Input should be a valid",
        '{"tags": []}': "count: Field required",
        '{"count": 1': "(whole): Invalid JSON",
        "[]": "(whole): Input should be",
    }.items():
        with pytest.raises(ContractViolation) as caught:
            Small.read_strict(wrong)
        assert caught.value.contract == "small/1"
        assert said in str(caught.value), wrong


def test_people_are_told_the_field_they_misspelt() -> None:
    """What a person typed is refused by name, also where it is not declared as an input; numbers may come as text."""
    assert Small.read_typed_by_people({"count": "1"}).count == 1
    for reads in (Small, Filled):
        with pytest.raises(ContractViolation, match=r"cuont: Extra inputs are not permitted \(got 1\)"):
            reads.read_typed_by_people({"count": 1, "cuont": 1})
    with pytest.raises(ContractViolation, match=r"^Filled: "):
        Filled.read('{"count": 1, "cuont": 1}')


def test_a_violation_is_short_and_complete() -> None:
    """At most five problems with the start of what came in, and how many more there are."""
    fields = {f"f{number}": "x" * 200 for number in range(8)}
    with pytest.raises(ContractViolation) as caught:
        Small.read_typed_by_people({"count": 1} | fields)
    problems = caught.value.problems
    assert len(problems) == 6
    assert problems[-1] == "and 3 more"
    assert all(len(problem) < 160 for problem in problems)
    assert str(caught.value) == "small/1: " + "; ".join(problems)


def test_a_lone_surrogate_is_no_text() -> None:
    """What cannot be written as UTF-8 is refused at the border, not when it is stored."""
    with pytest.raises(ContractViolation, match="summary"):
        Plan.read_typed_by_people(plan().model_dump() | {"summary": "\ud800"})
    with pytest.raises(ContractViolation):
        Plan.read_strict(plan().stored().replace(b"Say h\xc3\xb6her", b"\\ud800"))


def test_every_error_tells_what_to_do() -> None:
    """The docstring is the message where none is given."""
    for error in (one for one in vars(errors).values() if isinstance(one, type)):
        assert issubclass(error, BatonError), error
        if error is not ContractViolation:
            assert str(error()) == (error.__doc__ or "").strip(), error
            assert str(error("else")) == "else", error


def test_contracts_import_nothing_that_acts() -> None:
    """Contracts are shapes: no network, no database, no workflow SDK, no clock of their own."""
    banned = {"temporalio", "sqlalchemy", "httpx", "anthropic", "openai", "random", "uuid", "time", "os"}
    for module in MODULES:
        names = {value.__name__.split(".")[0] for value in vars(module).values() if isinstance(value, types.ModuleType)}
        assert not names & banned, module.__name__


def test_no_default_is_made_at_run_time() -> None:
    """A contract takes no instant, id or random number by itself: replays would differ."""
    allowed = {dict, list, tuple}
    for contract in EVERY:
        made = {name: info.default_factory for name, info in contract.model_fields.items() if info.default_factory}
        assert all(factory in allowed for factory in made.values()), (contract, made)


def test_the_limit_of_a_body_leaves_room_in_a_message() -> None:
    """Far below what Temporal refuses, and a whole number of kilobytes."""
    assert BODY_LIMIT == 64 * 1024


def test_an_instant_from_elsewhere_is_the_same_instant() -> None:
    """A time zone is kept through the wire form."""
    zone = timezone(timedelta(hours=5, minutes=45))
    note = Note(key="k", at=datetime(2026, 11, 20, 12, tzinfo=zone), stage="", did="")
    assert Note.read(note.stored()).at == note.at


def test_misconfigured_is_a_baton_error() -> None:
    """Everything that we raise on purpose can be caught by one name."""
    assert issubclass(Misconfigured, BatonError)
