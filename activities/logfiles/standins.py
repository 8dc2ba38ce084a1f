"""What stands in for the agents of a diagnosis when no model is available: what the logs show, put into words by code. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from activities.logfiles.causes import Cause, addresses, cause_of
from contracts.diagnosis_checks import MUTUAL
from contracts.diagnosis_parts import (
    CheckedDiagnosis,
    Contradiction,
    Diagnosis,
    Investigation,
    LogClaim,
    ProposedChange,
    Ruling,
    ServiceTask,
    Sign,
    Weighed,
    WeighTask,
)
from contracts.text import amount, one_line

CLAIMS = 5

_SEVERE = ("error", "fatal")


def same_for_all() -> Investigation:
    """Every service is looked at in the same way."""
    return Investigation(summary="No model planned this: each service's logs are read for errors.", looks=())


def by_signs(task: ServiceTask) -> Diagnosis:
    """A diagnosis by the clusters of a service's errors, the most telling of which is taken for the cause."""
    signs = task.signs
    told = [(sign, cause_of(f"{sign.example.quote}\n{sign.template}")) for sign in signs.signs]
    told = [(sign, cause) for sign, cause in told if sign.level in _SEVERE or cause.meaning != "other"]
    left = (
        "the code; only a model reads it",
        *(() if not signs.left_out else (f"{amount(signs.left_out, 'further cluster')}",)),
    )
    if not told:
        return _nothing(task, left)
    sign, cause = told[0]
    blames = _blamed(task, sign, cause)
    away = cause.meaning == "away"
    fault = "here" if not away else "elsewhere" if blames else "unknown"
    return Diagnosis(
        fault=fault,
        blames=blames if away else "",
        cause=_put(task, sign, cause, blames)[:2000],
        claims=tuple(_claim(task, one, what) for one, what in told[:CLAIMS]),
        changes=_changes(task, sign, cause),
        confidence=_sure(cause, blames),
        not_looked_at=left,
    )


def _nothing(task: ServiceTask, left: tuple[str, ...]) -> Diagnosis:
    records = task.signs.records
    said = f"none of {amount(records, 'record')} is an error" if records else "there is no record in this time"
    return Diagnosis(
        fault="none" if records else "unknown",
        blames="",
        cause=f"No model read this log: {said}.",
        claims=(),
        changes=(),
        confidence=600 if records else 300,
        not_looked_at=left,
    )


def _blamed(task: ServiceTask, sign: Sign, cause: Cause) -> str:
    """Which service a refused or lost connection went to: by its address, by its name, or the only one that is called."""
    if cause.meaning != "away":
        return ""
    text = sign.example.quote
    named = [one for one in addresses(text) if one != task.address]
    for one in task.others:
        if one.address and one.address in named:
            return one.name
    for one in task.others:
        if re.search(rf"(?<![\w-]){re.escape(one.name)}(?![\w-])", text, re.IGNORECASE):
            return one.name
    called = [one.name for one in task.others if one.depended_on]
    return named[-1] if named else called[0] if len(called) == 1 else ""


def _put(task: ServiceTask, sign: Sign, cause: Cause, blames: str) -> str:
    when = f", first at {sign.first:%Y-%m-%d %H:%M:%S} UTC" if sign.first else ""
    times = f"{amount(sign.count, 'time')}{when}"
    rate = ""
    if task.signs.changed_at is not None:
        before, after = task.signs.before / 10, task.signs.after / 10
        rate = f" Errors went from {before:g} % to {after:g} % of the records at {task.signs.changed_at:%H:%M:%S}."
    what = {
        "used_up": f"It runs out of {cause.name}",
        "setting": f"A setting is wrong: {cause.name}" if cause.name else "A setting, or a right that it needs, is wrong",
        "away": f"What it calls does not answer: {blames}" if blames else "Something that it calls does not answer",
        "other": "It fails by itself",
    }[cause.meaning]
    return f"{what} ({times}): {one_line(sign.example.quote, 300)}{rate}"


def _claim(task: ServiceTask, sign: Sign, cause: Cause) -> LogClaim:
    subject = {"used_up": cause.name, "setting": cause.name, "away": cause.name, "other": ""}[cause.meaning]
    attribute = {"used_up": "used up", "setting": "wrong setting", "away": "does not answer", "other": "error"}[cause.meaning]
    # With its own name: two services with errors of the same kind do not contradict each other.
    return LogClaim(
        subject=f"{task.service}{f' {subject}' if subject else ''}"[:200],
        attribute=attribute,
        value=f"{amount(sign.count, 'time')}: {one_line(sign.template, 500)}",
        quotes=(sign.example,),
    )


def _changes(task: ServiceTask, sign: Sign, cause: Cause) -> tuple[ProposedChange, ...]:
    if cause.meaning == "used_up":
        why = f"It gives {cause.name} back for a while; the code that keeps them has to be found, or it comes again."
        return (ProposedChange(kind="service", name=task.service, value="", file="", what=f"Start it anew. {why}"),)
    if cause.meaning == "setting" and cause.name:
        configs = [file.name for file in task.files if file.kind == "config"]
        what = f"Correct it: {one_line(sign.example.quote, 300)}"
        file = configs[0] if len(configs) == 1 else ""
        return (ProposedChange(kind="setting", name=cause.name, value="", file=file, what=what),)
    return ()


def _sure(cause: Cause, blames: str) -> int:
    if cause.meaning == "away":
        return 700 if blames else 400
    return {"used_up": 800, "setting": 700 if cause.name else 500, "other": 400}[cause.meaning]


def by_order(task: WeighTask, diagnoses: Sequence[CheckedDiagnosis]) -> Weighed:
    """Who is at fault by what each says: a service that blames another is affected by it, unless both blame each other."""
    by_name = {one.service: one for one in diagnoses}
    mutual = {name for one in task.contradictions if one.on == MUTUAL for name in one.services}
    roots = list(dict.fromkeys(root for one in diagnoses if (root := _root(one, by_name, mutual))))
    rulings = [_ruling(one, by_name) for one in task.contradictions]
    undecided = [
        f"{one.id}: {one.on}: {' / '.join(one.sides)}"[:600]
        for one in task.contradictions
        if one.about == "value" or one.on == MUTUAL
    ]
    colliding = {fix: one for one in task.conflicts for fix in one.fixes}
    wanted = [fix.id for fix in task.fixes if fix.service in roots and fix.id not in colliding]
    for conflict in task.conflicts:
        rulings.append(Ruling(id=conflict.id, holds="", why="No model weighed them, and code does not choose between changes."))
        undecided.append(f"{conflict.id}: {conflict.on}: {' / '.join(conflict.sides)}"[:600])
    return Weighed(
        summary=_summary(task, diagnoses, roots)[:2000],
        roots=tuple(roots[:20]),
        rulings=tuple(rulings[:40]),
        fixes=tuple(wanted[:40]),
        open=tuple(undecided[:20]),
    )


def _root(one: CheckedDiagnosis, by_name: Mapping[str, CheckedDiagnosis], mutual: set[str]) -> str:
    found = one.diagnosis
    if found.fault == "here":
        return one.service
    if found.fault != "elsewhere" or one.service in mutual:
        return ""
    other = by_name.get(found.blames)
    # One that was never diagnosed, or that is none of these services, can only be named.
    if other is None or other.diagnosis.fault in ("none", "unknown"):
        return found.blames
    return ""


def _ruling(one: Contradiction, by_name: Mapping[str, CheckedDiagnosis]) -> Ruling:
    if one.about == "blame" and one.on != MUTUAL:
        accuser, accused = one.services
        if by_name[accuser].diagnosis.fault == "none":
            accuser, accused = accused, accuser
        ends = _last(by_name[accused])
        began = by_name[accuser].signs.first_at
        if ends is not None and began is not None and ends <= began + timedelta(seconds=1):
            return Ruling(
                id=one.id,
                holds=accuser,
                why=f"{accused} wrote its last line at {ends:%H:%M:%S}, before {accuser}'s first error",
            )
    return Ruling(id=one.id, holds="", why="No model weighed it; both sides are shown.")


def _last(one: CheckedDiagnosis) -> datetime | None:
    return max((file.ends for file in one.files if file.ends is not None), default=None)


def _summary(task: WeighTask, diagnoses: Sequence[CheckedDiagnosis], roots: Sequence[str]) -> str:
    affected = [one.service for one in diagnoses if one.diagnosis.fault == "elsewhere" and one.service not in roots]
    healthy = [one.service for one in diagnoses if one.diagnosis.fault == "none" and one.service not in roots]
    parts = ["No model weighed this: errors were clustered by code."]
    parts.append(f"The cause lies in {', '.join(roots)}." if roots else "No cause stands out.")
    parts += [f"Affected: {', '.join(affected)}."] if affected else []
    parts += [f"Nothing wrong was seen in {', '.join(healthy)}."] if healthy else []
    parts += [f"First error: {task.first_signs[0]}."] if task.first_signs else []
    return " ".join(parts)
