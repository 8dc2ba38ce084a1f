"""Who a commit says has made it: `Name <address>`, as git writes it."""

import re
from typing import Annotated

from pydantic import AfterValidator

from contracts.exact import is_unseen

DEFAULT = "Baton <baton@localhost>"
# git strips marks such as . , : ; from both ends of a name, and refuses one of which nothing is left.
_FORM = re.compile(r"([^<>]*[^<>\s.,:;\"'][^<>]*?) *<([^<>\s]+)>")


def author_of(text: str) -> tuple[str, str] | None:
    """Name and address; None for what git would not write as it is."""
    found = _FORM.fullmatch(text.strip())
    if found is None or len(text) > 200 or any(map(is_unseen, text.strip())):
        return None
    return found[1].strip(), found[2]


def refusal(text: str) -> str:
    """Why this cannot be the author of a commit, with the form that can; "" for a good one."""
    if author_of(text) is not None:
        return ""
    return f"{text[:80]!r} is no author of a commit; write a name and an address, such as 'Release Bot <bot@example.org>'"


def _checked(text: str) -> str:
    if why := refusal(text):
        raise ValueError(why)
    return text


Author = Annotated[str, AfterValidator(_checked)]
"""An author as settings have one."""
