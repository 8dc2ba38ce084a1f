"""A script plays the same conversation directly and over either wire format, and its mistakes are named by line."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.providers.anthropic import Anthropic
from activities.providers.base import RECOVERIES, ErrorKind, Provider, ProviderError
from activities.providers.scripted import Scripted
from contracts.conversation import (
    AssistantMessage,
    Message,
    ModelReply,
    ModelRequest,
    ToolAnswer,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
)
from contracts.errors import Misconfigured
from tests import children
from tests.wire.samples import KEY, LONG, MADE, SOON, ask, connect
from tests.wire.server import WireServer

SCRIPT = """
conversations:
  - agent: writer
    occurrence: 2
    text: "ticket 7"
    turns:
      - error: rate_limited
        retry_after_s: 1.5
        times: 2
      - text: let me look
        calls:
          - {tool: read_file, arguments: {path: a.py}}
          - {tool: search, arguments: {words: [x, y]}}
      - error: server
      - answer: {at: 2026-11-20, first: "@artifact:1", found: ["@artifact:search", "@artifact:search:1"], no: "@ x"}
      - raw: "not JSON"
      - stop: length
        text: "{half"
      - stop: refusal
      - calls: [{tool: read_file, raw: "{oops"}]
  - agent: writer
    turns:
      - answer: {general: true}
"""

START = UserMessage(text="Work on ticket 7.")

FOUND = ToolMessage(
    answers=(
        ToolAnswer(call_id="call_0_0", name="read_file", text='{"result": {"artifact": "aa11", "size": 3}}'),
        ToolAnswer(call_id="call_0_1", name="search", text='data:\n{"artifacts": [{"digest": "bb22"}, "cc33"]}\nend'),
    )
)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "writing.yaml"
    file.write_text(SCRIPT)
    return file


@pytest.fixture(params=["direct", *MADE])
async def player(request: pytest.FixtureRequest, script: Path) -> AsyncIterator[Provider]:
    """The script as a provider: in this process, and behind each wire format."""
    async with WireServer(script) as server:
        made = Scripted(script) if request.param == "direct" else connect(server, request.param)
        yield made
        await made.close()


def ask_turn(turn: int, *messages: Message, key: str = "k") -> ModelRequest:
    """A request of the scripted conversation."""
    return ask(turn=turn, key=f"{key}{turn}", messages=(START, *messages))


async def after_errors(player: Provider, request: ModelRequest) -> tuple[ModelReply, list[ProviderError]]:
    """The reply, and the errors that came before it under the same key."""
    errors: list[ProviderError] = []
    while len(errors) < 10:
        try:
            return await player.complete(request), errors
        except ProviderError as error:
            errors.append(error)
    raise AssertionError(f"no reply: {errors[-1]}")


def said_by(player: Provider, reply: ModelReply) -> AssistantMessage:
    """The reply as the next request carries it."""
    return AssistantMessage(text=reply.text, calls=reply.calls, provider=player.name, native=reply.native)


async def test_a_conversation_is_the_same_directly_and_over_the_wire(player: Provider) -> None:
    """Errors, calls, artifacts and answer come in the written order, alike in every format."""
    first, errors = await after_errors(player, ask_turn(0))
    assert [(error.kind, error.retry_after) for error in errors] == [("rate_limited", timedelta(seconds=1.5))] * 2
    assert first.calls == (
        ToolCall(call_id="call_0_0", name="read_file", arguments={"path": "a.py"}),
        ToolCall(call_id="call_0_1", name="search", arguments={"words": ["x", "y"]}),
    )
    assert (first.text, first.stop, first.model) == ("let me look", "tools", "model-1")
    second, errors = await after_errors(player, ask_turn(1, said_by(player, first), FOUND))
    assert [error.kind for error in errors] == ["server"]
    assert second.text == '{"at": "2026-11-20", "first": "aa11", "found": ["bb22", "bb22"], "no": "@ x"}'
    assert (first.usage, second.usage) == (Usage(input=6, output=15), Usage(input=45, output=19))


async def test_a_repeated_request_gets_the_same_reply(player: Provider) -> None:
    """The reply depends on the request alone; the errors before it come back only under another key."""
    first, _ = await after_errors(player, ask_turn(0))
    again, errors = await after_errors(player, ask_turn(0))
    assert (again.text, again.calls, errors) == (first.text, first.calls, [])
    _, errors = await after_errors(player, ask_turn(0, key="other"))
    assert len(errors) == 2


async def test_every_kind_of_reply_can_be_written(player: Provider) -> None:
    """Plain text, a length stop, a refusal and unreadable arguments arrive as what they are."""
    earlier: list[Message] = []
    replies = []
    for turn in range(6):
        if turn > 1:
            reply, _ = await after_errors(player, ask_turn(turn, *earlier))
            replies.append(reply)
        earlier += [AssistantMessage(text="said"), UserMessage(text="go on")]
    assert [(reply.text, reply.stop) for reply in replies] == [
        ("not JSON", "end"),
        ("{half", "length"),
        ("", "refusal"),
        ("", "tools"),
    ]
    (call,) = replies[-1].calls
    assert (call.arguments, call.problem is None) == ("{oops", False)


async def test_the_first_conversation_that_fits_is_played(script: Path) -> None:
    """Agent, occurrence and text must agree; text may stand in the system part."""
    player = Scripted(script)
    general = '{"general": true}'
    for request in (ask(occurrence=1, messages=(START,)), ask(occurrence=2, messages=(UserMessage(text="ticket 8"),))):
        assert (await player.complete(request)).text == general
    with pytest.raises(ProviderError):
        await player.complete(ask(system="about ticket 7", messages=(UserMessage(text="go"),)))


async def test_what_the_script_lacks_is_named(script: Path, tmp_path: Path) -> None:
    """A missing conversation, turn or artifact says where, for whom, and what to add; nothing is made up."""
    player = Scripted(script)
    task = UserMessage(text="T" * 200)
    cases = {
        "no conversation fits (agent editor, occurrence 2, turn 0": ask(agent="editor", messages=(task,)),
        "ends before this turn (agent writer, occurrence 1, turn 3": ask(occurrence=1, turn=3, messages=(task,)),
    }
    for said, request in cases.items():
        with pytest.raises(ProviderError) as caught:
            await player.complete(request)
        assert (caught.value.kind, caught.value.recovery) == ("no_script", "permanent")
        assert said in str(caught.value)
        assert str(script) in str(caught.value)
        assert f"{'T' * 80}'" in str(caught.value)
        assert "Add under conversations" in str(caught.value)


ARTIFACTS = [
    ("@artifact:1", (), "only 0 such"),
    ("@artifact:2", ('{"artifact": "a"}',), "only 1 such"),
    ("@artifact:1", ("nothing here",), "has none"),
    ("@artifact:1", ("{oops",), "has none"),
    ("@artifact:1", ('{"artifact": 3}',), "has none"),
    ("@artifact:write", ('{"artifact": "a"}',), "only 0 such"),
    ("@artifact:0", ('{"artifact": "a"}',), "neither"),
    ("@artifact:", ('{"artifact": "a"}',), "neither"),
]


@pytest.mark.parametrize(("value", "texts", "said"), ARTIFACTS)
async def test_an_artifact_that_is_not_there_is_named(tmp_path: Path, value: str, texts: tuple[str, ...], said: str) -> None:
    """A reference that cannot be filled is an error, never sent on as text."""
    file = tmp_path / "s.yaml"
    file.write_text(f'conversations: [{{agent: writer, turns: [{{answer: {{of: "{value}"}}}}]}}]')
    answers = tuple(ToolAnswer(call_id=str(index), name="read_file", text=text) for index, text in enumerate(texts))
    with pytest.raises(ProviderError, match=said) as caught:
        await Scripted(file).complete(ask(messages=(START, ToolMessage(answers=answers))))
    assert caught.value.kind == "no_script"


MISTAKES = [
    ("conversations:\n  - agnt: w\n    turns: [{raw: x}]", ":2: conversations.0.agnt: is not a known key"),
    ("conversations:\n  - agent: w\n    turns:\n      - answr: {}", ":4: conversations.0.turns.0.answr: is not a known key"),
    (
        "conversations:\n  - agent: w\n    turns:\n      - raw: x\n        stop: length",
        ":4: conversations.0.turns.0: a turn is exactly one",
    ),
    ("conversations:\n  - agent: w\n    turns: [{raw: x, times: 2}]", "times only goes with error, not with raw"),
    ("conversations:\n  - agent: w\n    turns: [{raw: x, text: y}]", "text only goes with calls or stop"),
    ("conversations:\n  - agent: w\n    turns: [{calls: []}]", "calls is empty"),
    ("conversations:\n  - agent: w\n    turns: [{calls: [{tool: x, raw: y, arguments: {a: 1}}]}]", "not both"),
    ("conversations:\n  - agent: w\n    turns: [{answer: {a: .nan}}]", "not JSON compliant"),
    ("conversations:\n  - agent: w\n    turns: [{error: bored}]", ":3: conversations.0.turns.0.error: Input should be"),
    ("conversations:\n  - agent: w\n    turns: []", ":2: conversations.0: turns is empty"),
    ("conversations:\n  - agent: w\n    agent: v\n    turns: [{raw: x}]", ":3: agent is written twice"),
    ("conversations: [", "is not YAML"),
    ("", "(whole file)"),
    ("- 1", "(whole file)"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_in_a_script_is_named_by_file_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    """A script with a mistake is refused when it is loaded, where a person can read what to correct."""
    file = tmp_path / "s.yaml"
    file.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        Scripted(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


async def test_a_folder_of_scripts_is_chosen_by_model(script: Path, tmp_path: Path) -> None:
    """In a folder, the model's name is the script's; a missing script, file or folder says what there is."""
    player = Scripted(script.parent)
    assert (await player.complete(ask(model="writing", occurrence=1))).text == '{"general": true}'
    with pytest.raises(ProviderError, match="name one of writing"):
        await player.complete(ask(model="other"))
    for missing in (tmp_path / "none.yaml", tmp_path / "none"):
        with pytest.raises(Misconfigured, match="none"):
            Scripted(missing)


@pytest.mark.parametrize("kind", RECOVERIES)
async def test_every_error_can_be_played_on_the_wire(tmp_path: Path, kind: ErrorKind) -> None:
    """A scripted error reaches the caller over HTTP as itself, or as what a client would make of it."""
    file = tmp_path / "s.yaml"
    file.write_text(f"conversations: [{{agent: writer, turns: [{{error: {kind}}}, {{raw: x}}]}}]")
    seen_as = {"connection": "cut", "no_script": "bad_request"}
    async with WireServer(file) as server:
        for name in MADE:
            provider = connect(server, name)
            request = ask(key=f"{name}-{kind}", timeout=SOON if kind == "timeout" else LONG)
            with pytest.raises(ProviderError) as caught:
                await provider.complete(request)
            assert caught.value.kind == seen_as.get(kind, kind)
            assert (await provider.complete(ask(key=request.key))).text == "x"
            await provider.close()


async def test_the_server_runs_by_hand(script: Path) -> None:
    """Started as a program, the server says its addresses and answers a real client there."""
    command = [sys.executable, "-m", "tests.wire.server", "--script", str(script), "--port", "0"]
    async with children.started_here(*command, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        provider = Anthropic(KEY, line.split(",")[0].rpartition(" ")[2])
        reply = await provider.complete(ask(occurrence=1))
        await provider.close()
    assert reply.text == '{"general": true}'
