"""What codes, types and statuses of errors mean, by vendor, with where each was seen. The words are in `error_words.py`."""

import re

from activities.providers.base import ErrorKind

CODES: dict[str, ErrorKind] = {
    # Anthropic: docs.claude.com, "Errors".
    "api_error": "server",
    "timeout_error": "timeout",
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "authentication_error": "authentication",
    "billing_error": "credit",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    # OpenAI: platform.openai.com, "Error codes"; also Groq, vLLM and LM Studio.
    "server_error": "server",
    "rate_limit_exceeded": "rate_limited",
    "context_length_exceeded": "too_large",
    "string_above_max_length": "too_large",
    "invalid_api_key": "authentication",
    "model_not_found": "not_found",
    "unsupported_country_region_territory": "permission",
    "data_residency_mismatch": "permission",
    "content_filter": "filtered",
    "content_policy_violation": "filtered",
    "invalid_prompt": "filtered",
    "bio_policy": "filtered",
    "misalignment_policy_violation": "filtered",
    # Groq: console.groq.com, "Error codes".
    "tool_use_failed": "server",
    "json_validate_failed": "server",
    "output_parse_failed": "server",
    "model_decommissioned": "not_found",
    "model_terms_required": "permission",
    # Azure OpenAI: learn.microsoft.com, "Content filtering" and "Quotas and limits".
    "responsibleaipolicyviolation": "filtered",
    "deploymentnotfound": "not_found",
    "nocapacity": "overloaded",
    # Gemini: ai.google.dev, "Troubleshooting"; google.rpc.ErrorInfo.
    "api_key_invalid": "authentication",
    "api_key_expired": "authentication",
    "api_key_service_blocked": "permission",
    "resource_exhausted": "rate_limited",
    # Bedrock's exceptions, its own and as gateways pass them on: docs.aws.amazon.com, "Troubleshooting API error codes" and
    # "InvokeModelWithResponseStream"; AWS's "Common errors" for what every service says of a signature.
    "throttlingexception": "rate_limited",
    "servicequotaexceededexception": "rate_limited",
    "expiredtokenexception": "authentication",
    "unrecognizedclientexception": "authentication",
    "invalidsignatureexception": "authentication",
    "incompletesignatureexception": "authentication",
    "missingauthenticationtokenexception": "authentication",
    "invalidclienttokenid": "authentication",
    "resourcenotfoundexception": "not_found",
    "internalserverexception": "server",
    "modelerrorexception": "server",
    "modelstreamerrorexception": "server",
    "modeltimeoutexception": "timeout",
    "serviceunavailableexception": "overloaded",
    "accessdeniedexception": "permission",
    "modelnotreadyexception": "overloaded",
    # DeepSeek, Kimi, Mistral, xAI, Cerebras: their "Error codes" pages.
    "exceeded_current_quota_error": "credit",
    "engine_overloaded_error": "overloaded",
    "invalid_authentication_error": "authentication",
    "resource_not_found_error": "not_found",
    "invalid_model": "not_found",
    "wrong_api_key": "authentication",
    # GLM: open.bigmodel.cn and docs.z.ai, "Error codes".
    "1000": "authentication",
    "1001": "authentication",
    "1002": "authentication",
    "1003": "authentication",
    "1004": "authentication",
    "1113": "credit",
    "1211": "not_found",
    "1220": "permission",
    "1261": "too_large",
    "1301": "filtered",
    "1302": "rate_limited",
    "1303": "rate_limited",
    "1305": "overloaded",
    "1308": "rate_limited",
    "1309": "credit",
    "1311": "permission",
    # Qwen: help.aliyun.com, "Error codes" of Model Studio (DashScope).
    "arrearage": "credit",
    "allocationquota.freetieronly": "credit",
    "invalidapikey": "authentication",
    "model.accessdenied": "permission",
    "accessdenied.unpurchased": "permission",
    "modelnotfound": "not_found",
    "datainspectionfailed": "filtered",
    "data_inspection_failed": "filtered",
    "throttling": "rate_limited",
    "throttling.ratequota": "rate_limited",
    "throttling.allocationquota": "rate_limited",
    # SiliconFlow: docs.siliconflow.cn, "Error handling".
    "30001": "credit",
    "20012": "not_found",
    "50505": "overloaded",
    # llama.cpp: tools/server/README.md, `exceed_context_size_error`.
    "exceed_context_size_error": "too_large",
    "unavailable_error": "overloaded",
    # LiteLLM: docs.litellm.ai, "Exception mapping"; its proxy's own types.
    "contextwindowexceedederror": "too_large",
    "contentpolicyviolationerror": "filtered",
    "budgetexceedederror": "credit",
    "budget_exceeded": "credit",
    "authenticationerror": "authentication",
    "permissiondeniederror": "permission",
    "notfounderror": "not_found",
    "ratelimiterror": "rate_limited",
    "serviceunavailableerror": "overloaded",
    "token_not_found_in_db": "authentication",
    "expired_key": "authentication",
    "key_model_access_denied": "permission",
    "team_model_access_denied": "permission",
}
"""Whole codes and types, in lower case."""

UNUSABLE_OUTPUT = frozenset({"tool_use_failed", "json_validate_failed", "output_parse_failed"})
"""Codes of a 400 for what the model has written itself: its next try may be better."""

UNKNOWN_STATUS: dict[str, ErrorKind] = {"invalid_request_error": "bad_request", "invalid_argument": "bad_request"}
"""Types that say nothing beside a status: they count where there is none, as in an error under HTTP 200."""

# Account and spend limits, by parts of their codes: OpenAI's are many (`insufficient_quota`, `billing_not_active`,
# `enforced_spend_limit_reached`), xAI writes `personal-team-blocked:spending-limit`.
CREDIT_CODE = re.compile(
    r"insufficient_(?:quota|credit|balance)|billing|spend(?:ing)?[_-]limit|credit_balance|payment_required"
)

STATUS: dict[int, ErrorKind] = {
    401: "authentication",
    402: "credit",
    403: "permission",
    404: "not_found",
    405: "not_found",
    # A proxy's own: it wants credentials, and the request has reached nobody.
    407: "connection",
    408: "timeout",
    409: "server",
    410: "not_found",
    413: "too_large",
    # Bedrock's: the model itself failed.
    424: "server",
    425: "server",
    429: "rate_limited",
    # Groq's: the capacity for the chosen tier is used up.
    498: "overloaded",
    503: "overloaded",
    504: "timeout",
    524: "timeout",
    # Anthropic's own status; no standard has it.
    529: "overloaded",
}
"""What a status means where no code and no word says more; others below 400 are `not_found`, below 500 `bad_request`."""
