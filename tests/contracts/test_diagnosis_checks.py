"""What does not agree across services is found by code: changes of one thing, two values of one thing, and blame."""

from typing import Any

import pytest

from contracts.diagnosis_checks import MUTUAL, chosen, conflicts, contradictions, fixes_of
from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import CheckedDiagnosis, Diagnosis, Unsupported
from tests.workflows.ailing import change, claim, diagnosis

SERVICES = tuple(Service(name=name, logs=("/a.log",), address=f"{name}.local:80") for name in ("shop", "pay", "stock"))


def checked(service: str, fault: str, **more: Any) -> CheckedDiagnosis:
    """One service's diagnosis."""
    return CheckedDiagnosis(service=service, diagnosis=Diagnosis.model_validate(diagnosis(fault, **more)))


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        (change("file", "conf/a.ini"), change("file", "conf/a.ini"), True),
        (change("file", "/conf/A.ini"), change("file", "conf/a.ini"), True),
        (change("file", "conf/*.ini"), change("file", "conf/a.ini"), True),
        (change("file", "conf/a.ini"), change("setting", "rate", "1", "conf/a.ini"), True),
        (change("file", "conf/a.ini"), change("file", "conf/b.ini"), False),
        (change("setting", "rate", "1", "a.ini"), change("setting", "RATE", "2", "a.ini"), True),
        (change("setting", "rate", "1", "a.ini"), change("setting", "rate", "1", "a.ini"), False),
        (change("setting", "rate", "1", "a.ini"), change("setting", "rate", "2", "b.ini"), False),
        (change("dependency", "python-dateutil", "2"), change("dependency", "python_dateutil", "3"), True),
        (change("service", "db"), change("service", "db"), False),
    ],
)
def test_changes_of_one_thing_collide(one: dict[str, Any], other: dict[str, Any], collide: bool) -> None:
    """By the resources that they touch, as for plans; the same change twice is none. Of two that collide one is made."""
    fixes = fixes_of((checked("shop", "here", changes=[one]), checked("pay", "here", changes=[other])))
    found = conflicts(fixes)
    assert bool(found) is collide
    taken, dropped = chosen(("pay-1", "shop-1", "none-1"), fixes, found)
    assert [two.id for two in taken] == (["pay-1"] if collide else ["pay-1", "shop-1"])
    assert set(dropped) == ({"shop-1", "none-1"} if collide else {"none-1"})


def test_a_name_that_nothing_can_have_is_told_and_breaks_nothing() -> None:
    """It cannot be compared, and says why."""
    (fix,) = fixes_of((checked("shop", "here", changes=[change("file", "../../etc/passwd")]),))
    assert (fix.touches, "goes up a folder" in fix.problem) == ((), True)


@pytest.mark.parametrize(
    ("shop", "pay", "on"),
    [
        (("elsewhere", "pay"), ("elsewhere", "shop"), MUTUAL),
        (("elsewhere", "PAY.local:80"), ("elsewhere", "Shop"), MUTUAL),
        (("elsewhere", "pay"), ("none", ""), "one is blamed and says that nothing is wrong with it"),
        (("elsewhere", "pay"), ("here", ""), ""),
        (("elsewhere", "stock"), ("elsewhere", "stock"), ""),
        (("here", "pay"), ("none", ""), ""),
    ],
)
def test_blame_is_compared_by_names_and_addresses(shop: tuple[str, str], pay: tuple[str, str], on: str) -> None:
    """Each blames the other, or one who is blamed says that it is well."""
    both = (checked("shop", shop[0], blames=shop[1]), checked("pay", pay[0], blames=pay[1]))
    found = contradictions(both, SERVICES)
    assert [one.on for one in found] == ([on] if on else [])


def test_two_values_of_one_thing_contradict_if_lines_show_them() -> None:
    """Of different services, however it is spelt; an unsupported claim is no side."""
    seven = claim("Rate limit", "value", "7", "a.log", "rate limit 7 reached")
    eight = claim("rate-limit", "Value", "8", "b.log", "rate limit 8 reached")
    both = (checked("shop", "here", claims=[seven, seven | {"value": "9"}]), checked("pay", "here", claims=[eight]))
    found = contradictions(both, SERVICES)
    assert {one.sides for one in found} == {("shop: 7", "pay: 8"), ("shop: 9", "pay: 8")}
    empty = checked("pay", "here")
    unsupported = empty.model_copy(
        update={"unsupported": (Unsupported(claim=both[1].diagnosis.claims[0], reason="the quote is not in b.log"),)}
    )
    assert contradictions((both[0], unsupported), SERVICES) == ()
