"""Every tool that an agent file can name, listed by hand."""

from activities.tools.base import Tool
from activities.tools.check import RUN_CHECKS
from activities.tools.copies import COPY_TOOLS
from activities.tools.edits import EDIT_TOOLS
from activities.tools.entries import ENTRY_TOOLS
from activities.tools.files import READ_TOOLS
from activities.tools.knowledge import SEARCH_KNOWLEDGE
from activities.tools.memory import MEMORY_TOOLS
from activities.tools.queries import QUERY_TOOLS
from activities.tools.trees import TREE_TOOLS

_ALL = (
    *MEMORY_TOOLS,
    *READ_TOOLS,
    *EDIT_TOOLS,
    *ENTRY_TOOLS,
    RUN_CHECKS,
    *TREE_TOOLS,
    *QUERY_TOOLS,
    *COPY_TOOLS,
    SEARCH_KNOWLEDGE,
)

TOOLS: dict[str, Tool] = {tool.name: tool for tool in _ALL}
