"""What pages say that the code says, too: names in a table or a list of a page, and the same names in the code.

Each `Claim` has a change of its page that makes it untrue, so that the comparison itself is tested.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from activities.gates.policy import AgentFloor, Defaults, GateRule, Owners, Person, Policy, load_policy
from benchmarks.__main__ import ABOUT
from commands.errors import Code
from commands.look.spend import Group
from config import HOME
from contracts.actions import ActionPolicy, ActionState, Rate, Tier
from contracts.agents import Effort
from contracts.check_limits import CheckLimits
from contracts.console import ConsoleAccess
from contracts.delivery.sizing import Need
from contracts.delivery.testing import Verdict
from contracts.detection import Standing
from contracts.findings import SEVERITIES
from contracts.gates import OFFERED, VERBS
from contracts.growth import Follows
from contracts.handoff import Outcome
from contracts.outside import SourceKind
from contracts.rules import Condition, Rule
from contracts.runs import Importance, RunState
from ledger.figures.charges import PARTS
from search_attributes import SEARCH_ATTRIBUTES
from tests.docs.pages import ROOT
from tests.stack import git


@dataclass(frozen=True)
class Claim:
    """`said` reads names from the text of `page`, `true` from the code. `broken`: a text of the page, and an untrue one."""

    about: str
    page: str
    said: Callable[[str], Iterable[str]]
    true: Callable[[], Iterable[str]]
    broken: tuple[str, str]

    def difference(self, text: str) -> list[str]:
        """What the page says and the code does not, and the other way round; empty where they agree."""
        said, true = set(self.said(text)), set(self.true())
        assert true, f"the code names nothing for: {self.about}"
        added = [f"{self.page} says {one!r}, and the code does not" for one in sorted(said - true)]
        return added + [f"{self.page} does not say {one!r}, and the code does" for one in sorted(true - said)]


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a page: rows of cells, the head first."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[_cells(line) for number, line in enumerate(one.splitlines()) if number != 1] for one in found]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def words(text: str) -> list[str]:
    """What stands in code letters."""
    return re.findall(r"`([^`]+)`", text)


def column(head: str, number: int = 0) -> Callable[[str], list[str]]:
    """The names in one column of the table whose head begins so."""
    return lambda text: [name for row in _table(text, head) for name in words(row[number])]


def row(first: str, number: int = 1) -> Callable[[str], list[str]]:
    """The names in one cell of the row that begins so, wherever its table is."""
    return lambda text: [name for one in _rows(text) if one[0] == first for name in words(one[number])]


def between(before: str, after: str) -> Callable[[str], list[str]]:
    """The names between two texts of a page, wherever its lines break."""

    def said(text: str) -> list[str]:
        found = re.search(f"{re.escape(before)}(.*?){re.escape(after)}", " ".join(text.split()))
        return words(found[1]) if found else []

    return said


def _table(text: str, head: str) -> list[list[str]]:
    return [one for table in tables(text) if table[0][0] == head for one in table[1:]]


def _rows(text: str) -> list[list[str]]:
    return [one for table in tables(text) for one in table[1:]]


def _of(literal: Any) -> Callable[[], list[str]]:
    return lambda: list(get_args(literal))


def _verbs_of_gates(text: str) -> list[str]:
    return [f"{words(one[0])[0]}: {one[2]}" for one in _table(text, "kind")]


def _gates() -> list[str]:
    return [f"{kind}: {', '.join(VERBS[kind])}" for kind in load_policy(HOME / "policy.toml").gates]


def _codes(text: str) -> list[str]:
    """The table of exit codes has two pairs of columns."""
    pairs = [(one[at], one[at + 1]) for one in _table(text, "code") for at in (0, 2)]
    return [code for code, meaning in pairs if meaning]


def _checks(text: str) -> list[str]:
    return [f"{name} = {one[1]}" for one in _table(text, "key") for name in words(one[0]) if one[1] != "default"]


def _limits() -> list[str]:
    return [f"{name} = {value}" for name, value in CheckLimits().model_dump(mode="json").items()]


def _growth(text: str) -> list[str]:
    return [one for one in between("what else happens: ", "An agent with")(text) if one != "stuck"]  # which is a gate


def _parts(text: str) -> list[str]:
    return [one[0].replace(" ", "_") for one in _table(text, "part")]


def _policy() -> list[str]:
    """The keys of policy.toml, with the table that each is in."""
    inner = (
        *(("defaults", Defaults), ("people.NAME", Person), ("owners", Owners), ("console", ConsoleAccess)),
        ("gates.KIND", GateRule),
        *(('actions."TYPE"', ActionPolicy), ('actions."TYPE".rate', Rate), ("agents.NAME", AgentFloor)),
        *(("rules", Rule), ("rules.when", Condition)),
    )
    tables = {"digest", "pipelines", *(table.partition(".")[0] for table, _ in inner)}
    whole = [name for name in Policy.model_fields if name not in tables]
    names = [f"{table}.{field.alias or name}" for table, model in inner for name, field in model.model_fields.items()]
    return [*whole, "pipelines.NAME.gates.KIND", *names]


def _folders(text: str) -> list[str]:
    named = [name for one in _table(text, "folder or file") for name in re.findall(r"\[([\w./-]+)\]", one[0])]
    return sorted({name.rstrip("/").partition("/")[0] for name in named})


LOCKS = {f"requirements{which}.lock" for which in ("", "-dev", "-bedrock", "-vertex")}
LEFT_OUT = {*LOCKS, "pyproject.toml", "Makefile", "Dockerfile", "docs"}
"""In the top folder, and of no use to somebody who finds their way: what tools want there, and the pages themselves."""


def _in_the_top_folder() -> list[str]:
    """What git has there: pages and hidden files apart."""
    there = {name.partition("/")[0] for name in git(ROOT, "ls-files").splitlines()}
    return [name for name in there if not name.startswith(".") and not name.endswith(".md") and name not in LEFT_OUT]


def _benches(text: str) -> list[str]:
    return [name.removeprefix("make bench NAME=") for name in between("lists them; ", " runs one")(text)]


def _targets(text: str) -> list[str]:
    return re.findall(r"^make ([a-z-]+) ", text, re.MULTILINE)


def _phony() -> list[str]:
    return re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


GLOSSARY, OPERATING = "docs/glossary.md", "docs/operating.md"

CLAIMS = (
    Claim("states of a run", GLOSSARY, row("run state"), _of(RunState), ("`parked` (", "`stopped` (")),
    Claim("verbs", GLOSSARY, row("decision, verb"), lambda: OFFERED, (", `raise_ceiling`", "")),
    Claim("outcomes", GLOSSARY, row("outcome"), _of(Outcome), ("`unsure`", "`doubtful`")),
    Claim("verdicts", GLOSSARY, row("verdict"), _of(Verdict), (" or `not_proven`", "")),
    Claim("tiers", GLOSSARY, row("tier"), _of(Tier), ("`draft` (", "`drafted` (")),
    Claim("states of an action", GLOSSARY, row("action state"), _of(ActionState), ("`dead`", "`given_up`")),
    Claim("efforts", GLOSSARY, row("effort, router"), _of(Effort), ("`full`:", "`whole`:")),
    Claim("sources", GLOSSARY, row("source"), lambda: [*get_args(SourceKind), "tool:NAME"], ("`web`, ", "")),
    Claim("importance", GLOSSARY, row("importance"), _of(Importance), ("`alert`", "`alarm`")),
    Claim("gates and their verbs", OPERATING, _verbs_of_gates, _gates, ("raise_ceiling, stop |", "raise_ceiling |")),
    Claim("exit codes", OPERATING, _codes, lambda: [str(int(code)) for code in Code], ("| 7 | no", "| 9 | no")),
    Claim("groups of spending", OPERATING, between("groups `--by` ", ". Spending"), _of(Group), (", `project`", "")),
    Claim("parts of spending", OPERATING, _parts, lambda: PARTS, ("| repaired |", "| mended |")),
    Claim(
        "search attributes",
        OPERATING,
        between("each run with search attributes (", ")"),
        lambda: [one.name for one in SEARCH_ATTRIBUTES],
        ("`NeedsHuman`, ", ""),
    ),
    Claim("sizes of a task", OPERATING, column("the router says"), _of(Need), ("| `impossible`", "| `hopeless`")),
    Claim("what follows growth", OPERATING, _growth, _of(Follows), ("; `off`,", ";")),
    Claim("severities", OPERATING, between("sorted by severity (", ")"), lambda: SEVERITIES, ("`critical`, ", "")),
    Claim("limits of a check", "docs/checks.md", _checks, _limits, ("| PT30M |", "| PT20M |")),
    Claim("standing of a check", "docs/checks.md", column("order"), _of(Standing), ("| `presence`", "| `guessed`")),
    Claim("what a verdict means", "docs/checks.md", column("verdict"), _of(Verdict), ("| `not_run`", "| `none`")),
    Claim("the policy's keys", "docs/people.md", column("key in policy.toml"), _policy, ("`gates.KIND.most_usd`", "`most`")),
    Claim("what is where", "README.md", _folders, _in_the_top_folder, ("| [agents/](agents) ", "| agents ")),
    Claim("targets", "CONTRIBUTING.md", _targets, _phony, ("make mutants ", "make mutant ")),
    Claim("benchmarks", "benchmarks/README.md", _benches, lambda: ABOUT, ("`parked`, ", "")),
)
"""Every comparison. A new closed list of names that a page repeats gets a line here."""
