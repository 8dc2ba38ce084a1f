"""An endpoint's answer as a reply: what is the same in all formats, around what each format reads itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.providers import final_output
from activities.providers.access import Access
from activities.providers.reply_body import read_reply
from activities.providers.token_counts import stated_cost
from contracts.conversation import ModelReply, ModelRequest, StatedCost, Usage


@dataclass(frozen=True)
class Format:
    """How one format says what a reply is: `read` makes it of the body, `counted` finds its usage, `request_id` is a header."""

    read: Callable[[dict[str, Any], ModelRequest], ModelReply]
    counted: Callable[[Mapping[str, Any]], Usage | None]
    request_id: str


def reply_in(
    form: Format, access: Access, request: ModelRequest, body: bytes, headers: Mapping[str, str], secret: str
) -> ModelReply:
    """The reply that an answer to this request holds. Raises `ProviderError`, and nothing else, if it holds none."""

    def stated(raw: Mapping[str, Any]) -> StatedCost | None:
        return stated_cost(raw, headers, bill=access.setting.bill_as_stated)

    made = read_reply(access.of(request), body, secret, form.counted, stated, lambda raw: form.read(raw, request))
    return final_output.read(made.model_copy(update={"request_id": headers.get(form.request_id)}))
