"""Names of branches: what git refuses, what would mislead, and names made from an instruction."""

import re
import unicodedata

from contracts.exact import exact, is_unseen

LIMIT = 200
"""Bytes of a branch's name: with its folder and `.lock` it has to fit into what file systems hold."""

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^$"), "it is empty"),
    (re.compile(r"^-"), "it begins with a dash, which commands take for an option"),
    (re.compile(r"^(?:HEAD|@)$"), "that is git's own word for what is checked out"),
    (re.compile(r"^refs/"), "it begins with refs/, which git adds by itself; leave out refs/heads/"),
    (re.compile(r"[\x00-\x1f\x7f]"), "it has a control character in it"),
    (re.compile(r" "), "it has a space in it"),
    (re.compile(r"[~^:?*\[\\]"), "it has one of ~ ^ : ? * [ \\ in it, which mean something else to git"),
    (re.compile(r"\.\."), "it has two dots in a row, which is a range to git"),
    (re.compile(r"@\{"), "it has @{ in it, which is an earlier state to git"),
    (re.compile(r"^/|/$|//"), "it has a slash at an end, or two in a row"),
    (re.compile(r"(?:^|/)\."), "it, or a part of it after a slash, begins with a dot"),
    (re.compile(r"\.$"), "it ends with a dot"),
    (re.compile(r"\.lock(?:/|$)"), "it, or a part of it before a slash, ends with .lock, as git's own locks do"),
)


def refusal(name: str) -> str:
    """Why no branch should have this name, in one sentence with one that it could have; "" for a good one."""
    why = next((why for pattern, why in _RULES if pattern.search(name)), "")
    if not why and _ID.fullmatch(name):
        why = "it looks like the id of a commit"
    if not why and any(map(is_unseen, name)):
        why = "it has a character in it that cannot be seen"
    # An argument that is not UTF-8 arrives with surrogates in it, which strict encoding refuses.
    size = len(name.encode(errors="surrogatepass"))
    if not why and size > LIMIT:
        why = f"it has {size} bytes, and at most {LIMIT} fit everywhere"
    shown = exact(name.encode(errors="surrogatepass"))[:100]
    return f"'{shown}' cannot be the name of a branch: {why}. Try '{_nearest(name)}'" if why else ""


def words_of(text: str, characters: int = 40, size: int = 100) -> str:
    """The words of a text as a part of a branch's name: small letters and digits of any script, joined by `-`; never empty."""
    lower = unicodedata.normalize("NFC", text.lower())
    kept = "".join(one if unicodedata.category(one)[0] in "LNM" and not is_unseen(one) else " " for one in lower)
    # A mark belongs to a letter: without one before it, it would change the dash.
    words = [word for word in (re.sub(r"^\W+", "", one) for one in kept.split()) if word]
    joined = "-".join(words)[:characters].encode()[:size].decode(errors="ignore").rstrip("-")
    return joined or "change"


def _nearest(name: str) -> str:
    """A name like this one that is none of the refused ones."""
    parts = [words_of(part, 60, 60) for part in name.split("/") if part.strip(" .-")]
    while parts and parts[0] in {"refs", "heads"}:
        parts.pop(0)
    found = "/".join(parts[:3]) or "change"
    return f"change-{found[:12]}" if _ID.fullmatch(found) else found
