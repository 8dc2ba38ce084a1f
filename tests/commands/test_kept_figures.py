"""`baton verify --figures`: what is kept of runs is compared with their rows, and made anew where it differs."""

import pytest
from sqlalchemy import update

from ledger.db import Ledger
from ledger.folding import changed, fold
from ledger.tables import kept_figures, kept_spending
from tests.commands.conftest import Baton
from tests.ledger.books import Book, key


def test_what_is_kept_wrongly_is_named_and_made_anew(baton: Baton, ledger: Ledger) -> None:
    """Right and changed runs are counted; a wrong one is named, and the exit code is 1 until it is made anew."""
    books = [Book(ledger) for _ in range(3)]
    for book in books:
        book.call(key(book.trace), 900, 300)
        book.end()
    ledger.tx_now(fold, ledger.read_now(changed))
    books[2].call(key(books[2].trace, "late"), 900, 100)
    ran = baton("verify", "--figures")
    assert ran.code == 0
    assert "the figures of 2 runs are as the rows have them" in ran.out
    assert "1 run changed since, and is read from the rows" in ran.out
    wrong = books[0].trace
    ledger.tx_now(
        lambda c: c.execute(update(kept_spending).where(kept_spending.c.trace == wrong).values(spent=301, useful=301))
    )
    ledger.tx_now(lambda c: c.execute(update(kept_figures).where(kept_figures.c.trace == wrong).values(body="{}")))
    ran = baton("verify", "--figures")
    assert ran.code == 1
    assert f"delivery-{wrong}: what is kept is not what its rows say" in ran.out
    assert "baton verify --figures --rebuild" in ran.out + ran.err
    document = baton("verify", "--figures", "--json").json
    assert (document["right"], document["changed"], document["wrong"], document["left"]) == (1, 1, [wrong], [wrong])
    document = baton("verify", "--figures", "--rebuild", "--json").json
    assert (document["wrong"], document["kept_anew"], document["left"]) == ([wrong], 2, [])
    assert baton("verify", "--figures", "--json").json == {**document, "right": 3, "changed": 0, "wrong": [], "kept_anew": 0}
    assert baton("spend", "--json").json["total"]["spent_micros"] == 3 * 300 + 100


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--rebuild",), "--rebuild goes with --figures"),
        (("--figures", "a-run"), "--figures looks at every run and at nothing else"),
        (("--figures", "--all"), "--figures looks at every run and at nothing else"),
        (("--figures", "--digest", "0" * 64), "--figures looks at every run and at nothing else"),
        ((), "or --figures"),
    ],
)
def test_what_does_not_go_together_is_refused(baton: Baton, ledger: Ledger, typed: tuple[str, ...], said: str) -> None:
    """Each with what to type instead; nothing was looked at."""
    ran = baton("verify", *typed)
    assert ran.code == 2
    assert said in " ".join((ran.out + ran.err).split())
