"""When a quote bears on a claim. Pure: whether the quote was read at all is for whoever has what was read."""

import re

from contracts.handoff import Claim

LEAST = 12
"""Characters of a quote, blanks at its ends aside: a shorter one stands in many texts by chance."""

STEM = 4
"""A word of so many letters with which another one begins is the same word: price and prices."""

# In order: capitals and what follows them (so that camelCase has two words), numbers, other scripts.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

_SAYING_NOTHING = frozenset(
    [
        *("a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "does", "for", "from", "had", "has", "have"),
        *("if", "in", "into", "is", "it", "its", "no", "not", "of", "on", "or", "so", "than", "that", "the", "then", "there"),
        *("these", "they", "this", "to", "was", "were", "when", "where", "which", "will", "with", "would"),
    ]
)


def bears(quote: str, claim: Claim, artifact: str) -> bool:
    """True if the quote can be evidence for the claim: long enough, and with a word of the claim's subject or value.

    A quote that is all that the artifact holds is long enough. Where subject and value have no words at all, the quote has to
    hold the value itself.
    """
    said = quote.strip()
    if len(said) < LEAST and said != artifact.strip():
        return False
    wanted = words(claim.subject) | words(claim.value)
    if not wanted:
        return bool(claim.value.strip()) and claim.value.strip() in said
    found = words(said)
    return any(_same(one, other) for one in wanted for other in found)


def words(text: str) -> frozenset[str]:
    """The words and numbers of a text, in lower case, without those that stand in every text and single letters."""
    found = {word.casefold() for word in _WORDS.findall(text)}
    # Scripts without blanks between words: each sign counts.
    found |= {sign for word in found if _UNSPACED.search(word) for sign in word}
    return frozenset(one for one in found - _SAYING_NOTHING if len(one) > 1 or one.isdigit() or not one.isascii())


def _same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= STEM and short.isalpha() and long.startswith(short))
