"""Where the beginning of a prompt is kept by the provider: it stays the same, and the next turn reads what this one wrote."""

import copy
import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import config
import model_choice
from activities.money.prices import tariff
from activities.providers.anthropic import Anthropic
from activities.providers.anthropic_cache import SMALLEST, marked
from contracts.agents import Choice
from contracts.conversation import AssistantMessage, Message, ToolAnswer, ToolCall, ToolMessage, Usage, UserMessage
from tests.wire.samples import KEY, REPLY, ask
from tests.wire.server import WireServer

LONG = "You write, and read before you write. " * 40
CALLED = ToolCall(call_id="c", name="read_file", arguments={"title": "a"})


def turns(count: int) -> tuple[Message, ...]:
    """A conversation with so many tool calls behind it."""
    messages: list[Message] = [UserMessage(text="Write a title.")]
    for number in range(count):
        call = CALLED.model_copy(update={"call_id": f"c{number}"})
        messages.append(AssistantMessage(text="", calls=(call,)))
        messages.append(ToolMessage(answers=(ToolAnswer(call_id=call.call_id, name=call.name, text=f"result {number}"),)))
    return tuple(messages)


def blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every block of the prompt in the order in which it is kept: tools, system, messages."""
    system = body.get("system", [])
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system
    return [*body.get("tools", []), *system, *(block for message in body["messages"] for block in message["content"])]


def marks(body: dict[str, Any]) -> list[int]:
    """The places of the marks."""
    return [index for index, block in enumerate(blocks(body)) if "cache_control" in block]


def bare(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks without their marks."""
    return [{key: value for key, value in block.items() if key != "cache_control"} for block in blocks(body)]


async def bodies(server: WireServer, provider: Anthropic, count: int, **changes: Any) -> list[dict[str, Any]]:
    """What goes out in the turns of one conversation."""
    server.play(*[REPLY] * count)
    before = len(server.requests)
    for number in range(count):
        await provider.complete(ask(messages=turns(number), **({"system": LONG} | changes)))
    return [seen.body for seen in server.requests[before:]]


async def test_each_turn_reads_what_the_one_before_wrote(server: WireServer, anthropic: Anthropic) -> None:
    """A turn's last mark stands again in the next turn, behind the very same blocks; so do those of instructions and task."""
    sent = await bodies(server, anthropic, 4)
    for body, after in itertools.pairwise(sent):
        wrote = marks(body)[-1]
        assert wrote == len(blocks(body)) - 1
        assert {1, 2, wrote} <= set(marks(after))
        assert bare(after)[: wrote + 1] == bare(body)[: wrote + 1]
    assert [len(marks(body)) for body in sent] == [2, 3, 4, 4]


async def test_what_is_too_short_is_not_marked(server: WireServer, anthropic: Anthropic) -> None:
    """A prompt that no model would keep goes out as it is."""
    for body in await bodies(server, anthropic, 2, system="You write."):
        assert "cache_control" not in json.dumps(body)
        assert body["system"] == "You write."


async def test_who_does_not_come_back_pays_for_no_cache(server: WireServer, anthropic: Anthropic) -> None:
    """Without tools there is no next turn to read what this one would write: an answer in one call costs plain input."""
    (body,) = await bodies(server, anthropic, 1, tools=())
    assert "cache_control" not in json.dumps(body)


async def test_caching_is_a_setting(server: WireServer) -> None:
    """Switched off, no provider is asked for it."""
    settings = config.load(anthropic_api_key=KEY, anthropic_base_url=server.url, openai_api_key=KEY, prompt_cache=False)
    providers = model_choice.build_providers(settings)
    server.play(REPLY)
    await providers["anthropic"].complete(ask(system=LONG))
    for provider in providers.values():
        await provider.close()
    assert "cache_control" not in json.dumps(server.requests[0].body)
    assert vars(providers["openai"])["_prompt_cache"] is False


def billed(sent: list[dict[str, Any]], lookback: int = 20) -> list[Usage]:
    """What a cache that keeps and finds by marks makes of these requests; four bytes are a token.

    A request reads up to the longest beginning that was kept at one of its marks, or at most `lookback` blocks before one, and
    what it adds up to its last mark is kept.
    """
    known: set[str] = set()
    usages = []
    for body in sent:
        sizes = [0, *itertools.accumulate(len(json.dumps(block)) // 4 for block in bare(body))]
        begins = [json.dumps(bare(body)[:end]) for end in range(len(sizes))]
        ends = [mark + 1 for mark in marks(body)]
        found = [end - back for end in ends for back in range(lookback) if end > back and begins[end - back] in known]
        read = sizes[max(found, default=0)]
        write = sizes[max(ends, default=0)] - read
        known |= {begins[end] for end in ends}
        usages.append(Usage(input=sizes[-1], cache_read=read, cache_write=write))
    return usages


async def test_a_conversation_with_tools_costs_less_and_an_answer_at_once_no_more(server: WireServer) -> None:
    """By a real price: ten turns cost less than half of what they cost without a cache, and one call without tools the same."""
    price = tariff(Choice(model="anthropic:claude-sonnet-5-5"))
    sums = {}
    for cached in (True, False):
        provider = Anthropic(KEY, server.url, prompt_cache=cached)
        talk = await bodies(server, provider, 10)
        once = await bodies(server, provider, 1, tools=())
        sums[cached] = [sum(price.cost(usage) for usage in billed(some)) for some in (talk, once)]
        await provider.close()
    assert 0 < sums[True][0] < sums[False][0] / 2
    assert sums[True][1] == sums[False][1] > 0


async def test_a_turn_with_many_calls_still_reads_the_turn_before(server: WireServer, anthropic: Anthropic) -> None:
    """Forty blocks later the cache would search in vain from the end: the mark where the last turn ended finds it at once."""
    calls = tuple(CALLED.model_copy(update={"call_id": f"c{number}"}) for number in range(40))
    answers = tuple(ToolAnswer(call_id=call.call_id, name=call.name, text="result") for call in calls)
    long = (*turns(1), AssistantMessage(text="", calls=calls), ToolMessage(answers=answers))
    server.play(REPLY, REPLY)
    for messages in (turns(1), long):
        await anthropic.complete(ask(system=LONG, messages=messages))
    first, second = billed([seen.body for seen in server.requests])
    assert second.cache_read == first.input


TEXTS = st.text(min_size=1, max_size=2 * SMALLEST)


@given(system=st.text(max_size=2 * SMALLEST), texts=st.lists(TEXTS, min_size=1, max_size=9).filter(lambda some: len(some) % 2))
def test_marks_change_nothing_else(system: str, texts: list[str]) -> None:
    """Whatever the conversation: at most four marks, on the ends of user messages and instructions, and the text as it was."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": [{"type": "text", "text": text}]} for at, text in enumerate(texts)]
    body = {"tools": [{"name": "t"}], "messages": messages} | ({"system": system} if system else {})
    before = copy.deepcopy(body)
    made = marked(body)
    assert body == before
    assert bare(made) == bare(before)
    assert len(marks(made)) <= 4
    assert all("cache_control" not in message["content"][-1] for message in made["messages"] if message["role"] == "assistant")


def last_only(body: dict[str, Any]) -> dict[str, Any]:
    """A deliberately poor way: only the end of the prompt is marked."""
    *first, last = copy.deepcopy(body["messages"])
    last["content"][-1]["cache_control"] = {}
    return body | {"messages": [*first, last]}


def test_a_mark_at_the_end_alone_would_not_be_read() -> None:
    """The first test can fail: with only its own end marked, a turn has no mark where the one before wrote."""
    said = [{"role": role, "content": [{"type": "text", "text": LONG}]} for role in ("user", "assistant") * 3]
    one, two = ({"tools": [{"name": "t"}], "messages": said[:count]} for count in (3, 5))
    assert marks(marked(one))[-1] in marks(marked(two))
    assert marks(last_only(one))[-1] not in marks(last_only(two))
