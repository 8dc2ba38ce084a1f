"""Claude on AWS Bedrock and Google Vertex AI: where it is, and whose prices count. `platform_clients.py` has the clients."""

from typing import Any
from urllib.parse import quote

from contracts.endpoints import EndpointSetting, Platform

_VENDORS: dict[Platform, str] = {"bedrock": "aws", "vertex": "google"}

CREDENTIALS: dict[Platform, str] = {"bedrock": "AWS credentials", "vertex": "Google credentials"}
"""What a platform's client looks for, for people."""


def completed(setting: EndpointSetting) -> EndpointSetting:
    """The table with what its platform says by itself: format, address, and whose prices count. Others stay as they are."""
    if setting.platform is None:
        return setting
    changes: dict[str, Any] = {"speaks": "messages", "base_url": setting.base_url or _address(setting.platform, setting.region)}
    if not setting.vendor and not setting.free:
        changes["vendor"] = _VENDORS[setting.platform]
    return setting.model_copy(update=changes)


def _address(platform: Platform, region: str) -> str:
    """Where a platform is, by its documentation: the same as its client in the SDK would choose."""
    if platform == "bedrock":
        return f"https://bedrock-runtime.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    if region == "global":
        return "https://aiplatform.googleapis.com/v1"
    if region in ("us", "eu"):
        return f"https://aiplatform.{region}.rep.googleapis.com/v1"
    return f"https://{region}-aiplatform.googleapis.com/v1"


def path(setting: EndpointSetting, model: str, *, stream: bool) -> str:
    """What the platform's client adds to the base URL for a call of this model: errors name it."""
    if setting.platform == "bedrock":
        return f"/model/{quote(model, safe=':;')}/invoke{'-with-response-stream' if stream else ''}"
    place = f"/projects/{setting.project}/locations/{setting.region}/publishers/anthropic/models"
    return f"{place}/{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}"
