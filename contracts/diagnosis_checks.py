"""What code checks across diagnoses: changes that collide, and statements that cannot both be right. Pure."""

import itertools
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from contracts.diagnosis_input import Service
from contracts.diagnosis_parts import CheckedDiagnosis, Conflict, Contradiction, Fix, ProposedChange
from contracts.resources import Resource, file_resource, overlaps, resource

MUTUAL = "each blames the other"
"""What a contradiction is about where two services blame each other."""

SHOWN = 40
"""Most conflicts, and most contradictions, of one diagnosis."""


def fixes_of(checked: Sequence[CheckedDiagnosis]) -> tuple[Fix, ...]:
    """Every proposed change with its number and what it touches."""
    return tuple(
        _fix(one.service, number, change)
        for one in checked
        for number, change in enumerate(one.diagnosis.changes, 1)
        if one.diagnosis.fault != "none"
    )


def conflicts(fixes: Sequence[Fix]) -> tuple[Conflict, ...]:
    """Pairs of fixes, of any services, that touch the same thing and are not the same change."""
    return tuple(itertools.islice(_conflicts(fixes), SHOWN))


def contradictions(checked: Sequence[CheckedDiagnosis], services: Sequence[Service]) -> tuple[Contradiction, ...]:
    """Pairs of diagnoses that give the same attribute of the same subject other values, or that blame each other.

    Only supported claims count: what no log line shows is no side.
    """
    found = itertools.chain(_blame(checked, services), _values(checked))
    return tuple(itertools.islice(found, SHOWN))


def blamed(one: CheckedDiagnosis, services: Sequence[Service]) -> str:
    """The service of this diagnosis that this one blames; the words it used for anything else, "" where it blames nobody."""
    said = one.diagnosis.blames.strip()
    if one.diagnosis.fault != "elsewhere" or not said:
        return ""
    for other in services:
        if other.name != one.service and _plain(said) in (_plain(other.name), _plain(other.address or "\0")):
            return other.name
    return said


def _fix(service: str, number: int, change: ProposedChange) -> Fix:
    known = Fix(id=f"{service}-{number}", service=service, change=change)
    try:
        return known.model_copy(update={"touches": tuple(_touched(service, change))})
    except ValueError as error:
        return known.model_copy(update={"problem": f"it cannot be compared with others: {error}"[:300]})


def _touched(service: str, change: ProposedChange) -> Iterator[Resource]:
    """What a change touches. Raises `ValueError` for a name that its kind cannot have."""
    if change.kind == "file":
        yield file_resource(change.name.lstrip("/"))
    elif change.kind == "setting":
        # One key of one file; without a file, of the service: two services may have settings of the same name.
        where = change.file.lstrip("/") or service
        yield resource("setting", f"{where}: {change.name}")
    else:
        yield resource(change.kind, change.name)


def _conflicts(fixes: Sequence[Fix]) -> Iterator[Conflict]:
    number = 0
    for one, other in itertools.combinations(fixes, 2):
        if (on := _common(one, other)) and not _same(one.change, other.change):
            number += 1
            sides = (f"{one.id}: {_said(one.change)}", f"{other.id}: {_said(other.change)}")
            yield Conflict(id=f"conflict-{number}", on=on, fixes=(one.id, other.id), sides=sides)


def _common(one: Fix, other: Fix) -> str:
    for mine in one.touches:
        for theirs in other.touches:
            if overlaps(mine, theirs):
                return f"{mine.kind} {mine.name}"
    # A whole file against one setting in it.
    for file, setting in ((one.change, other.change), (other.change, one.change)):
        if file.kind == "file" and setting.kind == "setting" and setting.file and _path(file.name) == _path(setting.file):
            return f"file {_path(file.name)}"
    return ""


def _path(name: str) -> str:
    return posixpath.normpath(name.lstrip("/")).casefold()


def _same(one: ProposedChange, other: ProposedChange) -> bool:
    # To start a service anew twice is to do it once; a setting's same new value is no conflict, whatever the words.
    if one.kind != other.kind or one.kind == "file":
        return False
    return one.kind == "service" or _plain(one.value) == _plain(other.value)


def _said(change: ProposedChange) -> str:
    value = f" = {change.value}" if change.value else ""
    return f"{change.kind} {change.name}{value}: {change.what}"[:500]


def _blame(checked: Sequence[CheckedDiagnosis], services: Sequence[Service]) -> Iterator[Contradiction]:
    for number, (one, other) in enumerate(itertools.combinations(checked, 2), 1):
        accuses, accused = blamed(one, services) == other.service, blamed(other, services) == one.service
        # One that blames another which says that all is well with it is a contradiction, too.
        if (accuses and accused) or (accuses and _is_well(other)) or (accused and _is_well(one)):
            sides = (_position(one), _position(other))
            on = MUTUAL if accuses and accused else "one is blamed and says that nothing is wrong with it"
            yield Contradiction(id=f"blame-{number}", about="blame", on=on, services=(one.service, other.service), sides=sides)


def _is_well(one: CheckedDiagnosis) -> bool:
    return one.diagnosis.fault == "none"


def _position(one: CheckedDiagnosis) -> str:
    return f"{one.service}: fault {one.diagnosis.fault}: {one.diagnosis.cause}"[:500]


def _values(checked: Sequence[CheckedDiagnosis]) -> Iterator[Contradiction]:
    known: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in checked:
        for claim in one.diagnosis.claims:
            known.setdefault((_plain(claim.subject), _plain(claim.attribute)), []).append((one.service, claim.value))
    number = 0
    for (subject, attribute), said in known.items():
        for (service, value), (other, differs) in itertools.combinations(said, 2):
            if service != other and _plain(value) != _plain(differs):
                number += 1
                yield Contradiction(
                    id=f"value-{number}",
                    about="value",
                    on=f"{subject}: {attribute}",
                    services=(service, other),
                    sides=(f"{service}: {value}"[:500], f"{other}: {differs}"[:500]),
                )


def _plain(text: str) -> str:
    """For comparing what people and models write: case, accents' form, blanks and signs at the ends do not count."""
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", text)).strip(" .\"'`").casefold()


def chosen(wanted: Sequence[str], fixes: Sequence[Fix], colliding: Sequence[Conflict]) -> tuple[list[Fix], dict[str, str]]:
    """Of the fixes that the weigher wants, those that may be made, in its order; and why others may not, by id."""
    there: Mapping[str, Fix] = {one.id: one for one in fixes}
    taken, dropped = list[Fix](), dict[str, str]()
    for name in dict.fromkeys(wanted):
        if name not in there:
            dropped[name] = "no service proposed it"
            continue
        against = {other for one in colliding if name in one.fixes for other in one.fixes if other != name}
        if before := [one.id for one in taken if one.id in against]:
            dropped[name] = f"it conflicts with {before[0]}, which comes first"
            continue
        taken.append(there[name])
    return taken, dropped
