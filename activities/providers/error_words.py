"""What the words of errors mean, by vendor, with where each was seen. They are searched in the innermost message."""

import re

from activities.providers.base import ErrorKind


def words(*patterns: str) -> re.Pattern[str]:
    """One pattern for all of them; case does not matter."""
    return re.compile("|".join(patterns), re.IGNORECASE)


SAID: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    (
        "too_large",
        words(
            # Anthropic: "prompt is too long: 233153 tokens > 200000 maximum"; also Bedrock and Vertex.
            r"prompt is too long|input is too long|prompt too long|input token length too long",
            r"input length and `?max_tokens`? exceed context limit|extra usage is required for long context",
            # OpenAI, Azure, vLLM, DeepSeek and OpenRouter: "maximum context length is 8192 tokens".
            r"maximum context length|exceeds? the (?:model'?s )?(?:maximum )?context|context window (?:of this model|exceeds)",
            r"input tokens exceed the configured limit|request too large for",
            # vLLM and SGLang: "is longer than the maximum model length of 32768", "than the model's context length".
            r"longer than the (?:maximum model length|model'?s context length)|input length \(\d+\) exceeds",
            # llama.cpp: "the request exceeds the available context size".
            r"exceeds? the available context size|context size has been exceeded",
            # Ollama and LM Studio.
            r"exceeds? (?:maximum|the) context length|tokens to keep from the initial prompt",
            r"loaded with context length of only|reached context length of \d+",
            # Gemini: "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)".
            r"input token count.{0,40}exceeds|exceeds the maximum number of tokens allowed",
            # Mistral: "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072".
            r"too large for model with \d+",
            # xAI: "This model's maximum prompt length is 131072 but the request contains 537812 tokens".
            r"maximum prompt length is \d+",
            # Groq: "Please reduce the length of the messages or completion".
            r"reduce the length of the (?:messages|prompt|input)",
            # Kimi: "Your request exceeded model token limit: 131072".
            r"exceeded model token limit",
            # GLM: "Prompt exceeds max length"; Qwen: "Range of input length should be [1, 129024]".
            r"prompt exceeds max length|range of input length should be|输入长度|超过最大长度|上下文长度",
            # Cohere and TGI: "too many tokens: size limit exceeded", "`inputs` must have less than 4096 tokens".
            r"too many tokens: |`?inputs`? (?:tokens \+ `?max_new_tokens`? must be|must have less than)",
            # GitHub Models and Copilot: "prompt token count of 150000 exceeds the limit of 128000".
            r"token count of \d+ exceeds the limit|too many input tokens|max size: \d+ tokens",
            r"(?:prompt|input|conversation|context)\b.{0,60}\bexceed\w*.{0,60}\bcontext",
            r"(?:prompt|input|request|conversation) (?:is|was) (?:too|larger|longer).{0,60}\bcontext",
        ),
    ),
    (
        "filtered",
        words(
            # Azure: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy".
            r"content management policy|filtered due to|(?:blocked|rejected|stopped|flagged) by .{0,40}(?:filter|moderation)",
            # Anthropic: "Output blocked by content filtering policy"; OpenAI: "rejected as a result of our safety system".
            r"content filter(?:ing)? policy|content[_ ]filter (?:was )?triggered|result of our safety system",
            r"violat\w+ (?:our |the )?(?:usage|content|moderation|acceptable use) (?:policy|policies|guidelines)",
            # DeepSeek: "Content Exists Risk"; Kimi: "The request was rejected because it was considered high risk".
            r"content exists risk|considered high risk",
            # Qwen: "Input data may contain inappropriate content".
            r"inappropriate content",
            # GLM 1301.
            r"potentially unsafe or sensitive|不安全或敏感|敏感内容|违规",
            # Gemini: "Request blocked due to safety settings", PROHIBITED_CONTENT; OpenRouter: "Your input was flagged for".
            r"prohibited_content|blocked due to (?:safety|prohibited)|input was flagged|requires moderation",
            # xAI: "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"; Bedrock's guardrails.
            r"content violates|safety_check_type|guardrail (?:intervened|blocked)|blocked by (?:a |the )?guardrail",
        ),
    ),
    (
        "credit",
        words(
            # Anthropic: "Your credit balance is too low to access the Anthropic API", "your specified API usage limits".
            r"credit balance is too low|reached your specified api usage limits",
            # DeepSeek: "Insufficient Balance"; GLM: "余额不足"; SiliconFlow: "your account balance is insufficient".
            r"insufficient (?:account )?(?:balance|credits?|funds)|balance is (?:insufficient|not enough|too low)",
            r"余额不足|欠费",
            # OpenAI: "Billing hard limit has been reached"; xAI: "has either used all available credits or reached its
            # monthly spending limit".
            r"billing hard limit|used all available credits|monthly spending limit|spend(?:ing)? limit (?:reached|exceeded)",
            # OpenRouter: "This request requires more credits"; Hugging Face: "exceeded your monthly included credits".
            r"requires more credits|out of credits|exceeded your monthly included credits|add (?:more )?credits",
            # LiteLLM's own keys: "Budget has been exceeded! Current cost: 0.02, Max budget: 0.01".
            r"budget has been exceeded|exceeded(?: your)? budget",
            # Qwen: "please make sure your account is in good standing"; Kimi: "is suspended, please check your plan".
            r"account is in good standing|suspended due to insufficient|is suspended, please check your plan",
            r"overdue[- ]payment",
            # Bedrock: "Model access is denied due to INVALID_PAYMENT_INSTRUMENT".
            r"invalid_payment_instrument|account is not active, please check your billing",
            # Gemini without a paid plan: no wait makes a limit of zero more.
            r"quota exceeded for metric.{0,200}limit: 0\b",
        ),
    ),
    (
        "authentication",
        words(
            # Gemini: "API key not valid"; "Your API key was reported as leaked"; xAI, OpenAI: "Incorrect API key provided".
            r"api[ _-]?key (?:is )?(?:not valid|invalid|expired|not found|missing|wrong|revoked|disabled)",
            r"(?:invalid|incorrect|wrong|missing|expired|unknown) (?:x-)?api[ _-]?key|api key was reported as leaked",
            # Azure: "Access denied due to invalid subscription key"; OpenRouter: "No auth credentials found".
            r"invalid subscription key|no (?:auth|api key)\w* (?:credentials )?found",
            # LiteLLM: "Authentication Error, Invalid proxy server token passed"; Kimi: "Invalid Authentication".
            r"invalid proxy server token|^invalid authentication|authentication error,|authentication (?:fails|failed)",
            # Bedrock: "The security token included in the request is invalid".
            r"security token included in the request is (?:invalid|expired)|security token .{0,40}expired",
            # AWS: "The request signature we calculated does not match the signature you provided", "Signature expired: … is now
            # earlier than" where the machine's clock is wrong; Google: "Request had invalid authentication credentials".
            r"request signature we calculated does not match|signature expired: |had invalid authentication credentials",
            r"^(?:not authenticated|unauthorized|unauthenticated)\W*$",
            r"身份验证|(?:token|令牌).{0,10}(?:非法|过期)",
        ),
    ),
    (
        "permission",
        words(
            # Gemini: "User location is not supported for the API use"; OpenAI: "Country, region, or territory not supported".
            r"user location is not supported|territory not supported|not available in your (?:region|country)",
            # Bedrock: "You don't have access to the model with the specified model ID".
            r"(?:don't|do not) have access to (?:the |this )?model|must be verified to use the model",
            # Vertex: "Vertex AI API has not been used in project p before or it is disabled"; "Permission '…' denied on".
            r"api has not been used in project|permission '[\w./]+' denied on",
            # Bedrock: "Model use case details have not been submitted for this account", "is not authorized to perform".
            r"use case details have not been submitted|is not authorized to perform",
            # LiteLLM: "key not allowed to access model"; Qwen: "Access to model denied".
            r"not allowed to access model|access to (?:the )?model (?:is )?denied|no permission to (?:use|access)",
        ),
    ),
    (
        "not_found",
        words(
            # OpenAI, vLLM: "The model `x` does not exist"; DeepSeek: "Model Not Exist"; Qwen: "Model not exist.".
            r"model\b.{0,80}(?:does not exist|not exist|not found|was not found)|模型不存在",
            # Bedrock, where a model has inference profiles only: "Invocation of model ID x with on-demand throughput isn't
            # supported"; Vertex: "Publisher Model x is not servable in region y".
            r"on-demand throughput isn.t supported|not servable in region",
            # OpenRouter: "x is not a valid model ID"; Bedrock: "The provided model identifier is invalid".
            r"not a valid model|model identifier is invalid|(?:invalid|unknown|no such) model\b|not found the model",
            # Mistral: "Invalid model: x"; LiteLLM: "Invalid model name passed in model=x"; Groq: "has been decommissioned".
            r"model\b.{0,80}(?:has been|is) (?:decommissioned|deprecated|retired|discontinued)|no models loaded",
        ),
    ),
    (
        # A server that cannot read its own history says 500, and says it for ever: llama.cpp, and what its templates raise.
        "bad_request",
        words(
            r"failed to parse tool call arguments|jinja|chat template|raise_exception|template(?:error| error)",
            r"conversation roles must alternate|unexpected role|after the optional system message",
            r"value is not callable|at row \d+, column \d+|\{%-? ",
        ),
    ),
)
"""Words that say more than any status, in this order."""

PASSING: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    (
        "rate_limited",
        words(
            r"rate[ _-]?limit|too many requests|request limit|requests? per (?:minute|second|day)|tokens? per (?:minute|day)",
            # Bedrock: "Too many tokens, please wait before trying again"; GLM: "并发数过高", "请求过于频繁".
            r"too many tokens, please wait|throttl|please slow down|并发|频繁|rpm limit|tpm limit",
        ),
    ),
    (
        "overloaded",
        words(
            # Hugging Face: "Model x is currently loading"; llama.cpp: "Loading model"; SiliconFlow: "service overloaded".
            r"overload|model\b.{0,80}\bloading|loading model|at (?:full )?capacity|no capacity|capacity (?:is )?exceeded",
            r"server is busy|service (?:is )?(?:temporarily )?unavailable|no healthy upstream|currently unavailable|繁忙|过载",
        ),
    ),
)
"""Words for what passes; they count where the status says nothing of it."""

OUTAGE = words(
    r"^\W*$|internal (?:server )?error|server (?:had|encountered) an|something went wrong",
    r"(?:bad|unexpected|unknown) (?:gateway|error)|try again|retry|temporar|unavailable|upstream|timed? ?out|timeout",
    r"connection|a web page|overload|out of memory|hiccup|maintenance",
)
"""What every outage says: that it is said again and again shows nothing."""
