"""Figures: what is kept of runs is what their rows say, whoever changes them and whenever."""

from tests.mutants.mutant import Mutant

FOLDING = "tests/ledger/test_folding.py"
CHANGED = f"{FOLDING}::test_a_family_that_is_being_changed_is_not_kept"

MUTANTS = (
    Mutant(
        name="settled-unnoticed",
        promise="A call that is settled after its run's figures were kept is in what is told.",
        file="ledger/migrations/figures_triggers.py",
        old='"reservation": "id trace call_key path project agent model error state amount settled at",',
        new='"reservation": "id trace",',
        tests=(CHANGED,),
    ),
    Mutant(
        name="kept-while-it-changes",
        promise="No figures are kept while another transaction changes what they are made of.",
        file="ledger/folding.py",
        old='if connection.dialect.name != "postgresql":',
        new="if connection.dialect.name:",
        tests=(CHANGED,),
    ),
    Mutant(
        name="a-part-told-as-whole",
        promise="Of a run that a period has only a part of, that part counts.",
        file="ledger/figures/kept.py",
        old="return last >= period.since_us, last < period.until_us, kept_figures.c.first_at >= period.since_us",
        new="return last >= period.since_us, last < period.until_us",
        tests=(f"{FOLDING}::test_of_a_run_that_a_period_cuts_its_part_counts",),
    ),
    Mutant(
        name="nothing-kept-is-wrong",
        promise="Figures that are kept and differ from the rows are found.",
        file="ledger/folding.py",
        old="return _plain(one) == _plain(other)",
        new="return True",
        tests=(f"{FOLDING}::test_what_is_wrong_is_found_and_mended",),
    ),
)
