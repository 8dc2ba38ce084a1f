"""The option `--sign`, and the key that it means."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from commands.decide.signing import PrivateKey

Sign = Annotated[bool, typer.Option("--sign", help="Sign it with your own key, see `baton keys new`.")]


def own_key(who: str, *, sign: bool, file: Path | None = None) -> "PrivateKey | None":
    """The key of this person, from `file` or where `baton keys new` puts it; None where nothing is to be signed.

    Raises `Misconfigured` for a key that is missing or that others can read. Call it before anything is asked or sent.
    """
    if not sign:
        return None
    from commands.decide import signing

    return signing.load(file or signing.file_of(who))
