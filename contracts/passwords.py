"""Which passwords are taken for the console: long ones that are not made of what everybody tries first."""

import re
import unicodedata
from collections.abc import Iterable

SHORTEST, LONGEST = 12, 1000
"""Characters of a password."""

LEFT = 6
"""So many characters are left of a password once common words, digits in a row and the like are taken out of it."""

DIFFERENT = 5
"""So many different characters it has at least."""

_WORDS = """
password passwort kennwort passord passwd motdepasse contrasena senha parola admin administrator root superuser user
username login signin logon access letmein welcome willkommen bienvenue hello hallo change changeme change-me secret geheim
default guest test testing temp temporary qwerty qwertz azerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx
1qaz 2wsx 3edc 4rfv 5tgb 6yhn 1q2w3e4r5t6y 1q2w3e4r a1b2c3d4e5f6 a1b2c3d4 abc abcd abcdef abcdefgh abcdefghijkl
abcdefghijklmnopqrstuvwxyz iloveyou loveyou love lovely baby babygirl princess prinzessin sunshine shadow dragon monkey
master football fussball baseball basketball hockey soccer superman batman spiderman pokemon starwars trustno one whatever
freedom flower summer winter spring autumn sommer herbst january february march april may june july august september october
november december monday tuesday wednesday thursday friday saturday sunday michael jordan jessica jennifer charlie thomas
robert daniel andrew matthew ashley nicole michelle hunter killer pepper ginger cookie cheese computer internet server
service system oracle mysql postgres database docker kubernetes linux ubuntu windows microsoft google facebook samsung
company business office team project baton temporal console operator agent approve please nothing mustang harley ferrari
porsche liverpool chelsea arsenal barcelona correcthorsebatterystaple correct horse battery staple my the this is not your
you and for
"""
COMMON = frozenset(_WORDS.split())
"""What lists of leaked passwords are made of, as far as it is found in those that are long enough."""

_SPELT = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i", "|": "l"})


def normal(password: str) -> str:
    """The password as it is hashed: the same however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password)


def password_problem(password: str, person: str) -> str:
    """Why this is no password for this person, in words for them; "" if it is one."""
    text = normal(password)
    if len(text) < SHORTEST:
        return f"it has {len(text)} characters, and takes at least {SHORTEST}; several words in a row are easy to keep in mind"
    if len(text) > LONGEST:
        return f"it has {len(text)} characters, and takes at most {LONGEST}"
    if any(unicodedata.category(one) in {"Cc", "Cs", "Cn"} for one in text):
        return "it has characters that no keyboard types, such as a tab or the end of a line; leave them out"
    if len(set(text.casefold())) < DIFFERENT:
        return f"it has fewer than {DIFFERENT} different characters, and such ones are tried first"
    own = [part for part in re.split(r"[\W_]+", normal(person).casefold()) if len(part) >= 3]
    if _rest(text, own) < LEFT:
        if any(part in text.casefold() for part in own):
            return "it is made of the name of whose password it is, which is tried first"
        return "it is made of words, rows of keys and digits that are tried first; take words that nobody would guess"
    return ""


def _rest(text: str, own: Iterable[str]) -> int:
    """How many different letters and digits are left without common words, the person's name, and rows such as 1234 or dcba."""
    rests = []
    for spelt in (text.casefold(), text.casefold().translate(_SPELT)):
        rest = spelt
        for word in sorted({*COMMON, *own}, key=len, reverse=True):
            rest = rest.replace(word, " ")
        rests.append(_without_rows(rest))
    return min(len(set(rest)) for rest in rests)


def _without_rows(text: str) -> str:
    """The letters and digits that do not follow the one before them, up, down or again."""
    kept = [one for before, one in zip(" " + text, text, strict=False) if abs(ord(one) - ord(before)) > 1]
    return "".join(one for one in kept if one.isalnum())
