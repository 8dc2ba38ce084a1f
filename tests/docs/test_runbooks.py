"""No alert and no gate is without a runbook, and each runbook says what its reader needs, with commands that there are."""

import re

import pytest

from commands.look import runbook
from contracts.gates import VERBS
from contracts.notices import KINDS
from contracts.runbooks import ALERTS, alert_of, marked, of_alert, of_gate, of_line, runbooks
from tests.docs.alerts import Written, alerts_in, written
from tests.docs.pages import ROOT, anchors
from tests.docs.spoken import wrong

PAGE = ROOT / "docs" / "runbooks.md"
PARTS = ("**You see**", "**It means**", "**Do now:**", "**If you do nothing**", "**Call an engineer**")


def problems(text: str) -> list[str]:
    """What is wrong with a page of runbooks: one that is missing or unknown, a part that is not there, a wrong command."""
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    found = [f"no runbook: {one}" for one in runbooks().values() if one not in headings]
    found += [f"of no alert or gate: {one}" for one in headings if one not in runbooks().values()]
    found += [f"twice: {one}" for one in set(headings) if headings.count(one) > 1]
    for heading, section in zip(headings, re.split(r"^### .+$", text, flags=re.MULTILINE)[1:], strict=True):
        found += [f"{heading}: {one}" for one in _problems(section)]
    return found


def _problems(section: str) -> list[str]:
    order = re.findall(r"^\*\*[^*]+\*\*", section, re.MULTILINE)
    found = [] if tuple(order) == PARTS else [f"its parts are {order}"]
    commands = re.findall(
        r"^(baton [^\n]+)$", "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)), re.MULTILINE
    )
    found += [] if commands else ["no command"]
    return found + [why for line in commands if (why := wrong(line))]


def test_every_alert_and_gate_has_a_runbook_that_says_all() -> None:
    """One for each, none for anything else, each in the same five parts, and each command takes what it is given."""
    assert problems(PAGE.read_text()) == []
    assert {of_gate(kind) for kind in VERBS} | {of_alert(kind) for kind in ALERTS} == set(runbooks()) <= anchors(PAGE)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("### Gate: stuck\n", "### Gate: lost\n", "no runbook: Gate: stuck"),
        ("### Gate: stuck\n", "### Gate: lost\n", "of no alert or gate: Gate: lost"),
        ("### Alert: disk full\n", "### Gate: stuck\n", "twice: Gate: stuck"),
        ("**If you do nothing** new runs", "New runs", "Alert: no room: its parts are"),
        ("baton models close NAME -m", "baton models shut NAME -m", "Alert: breaker open: models has no option -m"),
        ("baton happened RUN GATE -m", "baton happened RUN GATE --why", "Gate: unknown: happened has no option --why"),
    ],
)
def test_a_page_that_lacks_something_is_found(old: str, new: str, why: str) -> None:
    """The rule above can fail, in each of these ways."""
    text = PAGE.read_text()
    assert text.count(old) == 1, f"{PAGE.name} does not say {old!r} once: break it elsewhere"
    assert [one for one in problems(text.replace(old, new)) if one.startswith(why)] != []


def test_every_alert_that_the_code_writes_has_a_kind() -> None:
    """By the key of its line, or by the name that workflow code gives it; and there is no kind that nobody writes."""
    there = written()
    assert [one.problem for one in there if one.problem] == []
    shown = re.findall(r'(?:of_alert\(|, )"([a-z_]+)"\)', (ROOT / "commands" / "look" / "status.py").read_text())
    keys = {alert_of(one.key) for one in there if one.key} | {"breaker_open", "action_unknown"}
    assert keys | {one.kind for one in there if one.kind} | {*shown, "other_alert"} >= set(ALERTS)


@pytest.mark.parametrize(
    "line",
    [
        'Note(key=f"flood/{id}", importance="alert")',
        'Note(key=name, importance="alert" if wet else "overview")',
        'kit.note("it floods", importance="alert")',
        'kit.note("it floods", alert="flood")',
        'kit.note("it floods", alert="breaker_open")',
        'importance = "alert"',
    ],
)
def test_an_alert_without_a_kind_is_found(line: str) -> None:
    """The rule above can fail: each of these lines would have no runbook."""
    assert [one for one in alerts_in("workflows/flood.py", line) if one.problem] != []
    assert not Written("here", key="breaker/model:a/1").problem


def test_keys_of_other_lines_with_the_same_beginning_are_told_apart() -> None:
    """The first that fits counts, lines that are no alerts have no runbook, and what is not known has one as well."""
    for key, kind in (
        ("condemned/1a2b/undone", "condemnation_undone"),
        ("condemned/1a2b", "condemned"),
        ("action/k/given-up/1/5/unknown", "action_unknown"),
        ("action/k/given-up/1/5/dead", "action_dead"),
        ("action/k/given-up/1/5", "action_dead"),
        ("t/gate/plan-1/2/0f/False", "decision_refused"),
        (marked("t/p/test/1/0f", "tester_doubts"), "tester_doubts"),
        (marked("t/p/test/1/0f", None), "other_alert"),
        ("t/p/plan/1/0f/alert/nothing", "other_alert"),
    ):
        assert alert_of(key) == kind
        assert of_line(key, "alert") == of_alert(kind)  # type: ignore[arg-type]  # a kind that is none fails above
        assert of_line(key, "overview") == ""


def test_every_kind_of_notice_about_one_thing_names_its_runbook() -> None:
    """A message says how to go about what it tells of."""
    from activities.notices.wording import _runbook

    class Row:
        what = "note, unknown"
        about = "write.1-fix.stuck-2"

        def __init__(self, kind: str) -> None:
            self.kind = kind

    for name, kind in KINDS.items():
        assert _runbook(Row(name), kind) in runbooks(), name  # type: ignore[arg-type]  # what it reads of a row


def test_a_runbook_is_read_from_the_page_that_is_installed() -> None:
    """Its parts in their order: text without marks for tests, and the commands of a block."""
    found = runbook.find("gate-stuck")
    assert [part.text for part in found.parts if part.kind == "commands"][:2] == [
        "baton show RUN --gate GATE",
        'baton request-changes RUN GATE -m "what it should do instead"',
    ]
    assert not [part for part in found.parts if "<!--" in part.text or "```" in part.text]
    project = (ROOT / "pyproject.toml").read_text()
    assert '"docs/runbooks.md"' in project, "the wheel has the page"
    assert "COPY docs/runbooks.md" in (ROOT / "Dockerfile").read_text()
    for one in runbooks():
        assert runbook.find(one).parts
