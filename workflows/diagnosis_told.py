"""What the report of a diagnosis says of each service, and the time line across them. Pure."""

from collections.abc import Iterator, Mapping

from contracts.diagnosis import CLAIMS_SHOWN, Moment, ServiceOutcome, ServiceState
from contracts.diagnosis_parts import CheckedDiagnosis, Fault, Weighed
from contracts.text import one_line

MOMENTS = 40

_STATES: Mapping[Fault, ServiceState] = {"here": "faulty", "elsewhere": "affected", "none": "healthy", "unknown": "unknown"}


def outcome_of(name: str, one: CheckedDiagnosis | None, failed: Mapping[str, str], among: int) -> ServiceOutcome:
    """One service's part of the report; of many services each has less room."""
    if one is None:
        return ServiceOutcome(service=name, state="could_not", cause=failed.get(name, "it was not looked at"))
    found, room = one.diagnosis, max(min(CLAIMS_SHOWN, 30 // among), 1)
    return ServiceOutcome(
        service=name,
        state=_STATES[found.fault],
        cause=found.cause,
        blames=found.blames,
        by=one.by,
        confidence=found.confidence,
        claims=found.claims[:room],
        unsupported=one.unsupported[:room],
        left_out=max(len(found.claims) - room, 0) + max(len(one.unsupported) - room, 0),
        errors=one.signs.errors,
        records=one.signs.records,
        notes=one.notes[:5],
    )


def moments(found: Mapping[str, CheckedDiagnosis]) -> tuple[Moment, ...]:
    """When what began in which service, in order of time: first errors, changes of the share of errors, and ends of logs."""
    return tuple(sorted((one for name, body in found.items() for one in _of(name, body)), key=lambda one: one.at)[:MOMENTS])


def _of(name: str, one: CheckedDiagnosis) -> Iterator[Moment]:
    signs = one.signs
    if signs.first_at is not None and signs.first_error is not None:
        yield Moment(
            at=signs.first_at, service=name, what=f"first error: {signs.first_error.quote}"[:400], quote=signs.first_error
        )
    for sign in signs.signs:
        if sign.first is not None and sign.first != signs.first_at:
            yield Moment(
                at=sign.first, service=name, what=f"{sign.level}, {sign.count} times: {sign.template}"[:400], quote=sign.example
            )
    if signs.changed_at is not None:
        before, after = signs.before / 10, signs.after / 10
        yield Moment(at=signs.changed_at, service=name, what=f"errors go from {before:g} % to {after:g} % of the records")
    ends = max((file.ends for file in one.files if file.ends is not None), default=None)
    if ends is not None:
        yield Moment(at=ends, service=name, what="last record")


def first_signs(found: Mapping[str, CheckedDiagnosis]) -> tuple[str, ...]:
    """Services in the order of their first errors."""
    dated = [(one.signs.first_at, name, one.signs.first_error) for name, one in found.items() if one.signs.first_at is not None]
    return tuple(
        f"{name} at {at:%Y-%m-%d %H:%M:%S} UTC: {one_line(quote.quote if quote else '', 200)}"
        for at, name, quote in sorted(dated, key=lambda one: (one[0], one[1]))
    )


def ranked_roots(weighed: Weighed | None, found: Mapping[str, CheckedDiagnosis]) -> tuple[str, ...]:
    """Where the cause lies: what the weigher says, of services and addresses that somebody named."""
    if weighed is None:
        return tuple(name for name, one in found.items() if one.diagnosis.fault == "here")
    named = {*found, *(one.diagnosis.blames for one in found.values())}
    return tuple(one for one in dict.fromkeys(weighed.roots) if one in named)
