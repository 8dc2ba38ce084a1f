"""The tool that looks words up in the articles of a declared folder."""

import asyncio

from pydantic import Field

from activities.resources import NotDeclared
from activities.tools.base import Need, Source, Tool, ToolContext, ToolOutcome, ToolProblem
from contracts.base import Contract
from contracts.step_resources import Folder
from contracts.support_cases import Article
from contracts.text import visible

MOST = 10


class SearchKnowledge(Contract):
    """Which words, in which folder."""

    words: tuple[str, ...] = Field(
        min_length=1, max_length=12, description="an article fits that has any; better, more of them"
    )
    limit: int | None = Field(default=None, ge=1, le=MOST, description=f"articles to show; null: {MOST}")
    folder: str | None = Field(default=None, description="name of the folder; null: the only one of this step")


class Articles(Contract):
    """Parts of articles, the one that fits best first."""

    articles: tuple[Article, ...]


async def _search(context: ToolContext, asked: SearchKnowledge) -> ToolOutcome:
    use = context.chosen(Folder, asked.folder)
    try:
        root = context.declared().folder(use)
    except NotDeclared as error:
        raise ToolProblem(str(error)) from None
    found = await asyncio.to_thread(context.declared().knowledge.find, root, asked.words, asked.limit or MOST)
    shown = tuple(one.model_copy(update={"title": visible(one.title), "text": visible(one.text)}) for one in found)
    return ToolOutcome(Articles(articles=shown), tuple(Source(one.path, one.text.encode()) for one in found))


SEARCH_KNOWLEDGE = Tool(
    "search_knowledge",
    "Find articles of a declared folder by words, those first that fit best.",
    SearchKnowledge,
    Articles,
    _search,
    Need("folder"),
)
