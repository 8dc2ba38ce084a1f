"""What makes an agent a reader: it takes one text from outside and gives typed fields, and it has no tools."""

from pathlib import Path

from contracts.agents import AgentFile
from contracts.base import Contract
from contracts.errors import Misconfigured
from contracts.fields import unbounded
from contracts.outside import OutsideTask


def check_reader(path: Path, file: AgentFile, takes: type[Contract], returns: type[Contract]) -> None:
    """Raise `Misconfigured` for a reader that could do more than read, and for any other agent that is given a raw text."""
    raw = takes is OutsideTask
    if not file.reader:
        if raw:
            raise Misconfigured(
                f"{path}: it takes {takes.contract}, which is text from outside as it is; add `reader: true`, or take the "
                "fields that a reader has made of it"
            )
        return
    if file.tools or file.resources:
        has = ", ".join((*file.tools, *file.resources))
        raise Misconfigured(
            f"{path}: a reader has no tools and no resources, and this one has {has}: whoever wrote the text could use them; "
            "leave them out, or make it two agents"
        )
    if not raw:
        raise Misconfigured(f"{path}: a reader takes {OutsideTask.contract}, not {takes.contract}")
    if wrong := unbounded(returns):
        raise Misconfigured(f"{path}: a reader returns typed, bounded fields; in {returns.contract} {'; '.join(wrong)}")
