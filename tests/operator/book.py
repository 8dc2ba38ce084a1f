"""The operator's book as somebody goes by it: the commands of a runbook, with what is seen in place of its capitals."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from contracts.runbooks import runbooks
from tests.docs.pages import ROOT, Block, blocks

PAGE = ROOT / "docs" / "runbooks.md"


def steps(name: str) -> list[Block]:
    """The tested blocks of a runbook, in their order."""
    text = PAGE.read_text()
    starts = [*(text.count("\n", 0, found.start()) + 1 for found in re.finditer(r"^##+ .+$", text, re.MULTILINE)), 10**9]
    line = text.count("\n", 0, text.index(f"### {runbooks()[name]}\n")) + 1
    end = min(one for one in starts if one > line)
    return [block for block in proven() if line < block.line < end]


def proven() -> Iterator[Block]:
    """Every block of the page that says that it is tested."""
    return (block for block in blocks(PAGE) if block.mark == "tested")


def filled(block: Block, values: Mapping[str, str]) -> Block:
    """The block with these values for its words in capitals. One that nobody has a value for fails."""
    words = set(re.findall(r"\b[A-Z]{2,}\b", block.text))
    missing = words - set(values)
    assert not missing, f"{block.where}: what an operator sees gives no {', '.join(sorted(missing))}"
    return replace(block, text=re.sub(r"\b[A-Z]{2,}\b", lambda word: values[word[0]], block.text))
