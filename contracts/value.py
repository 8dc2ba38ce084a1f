"""What a case took people before Baton, as somebody declares it: without that no minute is ever called saved."""

from typing import Annotated

from pydantic import Field

CASE = r"^[A-Z][A-Za-z0-9]{0,39}(/[^\s/][^/]{0,99})?$"

MinutesBefore = dict[Annotated[str, Field(pattern=CASE)], Annotated[int, Field(ge=1, le=100_000)]]
"""Minutes by `PIPELINE`, or by `PIPELINE/PROJECT` for one project."""


def minutes_of(declared: MinutesBefore, pipeline: str, project: str) -> int | None:
    """The minutes that a case took; of its project, else of its pipeline, else None."""
    return declared.get(f"{pipeline}/{project}", declared.get(pipeline))
