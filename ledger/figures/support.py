"""How the cases of support desks ended, over all runs: how fast, by whom, and for how much. Only reads."""

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from ledger.figures.period import Period
from ledger.figures.samples import Sample
from ledger.tables import run, support_case


@dataclass
class Support:
    """Figures of one category at one desk, of cases that ended in the period.

    `first_reply` and `end` are microseconds from a case's opening, the first of those that have an answer. `alone` is how many
    were finished and no person had to act, `endings` how many there are of each, `spent` micro-dollars of all of them.
    """

    tickets: int = 0
    alone: int = 0
    spent: int = 0
    first_reply: Sample = field(default_factory=Sample)
    end: Sample = field(default_factory=Sample)
    endings: Counter[str] = field(default_factory=Counter)

    @property
    def alone_per_mille(self) -> int:
        """The share that was finished without a person, in thousandths."""
        return self.alone * 1000 // self.tickets if self.tickets else 0

    @property
    def per_ticket(self) -> int:
        """Micro-dollars for each ticket, rounded up."""
        return -(-self.spent // self.tickets) if self.tickets else 0


def support(connection: Connection, period: Period, project: str | None = None) -> dict[tuple[str, str], Support]:
    """Figures by desk and category, sorted. A case without a category is among `other`, as in a run's report."""
    found: dict[tuple[str, str], Support] = {}
    case = support_case.c
    query = select(
        case.desk, case.category, case.ending, case.by_person, case.usd_micros, case.opened, case.replied, case.ended
    )
    query = query.where(case.ended >= period.since_us, case.ended < period.until_us)
    if project is not None:
        query = query.join(run, run.c.trace == case.trace).where(run.c.project == project)
    for row in connection.execute(query):
        one = found.setdefault((row.desk, row.category or "other"), Support())
        one.tickets += 1
        one.spent += int(row.usd_micros)
        one.alone += not row.by_person and row.ending != "could_not"
        one.endings[row.ending] += 1
        one.end.add(max(0, int(row.ended) - int(row.opened)))
        if row.replied:
            one.first_reply.add(max(0, int(row.replied) - int(row.opened)))
    return dict(sorted(found.items()))
