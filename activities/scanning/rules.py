"""Which rules of ruff and bandit are asked, and how bad what they find is. Pure.

A rule that mostly tells taste is not asked: a finding has to say what goes wrong. A code stands for all that begin with it; the
longest that fits counts.
"""

from collections.abc import Mapping

from contracts.findings import Severity

Weight = tuple[Severity, int]
"""How bad, and how sure in thousandths."""

BUGS: Mapping[str, Weight] = {
    "F402": ("medium", 600),
    "F404": ("high", 900),
    "F407": ("high", 900),
    "F401": ("low", 900),
    "F5": ("high", 900),
    "F541": ("low", 900),
    "F60": ("medium", 800),
    "F62": ("high", 900),
    "F63": ("high", 900),
    "F70": ("high", 950),
    "F811": ("medium", 600),
    "F821": ("high", 800),
    "F822": ("medium", 700),
    "F823": ("high", 800),
    "F841": ("low", 800),
    "F901": ("medium", 900),
    "PLE": ("high", 800),
    "PLE25": ("medium", 800),
    "PLE0604": ("medium", 700),
    "PLE0605": ("medium", 700),
    "PLE0704": ("medium", 700),
    "PLR0124": ("medium", 800),
    "PLW0127": ("medium", 800),
    "PLW0128": ("medium", 700),
    "PLW0129": ("medium", 900),
    "PLW0133": ("high", 900),
    "PLW0177": ("high", 900),
    "PLW0245": ("high", 900),
    "PLW0711": ("high", 900),
    "PLW1501": ("high", 900),
    "PLW1507": ("medium", 800),
    "PLW2101": ("high", 900),
    "B002": ("medium", 800),
    "B003": ("medium", 800),
    "B004": ("low", 700),
    "B005": ("medium", 700),
    "B006": ("medium", 800),
    "B012": ("medium", 800),
    "B014": ("low", 800),
    "B015": ("medium", 800),
    "B016": ("high", 900),
    "B017": ("low", 700),
    "B018": ("low", 600),
    "B019": ("low", 600),
    "B020": ("medium", 800),
    "B023": ("medium", 700),
    "B025": ("medium", 900),
    "B026": ("low", 600),
    "B029": ("medium", 900),
    "B030": ("high", 800),
    "B031": ("medium", 700),
    "B032": ("medium", 800),
    "B033": ("low", 800),
    "B034": ("low", 600),
    "B035": ("medium", 900),
    "B039": ("medium", 800),
    "RUF006": ("medium", 700),
    "RUF008": ("medium", 900),
    "RUF016": ("high", 900),
    "RUF018": ("low", 700),
    "RUF024": ("medium", 800),
    "RUF032": ("low", 700),
    "RUF048": ("low", 600),
    "ASYNC100": ("medium", 700),
    "ASYNC105": ("high", 800),
    "ASYNC21": ("medium", 700),
    "ASYNC22": ("medium", 700),
    "ASYNC25": ("medium", 800),
    "YTT": ("medium", 800),
    "LOG004": ("low", 700),
    "LOG014": ("low", 700),
    "T100": ("medium", 900),
    "DJ003": ("medium", 700),
    "DJ007": ("medium", 700),
    "G101": ("high", 800),
    "E722": ("low", 700),
    "C901": ("low", 500),
    "S110": ("low", 600),
    "S112": ("low", 600),
}

HOLES: Mapping[str, Weight] = {
    "S": ("medium", 500),
    "S102": ("medium", 700),
    "S104": ("medium", 500),
    "S105": ("low", 400),
    "S106": ("low", 400),
    "S107": ("low", 400),
    "S108": ("medium", 500),
    "S202": ("high", 700),
    "S301": ("medium", 600),
    "S307": ("medium", 700),
    "S311": ("low", 300),
    "S324": ("high", 700),
    "S501": ("high", 800),
    "S506": ("medium", 800),
    "S507": ("high", 800),
    "S602": ("high", 700),
    "S605": ("high", 600),
    "S608": ("medium", 500),
    "S701": ("high", 800),
    "RUF064": ("medium", 700),
    "RUF071": ("medium", 700),
}

NOT_ASKED = frozenset({"101", "110", "112", "403", "404", "405", "406", "407", "408", "409", "410", "411", "603", "606", "607"})
"""Numbers of security rules that both tools have and that fire on ordinary code: an assertion, an import, a program that is
started. 110 and 112 are among the bugs."""

CAUSED = ("F401", "F402", "F811", "F821", "F822", "F823", "F841", "C901")
"""Rules that a change can break on a line that it does not touch, such as by removing the definition of a name."""

COMPLEX = 15
"""Branches of one function above which it is told."""


def weight_of(rule: str, table: Mapping[str, Weight]) -> Weight | None:
    """How bad a rule's finding is by this table; None if it is not asked."""
    for length in range(len(rule), 0, -1):
        if (found := table.get(rule[:length])) is not None:
            return found
    return None


def is_hole(rule: str) -> bool:
    """True for a rule of the security reviewer's."""
    return weight_of(rule, BUGS) is None and weight_of(rule, HOLES) is not None
