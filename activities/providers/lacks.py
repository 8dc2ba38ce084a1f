"""What an endpoint lacks, by the words with which it refuses a field or a message, and which setting helps.

The settings are those of `[providers.NAME.capabilities]`, see docs/models.md.
"""

import re

from activities.providers.error_words import words

_TOO_MUCH_OUTPUT = words(
    # OpenAI: "max_tokens is too large: 100000. This model supports at most 16384 completion tokens".
    r"supports at most \d+ (?:completion|output) tokens",
    # Anthropic: "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens".
    r"max_tokens: \d+ > \d+, which is the maximum allowed",
    # DeepSeek: "the valid range of max_tokens is [1, 8192]"; Qwen: "Range of max_tokens should be [1, 8192]".
    r"range of max_(?:completion_)?tokens",
    # Groq: "`max_tokens` must be less than or equal to `8192`".
    r"max_(?:completion_)?tokens`? must be (?:less|at most|between|<=)",
    # Gemini: "max_output_tokens must be in the range".
    r"max_?output_?tokens.{0,40}range",
    # Bedrock: "The maximum tokens you requested exceeds the model limit of 4096".
    r"maximum tokens you requested exceeds",
)

_LACKS = r"(?:not|n't|no longer) (?:be )?(?:currently )?(?:support\w*|available)|unsupported|unavailable|not? accept"
_FIELD = rf"{_LACKS}|unrecognized|unknown|unexpected|not permitted|not allowed|extra (?:inputs?|fields)"
_NEEDS = r"required|missing|must (?:be|have|not be)|should be|not an allowed|cannot be|can't be|expected|invalid|null"


def _refused(what: str, how: str = _FIELD) -> re.Pattern[str]:
    """`what` and a refusal of it, in one sentence."""
    return re.compile(rf"(?:{what})[^.;]{{0,120}}?(?:{how})|(?:{how})[^.;]{{0,80}}?(?:{what})", re.IGNORECASE | re.DOTALL)


_SETTINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (_TOO_MUCH_OUTPUT, "Lower `limits.output_tokens` of the agent to what this model can write"),
    # OpenAI's reasoning models: "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead".
    (
        words(r"max_tokens\W{0,3} is not supported.{0,60}max_completion_tokens"),
        'Set `max_tokens = "max_completion_tokens"` in the capabilities of this endpoint or model',
    ),
    # Mistral, older servers and gateways: "Unrecognized request argument supplied: max_completion_tokens".
    (_refused("max_completion_tokens"), 'Set `max_tokens = "max_tokens"` in the capabilities of this endpoint or model'),
    # vLLM: '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'.
    (
        words(r"requires? --enable-auto-tool-choice|--tool-call-parser"),
        "Start the server with --enable-auto-tool-choice and --tool-call-parser",
    ),
    # Gemini: "Function calling with a response mime type: 'application/json' is unsupported"; Groq: "json mode cannot be
    # combined with tool/function calling".
    (
        words(
            r"function call\w*.{0,60}(?:response mime type|json).{0,60}unsupported",
            r"(?:json mode|response[_ ]format|json_schema).{0,60}(?:not|can't) be (?:combined|used) with (?:tool|function)",
        ),
        'Set `schema_with_tools = "apart"` in the capabilities of this endpoint or model',
    ),
    # Mistral: "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9".
    (
        words(r"tool call id.{0,80}length of 9|tool_call_id.{0,80}(?:length|must be).{0,20}\b9\b"),
        'Set `call_ids = "nine"` in the capabilities of this endpoint or model',
    ),
    # Mistral and templates: "Unexpected role 'user' after role 'tool'"; "roles must alternate user/assistant".
    (
        words(r"unexpected role.{0,20}user.{0,20}after role.{0,20}tool|roles must alternate"),
        'Set `after_tools = "merged"` (or "assistant") in the capabilities of this endpoint or model',
    ),
    # Older TGI, llama-cpp-python and gateways in Python: "messages.2.content: field required"; LM Studio wants a string.
    (
        words(
            rf"messages?\W{{0,2}}\d+\W{{1,3}}(?:\w+\W{{1,3}})?content\b.{{0,60}}(?:{_NEEDS}|none)",
            rf"(?:assistant message|message content|'?content'? (?:field|must|is)).{{0,60}}(?:{_NEEDS})",
        ),
        'Set `call_content = "empty"` in the capabilities of this endpoint or model',
    ),
    # Groq, also behind gateways: "'messages.2' : property 'reasoning_content' is unsupported".
    (
        _refused(
            r"\breasoning_(?:content|details)\b|\bthinking_blocks\b|(?:property '|messages?\W{1,3}\w+\W{1,3})reasoning\b",
            r"unsupported|not supported|not permitted|extra (?:inputs?|fields)",
        ),
        "Set `reasoning_back = false` in the capabilities of this endpoint or model",
    ),
    # Gemini: 'Unknown name "additionalProperties" at 'tools[0].function_declarations[0].parameters''.
    (
        words(r"additional_?properties.{0,80}(?:tools\[|function_declarations|parameters)|tools.{0,80}additional_?properties"),
        "The endpoint takes no tool whose arguments are a closed object, and no setting changes that: change the route to "
        "another model or endpoint",
    ),
    # The same of 'generation_config.response_schema'.
    (
        _refused(r"additional_?properties"),
        'Set `schema_form = "json_object"` or "none" in the capabilities of this endpoint or model',
    ),
    # Gemini: 'Unknown name "strict"', 'Unknown name "additionalProperties"'; others: "'strict' is not supported".
    (_refused(r"\bstrict\b"), "Set `strict = false` in the capabilities of this endpoint or model"),
    # Mistral and servers in Python: "stream_options: Extra inputs are not permitted".
    (_refused("stream_options|include_usage"), "Set `stream_usage = false` in the capabilities of this endpoint or model"),
    # OpenAI: "Your organization must be verified to stream this model"; vLLM, Bedrock: "streaming is not supported".
    (
        words(r"verified to stream", r"['`\"]stream['`\"].{0,60}(?:unsupported|not support)", r"stream(?:ing)? (?:is|are) not"),
        "Set `stream = false` in the capabilities of this endpoint or model",
    ),
    (
        _refused("parallel_tool_calls"),
        "Leave `parallel_tool_calls` out of the capabilities of this endpoint or model",
    ),
    # DeepSeek: "This response_format type is unavailable now"; Groq: "does not support response format `json_schema`".
    (
        _refused(
            r"response[_ ](?:format|mime[_ ]type|schema)|json[_ ]?schema|output_(?:config|format)|text\.format|guided_json"
            r"|structured outputs?"
        ),
        'Set `schema_form = "json_object"` or "none" in the capabilities of this endpoint or model',
    ),
    # Ollama: "does not support tools"; OpenRouter: "No endpoints found that support tool use".
    (
        _refused(
            r"\btools?\b|tool[_ ](?:choice|use|calls?)\b|function[_ ]call(?:ing|s)?",
            rf"{_LACKS}|no endpoints found that support",
        ),
        "The endpoint takes no tools for this model: change the route to a model that calls tools",
    ),
    # LiteLLM: "anthropic does not support parameters: ['prompt_cache_key']"; servers in Python: "extra fields not permitted".
    (_refused("prompt_cache_key"), "Set `prompt_cache = false` in the table of this endpoint"),
    # Fields that only some vendors know: `unsupported_parameter` at OpenAI, `extra_forbidden` at servers in Python.
    (
        words(
            r"(?:not|n't) support (?:the )?(?:following )?param(?:eter)?s?\b",
            r"(?:unrecognized|unknown|unsupported|unexpected) (?:request )?(?:argument|parameter|field|value|keyword|key)",
            r"extra (?:inputs|fields) (?:are )?not permitted|property .{0,60} is (?:not supported|unsupported)",
            r"parameter .{0,60} (?:is not supported|not supported|is unsupported)",
        ),
        "The endpoint does not take a field of this request, see its words: if none of its capabilities leaves the field out, "
        "change the route to a model or endpoint that takes it",
    ),
)


def advice_on_lack(message: str) -> str:
    """What to set or change for an endpoint that lacks a feature, by its words; "" if they speak of none."""
    return next((advice for wording, advice in _SETTINGS if wording.search(message)), "")
