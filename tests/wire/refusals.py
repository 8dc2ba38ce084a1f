"""Errors as vendors word them, by what they mean: a status and a body each. Collected from documentation and reports."""

from typing import Any

from activities.providers.base import ErrorKind
from tests.wire.server import Play


def error(message: str, status: int = 400, **fields: Any) -> Play:
    """An error in the form of OpenAI and of most who speak like it."""
    return Play({"error": {"message": message, **fields}}, status=status)


def gemini(message: str, status: int, name: str, *details: dict[str, Any]) -> Play:
    """One of Gemini's, as its compatible endpoint sends it: in a list."""
    return Play([{"error": {"code": status, "message": message, "status": name, "details": list(details)}}], status=status)


def anthropic(message: str, status: int = 400, kind: str = "invalid_request_error") -> Play:
    """One of Anthropic's."""
    return Play({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}, status=status)


def openrouter(raw: str, status: int = 400) -> Play:
    """OpenRouter's, around what a provider behind it said."""
    wrapped = {"message": "Provider returned error", "code": status, "metadata": {"raw": raw, "provider_name": "Chutes"}}
    return Play({"error": wrapped, "user_id": "user_1"}, status=status)


def litellm(message: str, status: int = 400) -> Play:
    """LiteLLM's, around what a provider behind it said."""
    tail = "\nReceived Model Group=small\nAvailable Model Group Fallbacks=None LiteLLM Retried: 2 times, LiteLLM Max Retries: 2"
    return error(message + tail, status, type=None, param=None, code=str(status))


MEANINGS: dict[ErrorKind, dict[str, Play]] = {
    "too_large": {
        "Anthropic": anthropic("prompt is too long: 212415 tokens > 200000 maximum"),
        "Anthropic, with output": anthropic("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"),
        "OpenAI": error(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            code="context_length_exceeded",
        ),
        "OpenAI, by tokens per minute": error(
            "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 39512.",
            429,
            code="rate_limit_exceeded",
        ),
        "Azure": error("This model's maximum context length is 128000 tokens, however you requested 140000 tokens"),
        "vLLM": Play(
            {
                "object": "error",
                "message": "The decoder prompt (length 40103) is longer than the maximum model length of 32768.",
                "type": "BadRequestError",
                "code": 400,
            },
            status=400,
        ),
        "llama.cpp": error(
            "the request exceeds the available context size (4096 tokens), try increasing it",
            type="exceed_context_size_error",
            n_ctx=4096,
        ),
        "Ollama": Play({"error": "the input length exceeds the context length"}, status=400),
        "LM Studio": Play(
            {
                "error": "Trying to keep the first 6132 tokens when context the overflows. However, the model is loaded with "
                "context length of only 4096 tokens, which is not enough."
            },
            status=400,
        ),
        "Gemini": gemini(
            "The input token count (1253310) exceeds the maximum number of tokens allowed (1048576).", 400, "INVALID_ARGUMENT"
        ),
        "Mistral": Play(
            {
                "object": "error",
                "message": "Prompt contains 140113 tokens and 0 draft tokens, too large for model with 131072 maximum "
                "context length",
                "type": "invalid_request_prompt",
                "code": "3051",
            },
            status=400,
        ),
        "xAI": Play(
            {
                "code": "Client specified an invalid argument",
                "error": "This model's maximum prompt length is 131072 but the request contains 150331 tokens.",
            },
            status=400,
        ),
        "Groq": error("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 20000", 413),
        "DeepSeek": error("This model's maximum context length is 65536 tokens. However, you requested 70012 tokens"),
        "Kimi": error("Invalid request: Your request exceeded model token limit: 131072", type="invalid_request_error"),
        "GLM": error("Prompt exceeds max length", code="1261"),
        "Qwen": Play(
            {"code": "InvalidParameter", "message": "<400> InternalError.Algo: Range of input length should be [1, 129024]"},
            status=400,
        ),
        "Bedrock": error("Input is too long for requested model.", type="ValidationException"),
        "LiteLLM": litellm("litellm.ContextWindowExceededError: litellm.BadRequestError: this does not fit"),
        "OpenRouter": openrouter('{"object":"error","message":"maximum context length is 40960 tokens","code":400}'),
    },
    "credit": {
        "Anthropic": anthropic(
            "You have reached your specified API usage limits. You will regain access on 2099-12-01 at 00:00 UTC."
        ),
        "OpenAI": error(
            "You exceeded your current quota, please check your plan and billing details.", 429, code="insufficient_quota"
        ),
        "OpenAI, inactive": error(
            "Your account is not active, please check your billing details.", 429, code="billing_not_active"
        ),
        "Kimi": error("Your account org-1 is suspended, please recharge", 429, type="exceeded_current_quota_error"),
        "GLM": error("余额不足或无可用资源包,请充值。", 429, code="1113"),
        "Qwen": Play(
            {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."}, status=400
        ),
        "DeepSeek": error("Insufficient Balance", 402, type="unknown_error"),
        "DeepSeek, through a gateway": openrouter('{"error":{"message":"Insufficient Balance","type":"unknown_error"}}'),
        "GLM, through a gateway": litellm("litellm.APIError: ZaiException - 余额不足或无可用资源包,请充值。", 500),
        "xAI": Play(
            {
                "code": "The caller does not have permission to execute the specified operation",
                "error": "Your team t has either used all available credits or reached its monthly spending limit.",
            },
            status=403,
        ),
        "OpenRouter": error("This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens", 402),
        "LiteLLM": litellm(
            "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan",
            429,
        ),
        "LiteLLM's key": error("Budget has been exceeded! Current cost: 0.02, Max budget: 0.01", 400, type="budget_exceeded"),
        "Gemini without a plan": gemini(
            "You exceeded your current quota. * Quota exceeded for metric: generate_content_free_tier_requests, limit: 0. "
            "Please retry in 21.5s.",
            429,
            "RESOURCE_EXHAUSTED",
        ),
        "SiliconFlow": Play(
            {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}, status=403
        ),
        "Bedrock": error("Model access is denied due to INVALID_PAYMENT_INSTRUMENT", 403, type="AccessDeniedException"),
    },
    "authentication": {
        "Gemini": gemini(
            "API key not valid. Please pass a valid API key.", 400, "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}
        ),
        "xAI": Play(
            {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***ey."}, status=400
        ),
        "GLM": error("身份验证失败。", 400, code="1000"),
        "Qwen": Play({"code": "InvalidApiKey", "message": "Invalid API-key provided."}, status=400),
        "LiteLLM": error("Authentication Error, Invalid proxy server token passed. key=abc", 400, type="token_not_found_in_db"),
        "Bedrock": error("The security token included in the request is expired", 403, type="ExpiredTokenException"),
        "Groq": error("Invalid API Key", 401, code="invalid_api_key"),
        "Azure": Play(
            {"statusCode": 401, "message": "Unauthorized. Access denied due to invalid subscription key."}, status=401
        ),
    },
    "filtered": {
        "Azure": Play(
            {
                "error": {
                    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management "
                    "policy.",
                    "code": "content_filter",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            status=400,
        ),
        "Anthropic": anthropic("Output blocked by content filtering policy"),
        "OpenAI": error(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", code="invalid_prompt"
        ),
        "DeepSeek": error("Content Exists Risk", type="invalid_request_error", code="invalid_request_error"),
        "Kimi": error("The request was rejected because it was considered high risk", type="content_filter"),
        "Qwen": Play({"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content."}, status=400),
        "GLM": error("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301"),
        "OpenRouter": error('openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence".', 403),
        "xAI": Play(
            {"code": "403", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, status=403
        ),
        "LiteLLM": litellm("litellm.ContentPolicyViolationError: litellm.BadRequestError: AzureException - blocked"),
    },
    "unsupported": {
        "OpenAI's streams": error(
            "Your organization must be verified to stream this model. Please go to the settings and click on Verify.",
            code="unsupported_value",
            param="stream",
        ),
        "a gateway in Python": error("body.stream_options: Extra inputs are not permitted"),
        "vLLM's streams": error("Streaming is not supported by this model"),
        "OpenAI": error(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            code="unsupported_parameter",
        ),
        "Mistral": Play(
            {
                "object": "error",
                "message": {
                    "detail": [{"loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted", "input": 9}]
                },
                "type": "invalid_request_error",
            },
            status=422,
        ),
        "DeepSeek": error("This response_format type is unavailable now", type="invalid_request_error"),
        "Groq": error("This model does not support response format `json_schema`. See supported models", code="invalid_value"),
        "Gemini": gemini(
            "Function calling with a response mime type: 'application/json' is unsupported", 400, "INVALID_ARGUMENT"
        ),
        "Ollama": error("registry.ollama.ai/library/gemma:2b does not support tools", type="api_error"),
        "OpenRouter": error('No endpoints found that support tool use. Try disabling "read_file".', 404),
        "vLLM": Play(
            {
                "object": "error",
                "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
                "type": "BadRequestError",
            },
            status=400,
        ),
        "Anthropic": anthropic(
            "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku-20241022"
        ),
        "Qwen": Play({"code": "InvalidParameter", "message": "Range of max_tokens should be [1, 8192]"}, status=400),
        "llama-cpp-python": Play(
            {"detail": [{"loc": ["body", "messages", 2, "content"], "msg": "field required", "type": "m"}]}, status=422
        ),
        "LM Studio": Play({"error": "Invalid 'messages': 'content' field must be a string or an array"}, status=400),
        "Mistral's order": Play({"object": "error", "message": "Unexpected role 'user' after role 'tool'"}, status=400),
        "Mistral's ids": error("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."),
        "Groq's reasoning": error(
            "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : "
            "property 'reasoning_content' is unsupported)]"
        ),
        "Groq's other models": error("messages[2].reasoning: reasoning is not supported with this model"),
        "Gemini's schemas": gemini('Invalid JSON payload received. Unknown name "strict" at tools[0]', 400, "INVALID_ARGUMENT"),
        "TGI": Play(
            {"detail": [{"loc": ["body", "prompt_cache_key"], "msg": "extra fields not permitted", "type": "x"}]}, status=422
        ),
        "LiteLLM's vendors": litellm(
            "litellm.UnsupportedParamsError: anthropic does not support parameters: ['prompt_cache_key'], for model=claude. To "
            "drop these, set `litellm.drop_params=True` or for proxy: `litellm_settings: drop_params: true`"
        ),
        "LiteLLM's other fields": litellm(
            "litellm.UnsupportedParamsError: x does not support parameters: ['seed'], for model=y."
        ),
    },
    "not_found": {
        "DeepSeek": error("Model Not Exist", type="invalid_request_error"),
        "OpenRouter": error("openai/gpt-nine is not a valid model ID", code=400),
        "Bedrock": error("The provided model identifier is invalid.", type="ValidationException"),
        "Mistral": Play(
            {"object": "error", "message": "Invalid model: mistral-nine", "type": "invalid_model", "code": "1500"}, status=400
        ),
        "Groq": error("The model `llama3-8b` has been decommissioned and is no longer supported.", code="model_decommissioned"),
        "GLM": error("模型不存在，请检查模型代码。", code="1211"),
        "LiteLLM": Play(
            {"error": {"message": "/chat/completions: Invalid model name passed in model=m", "code": "400"}}, status=400
        ),
    },
    "permission": {
        "Gemini": gemini("User location is not supported for the API use.", 400, "FAILED_PRECONDITION"),
        "Bedrock": error("You don't have access to the model with the specified model ID.", 403, type="AccessDeniedException"),
        "LiteLLM": error(
            "key not allowed to access model. This key can only access models=['a']", 401, type="key_model_access_denied"
        ),
    },
    "rate_limited": {
        "Gemini": gemini(
            "You exceeded your current quota, please check your plan. Please retry in 34.07s.", 429, "RESOURCE_EXHAUSTED"
        ),
        "OpenAI": error(
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29800.", 429, code="rate_limit_exceeded"
        ),
        "Bedrock": error("Too many tokens, please wait before trying again.", 400, type="ThrottlingException"),
        "Qwen": Play(
            {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded, please try again later."}, status=400
        ),
        "GLM": error("您当前使用该API的并发数过高", 400, code="1302"),
        "OpenRouter": Play({"error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429}}),
    },
    "overloaded": {
        "Hugging Face": Play({"error": "Model meta-llama/Llama-3 is currently loading", "estimated_time": 20.0}),
        "SiliconFlow": Play({"code": 50505, "message": "Model service overloaded. Please try again later.", "data": None}),
        "llama.cpp": error("Loading model", 503, type="unavailable_error", code=503),
        "Kimi": error("The engine is currently overloaded, please try again later", 429, type="engine_overloaded_error"),
        "Anthropic": anthropic("Overloaded", 500, "overloaded_error"),
    },
    "bad_request": {
        "Anthropic": anthropic("messages.3: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1"),
        "Mistral": Play(
            {"object": "error", "message": "Expected last role User or Tool but got assistant", "code": "3230"}, status=400
        ),
        "llama.cpp's history": error("Failed to parse tool call arguments as JSON: parse error", 500, type="server_error"),
        "llama.cpp's template": error(
            "Value is not callable: null at row 12, column 5:\n{%- if x %}", 500, type="server_error"
        ),
        "FastAPI": Play({"detail": [{"loc": ["body", "seed"], "msg": "value is not an integer", "type": "m"}]}, status=422),
        "under HTTP 200": Play({"error": {"type": "invalid_request_error", "message": "the last message has no content"}}),
    },
    "server": {
        "Groq": error("Failed to call a function. Please adjust your prompt.", code="tool_use_failed", failed_generation="{"),
        "OpenRouter, late": Play(
            {"choices": [{"error": {"code": 502, "message": "the stream broke"}, "message": {"content": ""}}]}
        ),
        "a gateway": Play(b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", status=502),
    },
}
