"""The order in which a probe asks, and what it makes of each answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from activities.providers.base import ProviderError
from activities.providers.capabilities import Known
from activities.providers.progress import followed
from commands.probe import questions
from commands.probe.asking import REFUSALS, Asker, TooDear
from commands.probe.ways import Tried, contents, keys, notes, schemas, streams
from contracts.base_urls import Speaks
from contracts.conversation import Message, ModelReply, ModelRequest, UserMessage

LONG_INPUT = 5000
"""Tokens of the long input: some local servers keep 2048 or 4096 unless told otherwise, and cut the rest silently."""

LARGEST_CONTEXT = 40_000
"""Tokens of a context beyond which no too long input is tried: local servers read it for minutes."""


@dataclass(frozen=True)
class Line:
    """What one step found. `works` None: it could not be found out. `text` has the provider's own words where it refused."""

    what: str
    works: bool | None
    text: str


Judge = Callable[[ModelReply], str]
"""Why a reply is not what was asked for; "" if it is."""


class Probe:
    """Asks one model step by step. What a step finds is what the next ones are sent with.

    `known` is what is in force at first and what was found in the end; `settled` names the fields that were found out.
    """

    def __init__(self, asker: Asker, known: Known, speaks: Speaks) -> None:
        self.known = known
        self.lines: list[Line] = []
        self.settled: set[str] = set()
        self._asker, self._speaks, self._before = asker, speaks, known
        self._plain_fits = False

    @property
    def usable(self) -> bool:
        """Whether agents can work with this model: it answers and calls tools."""
        works = {line.what: line.works for line in self.lines}
        return bool(works.get("text") and works.get("tool"))

    async def run(self) -> None:
        """Ask everything; nothing further if the first call gets no answer."""
        if not await self._text():
            return
        await self._limit()
        await self._schema()
        if await self._tool():
            await self._together()
            await self._final_tool()
            asked, reply = await self._two()
            if reply is not None:
                await self._results(asked, reply)
        self._usage()
        await self._stream()
        await self._long()
        await self._too_long()

    async def _text(self) -> ModelReply | None:
        # With the schema in the prompt alone: every endpoint takes that.
        bare = replace(self.known, schema_form="none")
        found, reply = await self._first("text", keys(bare, self._speaks), self._request(questions.PLAIN), questions.silent)
        if found is not None and reply is not None:
            self._keep(replace(self.known, max_tokens=found.known.max_tokens), *self._of_chat("max_tokens"))
            self._plain_fits = not questions.misfit(reply)
        return reply

    async def _limit(self) -> None:
        ways = keys(replace(self.known, schema_form="none"), self._speaks)
        request = self._request(questions.LONG, most=questions.SHORT)
        found, _ = await self._first("output limit", ways, request, questions.unlimited)
        if found is not None:
            self._keep(replace(self.known, max_tokens=found.known.max_tokens), *self._of_chat("max_tokens"))

    def _of_chat(self, field: str) -> tuple[str, ...]:
        """The field, unless the format has nothing that it would change."""
        return (field,) if self._speaks == "chat" else ()

    async def _schema(self) -> None:
        found, _ = await self._first(
            "schema", schemas(self.known, self._speaks), self._request(questions.PLAIN), questions.misfit
        )
        if found is not None:
            self._keep(replace(self.known, schema_form=found.known.schema_form, strict=found.known.strict), "schema_form")
        elif self.lines[-1].works is False:
            self._keep(replace(self.known, schema_form="none", strict=False), "schema_form")
            read = "in the prompt it is kept to" if self._plain_fits else "in the prompt it is not kept to either"
            self.lines[-1] = replace(self.lines[-1], text=f"{self.lines[-1].text}; {read}")

    async def _tool(self) -> ModelReply | None:
        apart = replace(self.known, schema_with_tools="apart")
        ways = [Tried("strict", apart)] if apart.strict else []
        ways.append(Tried("", replace(apart, strict=False)))
        request = self._request(questions.ONE, tools=True)
        found, reply = await self._first("tool", ways, request, lambda reply: questions.uncalled(reply, "alpha"))
        if found is not None:
            # Where the field of the schema could not be found out, tools alone say nothing of strict.
            self._keep(replace(self.known, strict=found.known.strict), *(("strict",) if "schema_form" in self.settled else ()))
        return reply

    async def _together(self) -> None:
        apart = replace(self.known, schema_with_tools="apart")
        if self.known.schema_form == "none":
            self._keep(apart, "schema_with_tools")
            return
        ways = [Tried("together", replace(self.known, schema_with_tools="together"))]
        request = self._request(questions.ONE, tools=True)
        found, _ = await self._first("tool and schema", ways, request, lambda reply: questions.uncalled(reply, "alpha"))
        if found is not None:
            self._keep(found.known, "schema_with_tools")
        elif self.lines[-1].works is False:
            self._keep(apart, "schema_with_tools")
        else:
            self.known = replace(self.known, schema_with_tools=self._before.schema_with_tools)

    async def _final_tool(self) -> None:
        """The final output as a tool call: only for a model that keeps to no schema otherwise."""
        if self.known.schema_form != "none" or self._plain_fits:
            return
        ways = [Tried("", replace(self.known, schema_with_tools="tool"))]
        request = self._request(questions.PLAIN, tools=True)
        found, _ = await self._first("final output tool", ways, request, questions.misfit)
        if found is not None:
            self._keep(found.known, "schema_with_tools")

    async def _two(self) -> tuple[str, ModelReply | None]:
        """What was asked last, and a reply whose calls can be answered."""
        parallel = self.known.parallel_tool_calls
        if parallel is False:
            self.lines.append(Line("two calls at once", None, "not asked: switched off by parallel_tool_calls = false"))
        else:
            ways = [Tried("parallel_tool_calls" if parallel else "", self.known)]
            if parallel:
                ways.append(Tried("", replace(self.known, parallel_tool_calls=None)))
            request = self._request(questions.TWO, tools=True)
            found, reply = await self._first(
                "two calls at once", ways, request, lambda reply: questions.uncalled(reply, "alpha", "beta")
            )
            if found is not None:
                self._keep(found.known)
                return questions.TWO, reply
        called = [reply for reply in self._asker.replies if reply.calls]
        return questions.ONE, called[-1] if called else None

    async def _results(self, asked: str, reply: ModelReply) -> None:
        choice = self._asker.choice
        talk = questions.after_tools(asked, reply, choice.provider, choice.model_name)
        found, _ = await self._first("tool results", contents(self.known, self._speaks), self._talk(talk), questions.silent)
        if found is None:
            return
        self._keep(found.known, *self._of_chat("call_content"))
        if found.known.call_ids == "nine":
            self.settled.add("call_ids")
        noted = (*talk, UserMessage(text=questions.NOTE))
        found, _ = await self._first(
            "note after results", notes(self.known, self._speaks), self._talk(noted, tools=False), questions.silent
        )
        if found is not None:
            self._keep(found.known, *self._of_chat("after_tools"))

    def _usage(self) -> None:
        replies = self._asker.replies
        counted = [reply for reply in replies if reply.usage is not None]
        if len(counted) == len(replies):
            text = f"in each of {len(replies)} replies"
        else:
            text = f"in {len(counted)} of {len(replies)} replies; a call without it is charged at the most that it could cost"
        if any(reply.stated is not None for reply in replies):
            text += "; it states a cost of its own, see bill_as_stated"
        self.lines.append(Line("usage", len(counted) == len(replies), text))

    async def _stream(self) -> None:
        """A call in a stream, for a model that calls: some servers call no tool there, or count nothing."""
        calls = self.usable
        request = self._request(questions.ONE if calls else questions.PLAIN, tools=calls)
        with followed() as progress:

            def judge(reply: ModelReply) -> str:
                came, counted = progress.characters > 0, reply.usage is not None
                progress.begin("")
                if not came:
                    return "it answers in one piece all the same"
                if complaint := questions.uncalled(reply, "alpha") if calls else questions.silent(reply):
                    return complaint
                return "" if counted else "no tokens are counted, so that each call is charged the most that it could cost"

            found, _ = await self._first("streaming", streams(self.known, self._speaks), request, judge)
        if found is not None:
            how = "in force" if self._before.stream else "stream = true switches it on"
            self.lines[-1] = replace(self.lines[-1], text=_joined([self.lines[-1].text, how]))

    async def _long(self) -> None:
        """A long input, and the same again, for which a prompt cache has to show."""
        request = self._request(questions.RECALL, system=questions.filler(LONG_INPUT))
        ways = [Tried(f"{LONG_INPUT} tokens", self.known)]
        found, first = await self._first("long input", ways, request, questions.forgotten)
        if found is None or first is None or self._asker.choice.free:
            return  # what a cache saves at a free endpoint is not on any bill
        if first.usage is not None and first.usage.cache_read:
            self.lines.append(Line("cache", True, f"{first.usage.cache_read} cached tokens"))
        else:
            await self._first("cache", [Tried("", self.known)], request, questions.uncached)

    async def _too_long(self) -> None:
        """An input beyond the context that the route names, where that is small: refused it costs nothing."""
        context = self._asker.choice.context
        if context is None or context > LARGEST_CONTEXT:
            return
        request = self._request(questions.RECALL, system=questions.filler(context * 5 // 4))
        try:
            await self._asker.ask(self.known, request)
        except TooDear as error:
            self.lines.append(Line("too long input", None, str(error)))
        except ProviderError as error:
            understood = True if error.kind == "too_large" else False if error.kind in REFUSALS else None
            told = {True: "refused as too long", False: "not known as too long", None: "not known"}[understood]
            self.lines.append(Line("too long input", understood, f"{told}: {self._asker.words(error)}"))
        else:
            self.lines.append(Line("too long input", False, f"taken, although the route says context = {context}"))

    def _request(
        self, text: str, *, tools: bool = False, most: int = questions.OUTPUT, system: str = questions.SYSTEM
    ) -> ModelRequest:
        return questions.request(self._asker.choice, text, tools=tools, most=most, system=system)

    def _talk(self, messages: Sequence[Message], *, tools: bool = True) -> ModelRequest:
        return questions.request(self._asker.choice, messages=messages, tools=tools)

    def _keep(self, known: Known, *settled: str) -> None:
        self.known = known
        self.settled |= set(settled)

    async def _first(
        self, what: str, ways: Sequence[Tried], request: ModelRequest, judge: Judge
    ) -> tuple[Tried | None, ModelReply | None]:
        """The first way that works, and its reply; the line that says so, or why none does."""
        refused: list[str] = []
        for way in ways:
            try:
                reply = await self._asker.ask(way.known, request.model_copy(update={"key": f"{request.key}/{len(refused)}"}))
            except ProviderError as error:
                words = self._asker.words(error)
                if error.kind not in REFUSALS:
                    self.lines.append(Line(what, False if what == "text" else None, _joined([*refused, _of(way, words)])))
                    return None, None
                refused.append(_of(way, words))
                continue
            except TooDear as error:
                self.lines.append(Line(what, None, _joined([*refused, str(error)])))
                return None, None
            if not (complaint := judge(reply)):
                self.lines.append(Line(what, True, _joined([way.label, *(f"not {one}" for one in refused)])))
                return way, reply
            refused.append(_of(way, complaint))
        self.lines.append(Line(what, False, _joined(refused)))
        return None, None


def _of(way: Tried, text: str) -> str:
    return f"{way.label}: {text}" if way.label else text


def _joined(parts: Sequence[str]) -> str:
    return "; ".join(part for part in parts if part)
