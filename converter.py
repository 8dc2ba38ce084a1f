"""How values become payloads and back: strict where a contract is expected, bounded in size, never failing workflow tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)
from temporalio.exceptions import ApplicationError

from contracts.base import Contract, said_of
from contracts.errors import INPUT_WAS_REFUSED
from contracts.inputs import PipelineInput

PAYLOAD_LIMIT = 256 * 1024
"""Most bytes of a payload that we make: a few bodies of 64 KiB each. Temporal takes up to 2 MiB and fails the task above."""

_PROBLEMS_SHOWN = 8


@dataclass(frozen=True)
class Unreadable:
    """Takes the place of an unreadable value where a value of any type is accepted, and of a run's own input.

    `reason` is for its sender.
    """

    reason: str


class StrictJSON(PydanticJSONPlainPayloadConverter):
    """Parses payloads into contracts and refuses what does not fit, so that a bad start fails instead of retrying for ever."""

    def to_payload(self, value: Any) -> Payload | None:
        """The payload. A brief contract leaves out fields that have their default, because history keeps every byte."""
        if not (isinstance(value, Contract) and value.brief):
            return super().to_payload(value)
        data = value.model_dump_json(exclude_defaults=True).encode()
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """The value, upcast if it fits an earlier version. Raises a non-retryable `ApplicationError` naming wrong fields."""
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            # The newest version is tried first, so earlier ones cost nothing as a rule.
            earlier = _earlier(type_hint, payload.data)
            if earlier is not None:
                return earlier
            problems = error.errors(include_url=False, include_input=False)[:_PROBLEMS_SHOWN]
            said = "; ".join(f"{_where(one['loc'])}: {said_of(one)[:500]}" for one in problems)
            raise _refused(f"{INPUT_WAS_REFUSED}{said}") from None


def _earlier(hint: type | None, data: bytes) -> Contract | None:
    """A value of an earlier version of the contract, upcast; None if none fits. A payload does not say which version it is."""
    if not (isinstance(hint, type) and issubclass(hint, Contract)):
        return None
    return hint.from_earlier(lambda contract: contract.model_validate_json(data))


class StrictConverter(CompositePayloadConverter):
    """Temporal's converters with `StrictJSON` in place of plain JSON."""

    def __init__(self) -> None:
        """Takes no settings: client, worker and replay must agree."""
        others = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(StrictJSON() if isinstance(one, JSONPlainPayloadConverter) else one for one in others),
        )

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """One payload per value. Raises a non-retryable `ApplicationError` if one is too large: a retry would be as large."""
        payloads = super().to_payloads(values)
        for value, payload in zip(values, payloads, strict=True):
            size = payload.ByteSize()
            if size > PAYLOAD_LIMIT:
                raise ApplicationError(
                    f"{type(value).__name__} has {size} bytes and may have {PAYLOAD_LIMIT}; store large values as artifacts",
                    type="PayloadTooLarge",
                    non_retryable=True,
                )
        return payloads

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """One value per payload. Raises a non-retryable `ApplicationError` for an unreadable one.

        Where any type is accepted (a signal's or update's argument) it becomes `Unreadable` instead, and so does a run's
        input: the guard refuses it, and knows whether the start would be repeated. Nothing else is ever raised: it would fail
        the workflow task again and again.
        """
        hints = [*(type_hints or []), *([None] * len(payloads))]
        return [self._value(payload, hint) for payload, hint in zip(payloads, hints, strict=False)]

    def _value(self, payload: Payload, hint: type | None) -> Any:
        try:
            return super().from_payloads([payload], None if hint is None else [hint])[0]
        except ApplicationError as error:
            reason = error.message
        except Exception as error:  # noqa: BLE001 (an unknown encoding, an invalid protocol buffer, …)
            cause = error.__cause__ or error
            reason = f"the payload could not be read: {str(cause)[:300]}"
        if hint is None or hint is Any or (isinstance(hint, type) and issubclass(hint, PipelineInput)):
            return Unreadable(reason)
        raise _refused(reason) from None


DATA_CONVERTER = DataConverter(payload_converter_class=StrictConverter)

_CONVERTER = StrictConverter()


def fits(value: Any) -> bool:
    """True if one payload can hold the value. To be asked before the SDK makes one: a larger one fails the task for ever."""
    try:
        _CONVERTER.to_payloads([value])
    except ApplicationError:
        return False
    return True


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:100] for part in location)[:300] or "(whole)"  # a refused key can have any length


def _refused(text: str) -> ApplicationError:
    return ApplicationError(text, type="InputRefused", non_retryable=True)
