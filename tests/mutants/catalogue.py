"""All changes, by what they are about."""

from tests.mutants import (
    agents,
    belonging,
    borders,
    condemned,
    contents,
    edges,
    effects,
    gates,
    gone,
    money,
    notices,
    operating,
    outside,
    policy,
    record,
    runs,
    signatures,
    taint,
)
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *money.MUTANTS,
    *effects.MUTANTS,
    *outside.MUTANTS,
    *gates.MUTANTS,
    *runs.MUTANTS,
    *agents.MUTANTS,
    *borders.MUTANTS,
    *belonging.MUTANTS,
    *condemned.MUTANTS,
    *contents.MUTANTS,
    *edges.MUTANTS,
    *gone.MUTANTS,
    *notices.MUTANTS,
    *operating.MUTANTS,
    *policy.MUTANTS,
    *record.MUTANTS,
    *signatures.MUTANTS,
    *taint.MUTANTS,
)
