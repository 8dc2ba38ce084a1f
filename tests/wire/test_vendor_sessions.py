"""Two turns with servers of many vendors: what each really answers is read, and what it then gets is what it takes."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

import config
import model_choice
from contracts.conversation import UserMessage
from tests.wire.samples import REPLY, ask
from tests.wire.server import Play, WireServer
from tests.wire.strict import Rule, back, contents, forgetful, legacy, nine, no_schema, order, paired, reasoned, thinks_first
from tests.wire.told import answers, earlier
from tests.wire.vendors import ARGUMENTS, TEXT, completion, events, item, message, response, said, use


@dataclass(frozen=True)
class Vendor:
    """An endpoint's table, its first answer, and what it refuses afterwards."""

    first: Any
    refuses: tuple[Rule, ...] = ()
    table: dict[str, Any] = field(default_factory=dict)
    speaks: str = "chat"
    model: str = "model-1"
    calls: int = 1
    usage: tuple[int, int] = (1200, 90)
    usd_micros: int | None = None


def chat(call: dict[str, Any], finish: Any = "tool_calls", more: Any = (), **beside: Any) -> dict[str, Any]:
    """A completion that calls, with fields `beside` the calls and `more` around them."""
    return completion({"role": "assistant", "content": None, "tool_calls": [call]} | beside, finish, **dict(more))


def function(arguments: Any = '{"title": "a"}', **more: Any) -> dict[str, Any]:
    """A call as OpenAI writes it."""
    return {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": arguments}} | more


OLLAMA = {"id": "", "function": {"index": 0, "name": "read_file", "arguments": ARGUMENTS}}
CARELESS = (paired, contents, no_schema, legacy)
USED = {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1290}
PIECES = [
    {"role": "assistant", "reasoning_content": "h"},
    {"reasoning_content": "m"},
    {"tool_calls": [{"index": 0, "id": "", "function": {"name": "read_file", "arguments": '{"ti'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": 'tle": "a"}'}}]},
]
STREAM = events(
    *({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": one, "finish_reason": None}]} for one in PIECES),
    {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    {"object": "chat.completion.chunk", "choices": [], "usage": USED | {"prompt_cache_hit_tokens": 1000}},
)
ROUTED = {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1"}]}
SIGNED = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "sig"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA", "status": None}

VENDORS: dict[str, Vendor] = {
    "Ollama": Vendor(chat(OLLAMA, "stop", content="<think>\nhm</think>\n"), CARELESS),
    "Ollama, two alike": Vendor(
        completion({"role": "assistant", "content": "", "tool_calls": [OLLAMA, OLLAMA]}, "stop"), CARELESS, calls=2
    ),
    "llama.cpp": Vendor(
        chat(function(), content="", reasoning_content="hm", more={"timings": {"predicted_ms": 1.5}, "__verbose": None}),
        (*CARELESS, back("reasoning_content")),
    ),
    "llama-cpp-python": Vendor(
        chat(function(id="call__0_read_file_cmpl-6b4a3f00-5c1d-4f9e-9d2b-1f0e"), "tool_calls", function_call={"name": "x"}),
        CARELESS,
    ),
    "vLLM": Vendor(
        chat(
            function(id="chatcmpl-tool-6b4a3f005c1d4f9e9d2b1f0e1a2b3c4d"),
            reasoning=None,
            function_call=None,
            refusal=None,
            annotations=None,
            more={"prompt_logprobs": None, "usage": USED | {"prompt_tokens_details": None}, "kv_transfer_params": None},
        ),
        CARELESS,
    ),
    "SGLang": Vendor(
        chat(function(index=-1), "tool_calls", reasoning_content=None, more={"metadata": {"weight": 1}}), CARELESS
    ),
    "LM Studio": Vendor(chat(function(id="365174485"), more={"stats": {}, "system_fingerprint": "qwen"}), CARELESS),
    "TGI": Vendor(chat(function(ARGUMENTS, id=0), "stop", more={"system_fingerprint": "3.0"}), CARELESS),
    "DeepSeek": Vendor(
        chat(
            function(id="call_00_Ab12"),
            content="",
            reasoning_content="hm",
            more={"usage": USED | {"prompt_cache_hit_tokens": 1152, "prompt_cache_miss_tokens": 48}},
        ),
        (paired, no_schema, legacy, back("reasoning_content")),
        {"vendor": "deepseek"},
    ),
    "DeepSeek, streamed": Vendor(STREAM, (paired, no_schema, legacy, back("reasoning_content")), {"vendor": "deepseek"}),
    "Kimi": Vendor(
        chat(
            function(id="functions.read_file:0", index=0),
            content="",
            reasoning_content="hm",
            more={"usage": USED | {"cached_tokens": 1024}},
        ),
        (paired, no_schema, legacy, back("reasoning_content")),
        {"vendor": "moonshotai"},
    ),
    "GLM": Vendor(
        chat(function(index=0), content="\n", reasoning_content="\nhm", more={"request_id": "2026", "created": 1}),
        (paired, no_schema, legacy, back("reasoning_content")),
        {"vendor": "zai"},
    ),
    "Qwen": Vendor(
        chat(function(index=0), "tool_calls", content="", reasoning_content="hm", more={"system_fingerprint": None}), CARELESS
    ),
    "Gemini": Vendor(
        chat(function(id="") | SIGNED, "stop", more={"usage": USED | {"total_tokens": 1690}}),
        (paired, no_schema, back("tool_calls", "0", "extra_content")),
        {"vendor": "google"},
        usage=(1200, 490),
    ),
    "Gemini, gzip": Vendor(
        chat(function(id="function-call-1234567890") | SIGNED, "tool_calls"),
        (paired, no_schema, back("tool_calls", "0", "extra_content")),
        {"vendor": "google"},
    ),
    "Mistral": Vendor(
        chat(
            function(id="D681PevKs"),
            content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": ""}],
        ),
        (paired, nine, order, legacy),
        {"vendor": "mistral"},
    ),
    "Mistral behind OpenRouter": Vendor(
        chat(function(id="call_e6c2"), native_finish_reason="tool_calls", more={"provider": "Mistral"}),
        (paired, nine, order, legacy),
        {"vendor": "openrouter"},
        model="mistralai/mistral-large",
    ),
    "OpenRouter": Vendor(
        chat(
            function(id="tool_0_read_file", index=0),
            refusal=None,
            **ROUTED,
            more={"provider": "Google", "usage": USED | {"cost": 0.00421, "is_byok": False, "cost_details": {}}},
        ),
        (paired, legacy, back("reasoning_details")),
        usd_micros=4210,
    ),
    "Groq": Vendor(
        chat(
            function(id="fc_9f7d"),
            reasoning="hm",
            more={"usage": USED | {"queue_time": 0.02, "total_time": 0.4}, "x_groq": {"id": "req_1"}, "usage_breakdown": None},
        ),
        (paired, no_schema, back("reasoning")),
        {"vendor": "groq"},
    ),
    "Groq behind LiteLLM": Vendor(
        chat(function(id="fc_9f7d"), content="", reasoning_content="hm", thinking_blocks=[THINKING]),
        (*CARELESS, forgetful),
        {"capabilities": {"reasoning_back": False}},
    ),
    "xAI": Vendor(
        chat(
            function(id="call_49081"),
            content="",
            reasoning_content="hm",
            more={
                "usage": {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1690}
                | {
                    "completion_tokens_details": {"reasoning_tokens": 400},
                    "num_sources_used": 0,
                    "cost_in_usd_ticks": 25_000_000,
                }
            },
        ),
        (paired, no_schema),
        {"vendor": "x-ai"},
        usage=(1200, 490),
        usd_micros=2500,
    ),
    "Cohere": Vendor(chat(function(id="read_file_ab12"), "TOOL_CALL"), CARELESS),
    "Cloudflare": Vendor(chat({"name": "read_file", "arguments": ARGUMENTS}, ..., content=""), CARELESS),
    "Together": Vendor(chat(function(index=0), "tool_calls", content=[], more={"prompt": []}), CARELESS),
    "Perplexity": Vendor(
        chat(function(), more={"usage": USED | {"cost": {"total_cost": 0.006}}, "citations": ["http://h"]}),
        CARELESS,
        usd_micros=6000,
    ),
    "Cerebras": Vendor(
        chat(function(id="e2af"), reasoning="hm", more={"time_info": {"total_time": 1}}), (*CARELESS, back("reasoning"))
    ),
    "GitHub Models": Vendor(
        chat(function(), content_filter_results={}, more={"prompt_filter_results": [{"prompt_index": 0}]}), CARELESS
    ),
    "LiteLLM over Claude": Vendor(
        chat(
            function(id="toolu_01"),
            content="",
            reasoning_content="hm",
            thinking_blocks=[THINKING],
            provider_specific_fields={"citations": None},
            more={
                "usage": {"prompt_tokens": 1200, "completion_tokens": 90, "total_tokens": 1290}
                | {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
            },
        ),
        (*CARELESS, back("thinking_blocks")),
    ),
    "Claude": Vendor(
        message([THINKING, use("toolu_01A09q90qw90lq917835lq9", caller={"type": "direct"})], "tool_use", container=None),
        (paired, thinks_first),
        {"vendor": "anthropic"},
        "messages",
    ),
    "Claude, hidden thoughts": Vendor(
        message(
            [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "", "citations": None}, use()], "tool_use"
        ),
        (paired, thinks_first),
        {"vendor": "anthropic"},
        "messages",
    ),
    "Kimi's Messages": Vendor(
        message([THINKING | {"signature": ""}, use("read_file:0", '{"title": "a"}')], "tool_use", stop_sequence=""),
        (paired, thinks_first, no_schema, legacy),
        {},
        "messages",
    ),
    "GLM's Messages": Vendor(
        message([use("call_1")], "tool_use", usage={"input_tokens": 200, "output_tokens": 90, "cache_read_input_tokens": 1000}),
        (paired, no_schema, legacy),
        {},
        "messages",
    ),
    "OpenAI": Vendor(
        response(SEALED, item(status="completed"), service_tier="default"),
        (paired, reasoned),
        {"vendor": "openai"},
        "responses",
    ),
    "OpenAI without its seal": Vendor(
        response({"type": "reasoning", "id": "rs_1", "summary": []}, item()),
        (paired, reasoned),
        {"vendor": "openai"},
        "responses",
    ),
    "vLLM's Responses": Vendor(
        response(
            {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            item("chatcmpl-tool-" + "a" * 60, ARGUMENTS, status=None),
        ),
        (paired, reasoned, no_schema),
        {},
        "responses",
    ),
    "OpenRouter's Responses": Vendor(
        response(SEALED, said(phase="commentary"), item(id="fc"), error=None, incomplete_details=None),
        (paired, reasoned, no_schema),
        {},
        "responses",
    ),
}


@pytest.mark.parametrize("name", VENDORS)
async def test_a_session_with_a_vendor(server: WireServer, name: str) -> None:
    """The call is read, with its usage and stated cost; its answer and a note go back in the form that this server takes."""
    vendor = VENDORS[name]
    base = server.url if vendor.speaks == "messages" else server.openai_url
    table = {"speaks": vendor.speaks, "base_url": base} | vendor.table
    provider = model_choice.build_providers(config.load(providers={"own": table}))["own"]
    server.play(played(name, vendor.first), REPLY)
    reply = await provider.complete(ask(model=vendor.model))
    assert [(one.name, one.arguments, one.problem) for one in reply.calls] == [("read_file", ARGUMENTS, None)] * vendor.calls
    assert reply.stop == "tools"
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output) == vendor.usage
    assert (None if reply.stated is None else reply.stated.usd_micros) == vendor.usd_micros
    talk = (UserMessage(text="Write."), earlier(reply, provider, vendor.model), answers(reply), UserMessage(text="Note."))
    assert (await provider.complete(ask(model=vendor.model, messages=talk))).text == TEXT
    await provider.close()
    sent = server.requests[1].body
    assert [refused for rule in vendor.refuses if (refused := rule(sent))] == []
    assert "Note." in json.dumps(sent)
    assert not no_schema(server.requests[0].body) or vendor.table.get("vendor") in ("anthropic", "openai")


def played(name: str, body: Any) -> Play:
    """The answer on the wire; some come compressed, or after comments."""
    if name.endswith("gzip"):
        return Play(gzip.compress(json.dumps(body).encode()), headers={"content-encoding": "gzip"})
    if name == "OpenRouter":
        return Play(b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" + json.dumps(body).encode())
    return Play(body)
