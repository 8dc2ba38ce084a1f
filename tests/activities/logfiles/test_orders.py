"""A log that gives orders, of every kind: code finds the same cause, the same lines and the same fix as without them."""

from datetime import UTC, datetime

from activities.logfiles.records import records
from activities.logfiles.signs import Looking
from activities.logfiles.sources import printable
from activities.logfiles.standins import by_signs
from contracts.diagnosis_parts import CopiedFile, Diagnosis, ServiceTask, Signs
from contracts.text import visible
from tests.hostile import orders

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ERRORS = [
    f"2026-11-30 08:00:{second:02},000 ERROR setting currency_decimals: invalid value 'two', it must be a number"
    for second in range(5)
]


def _signs(*lines: str) -> Signs:
    looking = Looking()
    looking.take(records([printable(line.encode()) for line in lines], NOW, 1, "pay.log"))
    return looking.seen()


def _diagnosed(signs: Signs) -> Diagnosis:
    config = CopiedFile(name="pay.ini", kind="config", artifact="0" * 64, first_line=1, lines=3)
    return by_signs(ServiceTask(service="pay", question="", files=(config,), signs=signs))


def test_orders_change_nothing_that_code_finds() -> None:
    """One at a time on a line of its own and in the lines after one, as in a stack trace; and all of them together."""
    clean = _diagnosed(_signs(*ERRORS))
    assert (clean.fault, [(one.kind, one.name, one.file) for one in clean.changes]) == (
        "here",
        [("setting", "currency_decimals", "pay.ini")],
    )
    informing = [f"2026-11-30 07:59:59,000 INFO asked: {line}" for line in orders.lines()]
    split = ["2026-11-30 07:59:59,500 INFO asked:", *(part for parts in orders.SPLIT.values() for part in parts)]
    for told in (informing, split, [*informing, *split]):
        found = _diagnosed(_signs(*told, *ERRORS))
        assert (found.fault, found.blames) == (clean.fault, clean.blames)
        assert [(one.kind, one.name, one.file, one.value) for one in found.changes] == [
            (one.kind, one.name, one.file, one.value) for one in clean.changes
        ]
        assert [one.quotes[0].quote for one in found.claims] == [one.quotes[0].quote for one in clean.claims]


def test_whatever_is_hidden_is_seen_as_its_code() -> None:
    """No order reaches a person or a model in characters that do not show, or that move a cursor."""
    for kind, text in orders.texts().items():
        for line in text.split("\n"):
            shown = printable(line.encode())
            assert shown == visible(shown), kind
            assert not any(sign in shown for sign in "\x1b\x07\x9b\u200b\u202e\U000e0073"), kind
