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
    loads,
    money,
    operating,
    outside,
    policy,
    record,
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
    *loads.MUTANTS,
    *operating.MUTANTS,
    *policy.MUTANTS,
    *record.MUTANTS,
    *signatures.MUTANTS,
)
