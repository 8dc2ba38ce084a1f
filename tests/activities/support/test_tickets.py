"""Tickets out of files, what of them cannot be read, and articles that are found by their words."""

import io
from pathlib import Path

import pytest

from activities.resources.knowledge import Knowledge
from activities.support.desks import read_guide
from activities.support.tickets import LONGEST, Bad, of_lines, of_mailbox
from contracts.errors import Misconfigured
from ledger.db import Ledger
from tests.activities.support.desk import Bench
from tests.activities.support.places import Shop, ticket

MAILS = """From ann Mon Jan  5 10:00:00 2026
From: Ann <ANN@shop.test>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Message-ID: <1@shop.test>
Content-Type: text/plain; charset=utf-8

Hello
>From here on it is quoted.

From bob Mon Jan  5 11:00:00 2026
From: bob@shop.test
Message-ID: <2@shop.test>
In-Reply-To: <1@shop.test>
Auto-Submitted: auto-replied
Content-Type: text/html

<style>p {}</style><p>Out of <b>office</b></p>

From nobody Mon Jan  5 12:00:00 2026
Subject: no sender

Hello
"""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{not json}\n", "it is no JSON"),
        (b'["a"]\n', "the line: Input should be a valid dictionary"),
        (b'{"id": "1", "text": "x"}\n', "from: Field required"),
        (ticket("1", "ann", "x").encode(), "its sender is no mail address: 'ann'"),
        (ticket("1", "ann@shop.test\nBcc: eve@evil.test", "x").encode(), "its sender is no mail address"),
        (ticket("", "ann@shop.test", "x").encode(), "its id is empty"),
        (ticket("1", "ann@shop.test", " ").encode(), "neither a subject nor a text"),
        (ticket("1", "ann@shop.test", "x" * (LONGEST + 1)).encode(), f"its text has {LONGEST + 1} characters"),
        (b'{"id": 1' + b" " * 300_000 + b"}\n", "more than 262144 bytes"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_is_read(line: bytes, why: str) -> None:
    """Whatever is wrong with one ticket, the others are dealt with."""
    bad, good = of_lines(io.BytesIO(line + ticket(7, "Ann <ann@shop.test>", "hello", other=1).encode()))
    assert isinstance(bad, Bad)
    assert (bad.where, why in bad.why) == ("line 1", True), bad.why
    assert not isinstance(good, Bad)
    assert (good.id, good.customer, good.text) == ("7", "ann@shop.test", "hello")


def test_a_mailbox_is_read_as_mail_programs_write_it() -> None:
    """Names and words in their encodings, quoted lines, HTML as a person reads it, and what a program wrote is seen."""
    first, second, third = of_mailbox(io.BytesIO(MAILS.encode()))
    assert not isinstance(first, Bad)
    assert not isinstance(second, Bad)
    assert (first.customer, first.subject, first.automatic) == ("ann@shop.test", "Grüße", False)
    assert first.text == "Hello\nFrom here on it is quoted."
    assert (second.text, second.automatic, second.follows) == ("Out of office", True, "<1@shop.test>")
    assert isinstance(third, Bad)
    assert (third.where, third.why) == ("mail 3", "its sender is no mail address: ''")


def test_what_follows_comes_later_and_what_is_there_twice_counts_once(shop: Shop, ledger: Ledger) -> None:
    """A ticket that answers another of its page begins after that one; a second with its number is kept apart."""
    shop.file(
        ticket("A", "ann@shop.test", "x"),
        ticket("B", "ann@shop.test", "y", follows="A"),
        ticket("A", "ann@shop.test", "z"),
        ticket("C", "ann@shop.test", "y", follows="D"),
    )
    bench = Bench(shop, ledger)
    read = bench.read()
    assert [(one.name, one.after) for one in bench.page(read)] == [("1-a", ()), ("2-b", ("1-a",)), ("3-c", ())]
    assert [one.after for one in bench.page(read, 1, 1)] == [()]
    assert [(one.where, one.why[:30]) for one in read.bad] == [("A", "its id stands in the file more")]


def test_articles_are_found_by_their_words_and_again_after_a_change(tmp_path: Path) -> None:
    """The heading counts more; operators of the search are words; a link out of the folder is no article."""
    (tmp_path / "a.md").write_text("# Refunds\n\nPaid back within days.\n\n# Other\n\nNothing about refunds at all.\n")
    (tmp_path / "secret.txt").symlink_to("/etc/hostname")
    knowledge = Knowledge()
    found = knowledge.find(tmp_path, ["refund"], 5)
    assert [(one.path, one.title) for one in found] == [("a.md", "Refunds"), ("a.md", "Other")]
    assert knowledge.find(tmp_path, ['NEAR("', "AND OR *"], 5) == ()
    assert knowledge.find(tmp_path, [], 5) == ()
    (tmp_path / "b.md").write_text("# Sync\n\nSign in again.\n")
    assert [one.path for one in knowledge.find(tmp_path, ["sync"], 5)] == ["b.md"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('order = "["', "order: is no regular expression"),
        ('[categories]\nsales = ["x"]', "categories.sales"),
        ('[templates.a]\nabout = "x"', "templates.a.words: Field required"),
        ("words = 1", "words: Extra inputs are not permitted"),
        ("order", "cannot be read"),
    ],
)
def test_a_wrong_guide_is_refused_with_its_key(tmp_path: Path, text: str, says: str) -> None:
    """Before any ticket is read."""
    (tmp_path / "guide.toml").write_text(text)
    with pytest.raises(Misconfigured, match=says):
        read_guide(tmp_path / "guide.toml", "[desks.shop]: guide")
