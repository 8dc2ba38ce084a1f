"""Which arguments decide something, and when a text vouches for a value."""

from typing import Any

import pytest

from contracts.sinks import occurs, plain, sinks_of, vouches

ROWS: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        "http.post",
        {"target": "t", "event": "e", "body": '{"refundAmount": 7, "note": "hi", "who": "x@y.z", "approved_by": "eve"}'},
        [
            ("target", "target", "t"),
            ("body.refundAmount", "amount", "7"),
            ("body.who", "recipient", "x@y.z"),
            ("body.approved_by", "approver", "eve"),
        ],
    ),
    ("http.post", {"body": "plain words, see http://a.b/c."}, [("body", "URL", "http://a.b/c")]),
    ("command.run", {"values": {"anything": "x"}}, [("values.anything", "command", "x")]),
    ("sql.execute", {"values": {"cents": 0, "comment": "long words", "paid": True}}, [("values.cents", "amount", "0")]),
    ("git.comment", {"text": "www.attacker.test/a"}, [("text", "URL", "www.attacker.test/a")]),
    ("note", {"text": "www.attacker.test/a"}, []),
    ("shop.buy", {"size": "xl"}, [("size", "target", "xl")]),
]


@pytest.mark.parametrize(("adapter", "arguments", "found"), ROWS)
def test_sinks_are_found_by_field_by_name_and_by_form(
    adapter: str, arguments: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    """Of an adapter that is not known every argument is one: nobody has said what it decides."""
    assert [(one.name, one.role, one.value) for one in sinks_of(adapter, arguments)] == found


@pytest.mark.parametrize(
    ("text", "value", "whole"),
    [
        ("write to a@b.co, please", "a@b.co", True),
        ("write to a@b.co.", "a@b.co", True),
        ("to:a@b.co", "a@b.co", True),
        ("a@b.co.uk", "a@b.co", False),
        ("xa@b.co", "a@b.co", False),
        ("not-evil.test", "evil.test", False),
        ("evil.test/path", "evil.test", False),
        ("pay 500", "50", False),
        ("pay 50,00", "50", False),
        ("pay 50, then", "50", True),
        ("1.50", "50", False),
        ("a b", "a  b", True),
        ("Straße", "STRASSE", True),
        ("e\u200bvil", "evil", True),
        ("anything", "", False),
    ],
)
def test_only_a_whole_value_vouches(text: str, value: str, whole: bool) -> None:
    """A part of a longer name, address or number is another one; capitals, blanks and invisible characters are none."""
    assert vouches(plain(text), plain(value)) is whole


def test_from_outside_a_part_is_enough() -> None:
    """The doubt goes the other way there, but for a value so short that it stands everywhere."""
    assert occurs("mail-eve@attacker.test.txt", "eve@attacker.test")
    assert not occurs("1500", "50")
