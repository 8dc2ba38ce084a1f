"""All changes, by what they are about."""

from tests.mutants import (
    agents,
    belonging,
    borders,
    contents,
    edges,
    effects,
    gates,
    gone,
    money,
    operating,
    outside,
    policy,
    record,
    reviews,
    runs,
    signatures,
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
    *contents.MUTANTS,
    *edges.MUTANTS,
    *gone.MUTANTS,
    *operating.MUTANTS,
    *policy.MUTANTS,
    *record.MUTANTS,
    *reviews.MUTANTS,
    *signatures.MUTANTS,
)
