"""docs/models.md: each block that can be copied is loaded and plays a turn, and its table says what the code does."""

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import config
import model_choice
from activities.money.prices import tariff
from activities.providers import platforms
from activities.providers.capabilities import TABLE, Known, capabilities
from contracts.agents import Choice
from contracts.conversation import AssistantMessage, ToolAnswer, ToolMessage, UserMessage
from contracts.endpoints import PATHS, EndpointSetting
from contracts.errors import Misconfigured
from tests.docs.pages import ROOT, Block, blocks
from tests.wire import outcomes
from tests.wire.clouds import ACCESS, SECRET, TokenServer
from tests.wire.samples import CALLS, REPLY, ask
from tests.wire.server import WireServer

PAGE = ROOT / "docs" / "models.md"
COPIED = [one for one in blocks(PAGE) if one.language == "toml" and one.argument.startswith("tests/wire/test_models_page.py")]
UNPRICED = "litellm"
"""Its names are the operator's own, so that its price is, too."""

HEAD = "| vendor | models | schema and tools | schema | strict | output limit | note after tools | call ids |"


def told(block: Block) -> str:
    """The block's model: the name of a test."""
    return str(tomllib.loads(block.text)["model"])


@pytest.fixture(scope="module")
async def tokens() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


@pytest.mark.parametrize("block", COPIED, ids=told)
async def test_a_copied_block_plays_a_turn_with_tools(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokens: TokenServer, block: Block
) -> None:
    """Calls, their results and the final output go over the wire at the block's own path; only the host is another."""
    server.anywhere = True
    server.play(CALLS, REPLY)
    values: dict[str, Any] = tomllib.loads(block.text)
    ((name, table),) = values["providers"].items()
    whole = model_choice.endpoints(config.load(**values))[name]
    address = urlsplit(whole.base_url)
    table["base_url"] = f"{server.url}{address.path}"
    if variable := table.get("key_env"):
        monkeypatch.setenv(variable, "key-of-the-block")
    if whole.platform == "bedrock":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    if whole.platform == "vertex":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tokens.account(tmp_path / "key.json")))
    settings = config.load(**values)
    provider, choice = model_choice.build_providers(settings)[name], Choice(model=values["model"])
    first = await provider.complete(ask(model=choice.model_name))
    echo = AssistantMessage(text=first.text, calls=first.calls, provider=name, native=first.native)
    answers = tuple(ToolAnswer(call_id=call.call_id, name=call.name, text="hello") for call in first.calls)
    talk = (UserMessage(text="Write."), echo, ToolMessage(answers=answers), UserMessage(text="This step ends now."))
    last = await provider.complete(ask(model=choice.model_name, messages=talk, tools=()))
    await provider.close()
    assert (len(first.calls), last.text, len(server.requests)) == (2, REPLY.text, 2)
    path = address.path.replace("{model}", choice.model_name) + PATHS[whole.speaks or "chat"]
    if whole.platform is not None:
        path = address.path + platforms.path(whole, choice.model_name, stream=True)
    assert {seen.asked.partition("?")[0] for seen in server.requests} == {path}
    assert all(seen.headers.get("user-agent") for seen in server.requests)


@pytest.mark.parametrize("block", COPIED, ids=told)
def test_a_copied_block_has_a_price_or_is_free(block: Block) -> None:
    """Its first call is not refused for want of a price, but where the price has to be the operator's own."""
    settings = config.load(**tomllib.loads(block.text))
    choice = model_choice.at_endpoint(Choice(model=settings.model), model_choice.endpoints(settings))
    if choice.provider == UNPRICED:
        with pytest.raises(Misconfigured, match=r"Say vendor = "):
            tariff(choice, vendors=model_choice.vendors(settings))
    else:
        assert tariff(choice, vendors=model_choice.vendors(settings)).version


def test_every_server_that_people_ask_for_is_there() -> None:
    """A block each, two for Azure."""
    names = [told(one).partition(":")[0] for one in COPIED]
    wanted = (
        "azure azure openrouter ollama llamacpp vllm lmstudio litellm deepseek kimi glm gemini mistral groq xai bedrock vertex"
    )
    assert set(names) == set(wanted.split())
    assert names.count("azure") == 2


def test_the_page_says_what_endpoints_are_taken_for() -> None:
    """The table of capabilities is the one in the code."""
    assert table() in PAGE.read_text()


async def test_the_page_says_what_was_seen() -> None:
    """The table of outcomes is what the blocks come to when they are played: nothing fails, and no error is mistaken."""
    seen = await outcomes.table()
    assert seen == outcomes.written(), "run `python -m tests.wire.outcomes --write`"
    assert seen.count("\n") == len(outcomes.played()) + 2 > 15
    assert not [
        line for line in seen.splitlines() if "| no |" in line or (f"| {len(outcomes.FAULTS)} of" not in line and "`" in line)
    ]


def table() -> str:
    """The page's table, from the code."""
    rows = [("openai, azure", "*", capabilities(EndpointSetting(vendor="openai"), "chat", "gpt"))]
    rows.append(("any other, or none", "*", capabilities(EndpointSetting(), "chat", "x")))
    for vendor, glob, _ in TABLE:
        rows.append((vendor, glob, capabilities(EndpointSetting(vendor=vendor), "chat", glob.replace("*", ""))))
    body = "".join(f"| {vendor} | `{glob}` | {_row(known)} |\n" for vendor, glob, known in rows)
    return f"{HEAD}\n|{' --- |' * 8}\n{body}"


def _row(known: Known) -> str:
    strict = "yes" if known.strict else "no"
    cells = (known.schema_with_tools, known.schema_form, strict, f"`{known.max_tokens}`", known.after_tools, known.call_ids)
    return " | ".join(cells)
