"""Changing how a text file is written, and not what it says: its line ends and its encoding. Edits keep both."""

import asyncio
import codecs
from typing import Literal

from pydantic import Field

from activities.files import paths
from activities.files.declared_encoding import is_known
from activities.files.encoding import UTF8, UTF8_MARKED, Encoding, with_line_ends
from activities.tools.access import CHANGING, FILE_LIMIT, PATH_SHOWN, Tree, problems_named
from activities.tools.base import WRITES, Tool, ToolContext, ToolOutcome, ToolProblem
from activities.tools.stored import ENDS, Rules, Text, text_of
from contracts.base import Contract
from contracts.text import one_line, quoted

_ENDS = {"lf": "\n", "crlf": "\r\n"}
_ENCODINGS = {"utf-8": UTF8, "utf-8-bom": UTF8_MARKED}


class ConvertFile(Contract):
    """What the file is to be like."""

    path: str
    line_ends: Literal["lf", "crlf"] | None = Field(default=None, description="null: as they are")
    encoding: Literal["utf-8", "utf-8-bom"] | None = Field(default=None, description="null: as it is")
    written_in: str | None = Field(
        default=None, max_length=40, description="the encoding that it is in, where nothing in the file says so, such as cp1251"
    )


class FileConverted(Contract):
    """What the file is like now."""

    path: str
    line_ends: str
    encoding: str
    size: int


async def _convert_file(context: ToolContext, asked: ConvertFile) -> ToolOutcome:
    return await asyncio.to_thread(_convert, context, asked)


def _convert(context: ToolContext, asked: ConvertFile) -> ToolOutcome:
    root = context.root()
    with CHANGING, problems_named(Tree(root), asked.path):
        name = paths.validate(asked.path)
        rules = Rules(root, name, context.lfs)
        rules.refuse_filtered()
        if asked.line_ends == "crlf" and rules.attributes.text:
            raise ToolProblem(
                f"git stores {one_line(name, PATH_SHOWN)} with LF whatever it has on disk (.gitattributes); "
                "to have CRLF on checkout, set eol=crlf for it there"
            )
        data = rules.content(paths.read_file(root, name, FILE_LIMIT))
        before = _read(name, data, asked, rules)
        text = with_line_ends(before.text, _ENDS[asked.line_ends]) if asked.line_ends else before.text
        after = Text(text, _ENCODINGS[asked.encoding] if asked.encoding else before.encoding)
        made = rules.stored(after.text, after)
        if made.data == data:
            raise ToolProblem(f"{one_line(name, PATH_SHOWN)} is {_said(after)} already; nothing to change")
        put = rules.put(made)
        paths.write_file(root, name, put.data)
    result = FileConverted(
        path=one_line(name, PATH_SHOWN),
        line_ends=ENDS.get(after.end, "mixed or none"),
        encoding=after.encoding.name,
        size=len(made.data),
    )
    return ToolOutcome(result, put.sources)


def _read(name: str, data: bytes, asked: ConvertFile, rules: Rules) -> Text:
    """The file as text. Raises `ToolProblem` if its encoding is not known, or is not the one that was named."""
    shown = one_line(name, PATH_SHOWN)
    if asked.written_in is None:
        found = text_of(name, data, declared=rules.attributes.declared)
        if asked.encoding is None or not (found.encoding.guessed or found.encoding.unknown):
            return found
        guess = f" ({found.encoding.name} is a guess)" if found.encoding.guessed else ""
        raise ToolProblem(
            f"{shown} does not say which encoding it is in{guess}, and a wrong one would garble it; set written_in"
        )
    if not is_known(asked.written_in):
        raise ToolProblem(f"written_in {quoted(asked.written_in, 60)} is no known encoding of text; name one such as cp1252")
    encoding = Encoding(codecs.lookup(asked.written_in).name, one_line(asked.written_in, 60))
    try:
        return Text(data.decode(encoding.codec), encoding)
    except UnicodeDecodeError as error:
        raise ToolProblem(
            f"{shown} is not in {encoding.name}: byte {error.start} is none of it; set written_in to another"
        ) from None


def _said(text: Text) -> str:
    return f"{text.encoding.name} with {ENDS.get(text.end, 'mixed or no')} line ends"


CONVERT_FILE = Tool(
    "convert_file",
    "Change the line ends or the encoding of a text file, and not what it says. Edits keep both.",
    ConvertFile,
    FileConverted,
    _convert_file,
    WRITES,
)
