"""Which quotes can be evidence for a claim."""

import pytest

from contracts.evidence import bears, words
from contracts.handoff import Claim

TEXT = "def discounted(cents, percent):\n    return int(cents * (100 - percent) / 100)\n"


def claim(subject: str, value: str) -> Claim:
    """A claim about rounding."""
    return Claim(subject=subject, attribute="rounding", value=value)


@pytest.mark.parametrize(
    ("subject", "value", "quote"),
    [
        ("discounted", "cuts off", "def discounted(cents, percent):"),
        ("shop/pricing.py", "a price is cut to whole cents", "return int(cents * (100"),
        ("shop/pricing.py", "half a cent is lost", "return int(cents * (100"),
        ("shop", "percents of 100", "* (100 - percent)"),
        ("shop", "divides by 100", "percent) / 100)"),
        ("prices", "price", "the prices are whole"),
        ("maxRetries", "5", "MAX_RETRIES = limit"),
        ("HTTPServer", "listens", "server.listen(80)"),
        ("設定", "再試行は三回", "再試行の上限は三回と定められている"),
        ("größe", "zehn", "die GRÖSSE ist zehn Meter".replace("GRÖSSE", "Größe")),
    ],
)
def test_a_quote_with_a_word_of_the_claim_bears(subject: str, value: str, quote: str) -> None:
    """A word of subject or value, in any case, as a part of a name, in the plural, as a number, in scripts without blanks."""
    assert bears(quote, claim(subject, value), f"before {quote} after")


@pytest.mark.parametrize(
    ("subject", "value", "quote"),
    [
        ("billing", "charged twice", "return int(cents * (100 - percent) / 100)"),
        ("the order", "it is not in the list", "it is not that of the other and is in the way"),
        ("cents", "int", "int(cents"),
        ("cents", "int", "            "),
        ("cents", "int", "   int(cents     "),
        ("x", "z", "for x in y: pass"),
        ("{}", ">=", "a == b and c == d"),
        ("pri", "ce", "the price is right"),
        ("10", "20", "100 and 200 of 1020"),
        ("1000", "2000", "10005 of 20006"),
    ],
)
def test_a_quote_that_has_nothing_to_do_with_the_claim_does_not(subject: str, value: str, quote: str) -> None:
    """No common word, only words that every text has, too short, blanks, single letters, parts of numbers and short words."""
    assert not bears(quote, claim(subject, value), f"before {quote} after")


def test_a_short_artifact_may_be_quoted_as_a_whole() -> None:
    """A file that holds a version and nothing else can be evidence; a part of it is as short as any other quote."""
    assert bears("1.2.3", claim("VERSION", "1.2.3"), "1.2.3\n")
    assert not bears("1.2", claim("VERSION", "1.2.3"), "1.2.3\n")


def test_signs_are_looked_up_as_they_are() -> None:
    """A value without words has to stand in the quote."""
    assert bears("left >= right or none", claim("??", ">="), TEXT)
    assert not bears("left <= right or none", claim("??", ">="), TEXT)


def test_words() -> None:
    """Names are taken apart; what stands in every text is no word of it."""
    assert words("theMaxRetries of HTTPServer_v2 is 30") == {"max", "retries", "http", "server", "30", "2"}
