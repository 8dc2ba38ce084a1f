"""The base of every contract: a frozen, named, versioned model with canonical bytes and a digest."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from contracts.errors import ContractViolation, NewerVersion

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

BODY_LIMIT = 64 * 1024
"""Most bytes of a contract body in canonical form. Anything larger is stored as an artifact and referenced."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hex."""

PerMille = Annotated[int, Field(ge=0, le=1000)]
"""A share in thousandths. Contracts hold no floats: two machines must produce the same bytes."""


def is_none(value: object) -> bool:
    """For `exclude_if` on a field that was added later: left out while it is None, so that older bodies keep their bytes."""
    return value is None


def is_empty(value: object) -> bool:
    """For `exclude_if`: the same while it is false, zero or empty."""
    return not value


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters and line ends are not allowed here")
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters are not allowed here")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
"""One line of text without control characters, for names, addresses and command arguments."""

LONGEST = timedelta(days=366)
"""Upper bound of every duration: anything longer is probably a typo, and much longer ones overflow dates."""

Span = Annotated[timedelta, Field(gt=timedelta(), le=LONGEST)]
"""A duration above zero and up to `LONGEST`. Written as ISO 8601, such as "PT30S"."""

Command = Annotated[str, AfterValidator(_without_nul)]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"^[a-z][a-z0-9_]*/[1-9][0-9]*$")


class Contract(BaseModel):
    """A frozen model that one part hands to another.

    A class that crosses a boundary declares its name and version: `class Plan(Contract, name="plan/1")`. Unknown fields are
    ignored, so that workers of two releases can run side by side.
    """

    # ISO 8601 is pydantic's default, and said all the same: stored digests depend on how durations are written.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="iso8601", populate_by_name=True)

    contract: ClassVar[str] = ""

    brief: ClassVar[bool] = False
    """True for contracts that only the kit and activities exchange: history leaves out fields that have their default.

    Their defaults, nested ones too, belong to the version: a history without the field means the default of that time.
    """

    earlier: ClassVar["Earlier | None"] = None
    """The version before this one. Stored bodies of that version are upcast when they are read; a model's reply is not."""

    @classmethod
    def __pydantic_init_subclass__(
        cls, name: str | None = None, brief: bool | None = None, earlier: "Earlier | None" = None, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if brief is not None:
            cls.brief = brief
        if earlier is not None:
            cls.earlier = earlier
        if name is not None:
            if not _NAME.match(name):
                raise TypeError(f"a contract is named like 'plan/1', not {name!r}")
            cls.contract = name

    def __init_subclass__(
        cls, name: str | None = None, brief: bool | None = None, earlier: "Earlier | None" = None, **kwargs: Any
    ) -> None:
        # Python hands class keywords to this hook too, and object's own would refuse them.
        super().__init_subclass__(**kwargs)

    def came_from(self) -> tuple[str, ...]:
        """The sources of its texts as a whole, if these are from outside; () where marks of its fields say it, or none is."""
        return ()

    def stored(self) -> bytes:
        """The bytes that are kept and digested: JSON, keys sorted, UTF-8, no spaces."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def read(cls, data: bytes | str) -> Self:
        """Parse what another worker stored, in this or an earlier version. Raises `ContractViolation`.

        Unknown fields are ignored.
        """
        return cls._read(lambda contract: contract.model_validate_json(data))

    @classmethod
    def read_strict(cls, data: bytes | str) -> Self:
        """Parse what a model returned: unknown fields refused, nothing coerced. Raises `ContractViolation`."""
        # Only as this very version: a model was given its schema, and an older shape is a mistake to be repaired.
        try:
            # From JSON, strict mode still takes an array for a tuple and text for a duration; from decoded values it would not.
            return cls.model_validate_json(data, strict=True, extra="forbid")
        except ValidationError as error:
            raise violation(cls, error) from None

    @classmethod
    def read_typed_by_people(cls, data: Any) -> Self:
        """Parse what a person wrote, already decoded, in this or an earlier version. Unknown fields are refused by name.

        Raises `ContractViolation`.
        """
        return cls._read(lambda contract: contract.model_validate(data, extra="forbid"))

    @classmethod
    def read_made_as(cls, name: str, body: Any) -> Self:
        """Parse a body that was stored with its contract's name: this contract or an earlier version.

        Raises `NewerVersion` for one that only a newer worker knows, and `ContractViolation` for another contract.
        """
        made = next((one for one in cls.versions() if one.contract == name), None)
        if made is None and name.partition("/")[0] == cls.contract.partition("/")[0]:
            raise NewerVersion.than(tuple(one.contract for one in reversed(cls.versions())), name)
        if made is None:
            raise ContractViolation(cls.contract, (f"(whole): this was stored as {name or 'a contract without a name'}",))
        try:
            return cls._risen(made.model_validate(body))
        except ValidationError as error:
            raise violation(made, error) from None

    @classmethod
    def versions(cls) -> "tuple[type[Contract], ...]":
        """This contract and every earlier version of it, newest first."""
        return (cls, *(cls.earlier.contract.versions() if cls.earlier is not None else ()))

    @classmethod
    def from_earlier(cls, parse: "Callable[[type[Contract]], Contract]") -> Self | None:
        """Parse as the newest earlier version that fits, and upcast the result to this one. None if none fits."""
        for older in cls.versions()[1:]:
            try:
                return cls._risen(parse(older))
            except ValidationError:
                continue
        return None

    @classmethod
    def _read(cls, parse: "Callable[[type[Contract]], Contract]") -> Self:
        try:
            return parse(cls)  # type: ignore[return-value]  # it parses as the class it is given
        except ValidationError as error:
            # Newest first: a body that says no version is read as the newest one that it fits.
            found = cls.from_earlier(parse)
            if found is None:
                raise violation(cls, error) from None
            return found

    @classmethod
    def _risen(cls, value: "Contract") -> Self:
        """Upcast to this version, one version at a time."""
        known = cls.versions()
        for newer in reversed(known[: known.index(type(value))]):
            assert newer.earlier is not None, "only the oldest version has no earlier one"
            value = newer.model_validate(newer.earlier.upcast(value.model_dump(mode="json")))
        return value  # type: ignore[return-value]  # the last step made it


@dataclass(frozen=True)
class Earlier:
    """The version before a contract, and the pure function that turns its JSON into JSON of the next version.

    `upcast` takes every body that the earlier version accepts. The next version must refuse all of those: a body that says no
    version is read as the newest one that it fits.
    """

    contract: type[Contract]
    upcast: Callable[[dict[str, Any]], dict[str, Any]]


class Grown(Contract):
    """A contract that leaves out the fields named in `later` while they have their default: older digests stay valid."""

    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        whole: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {name: value for name, value in whole.items() if name not in self.later or value != fields[name].default}


class Input(Contract):
    """A contract that people fill in. An unknown field is refused by its name."""

    model_config = ConfigDict(extra="forbid")


class ArtifactRef(Contract):
    """Points at bytes in the artifact store."""

    digest: Digest
    size: int = Field(ge=0, description="bytes")
    media_type: str = "text/plain"


def canonical(value: Any) -> bytes:
    """JSON bytes that are equal for equal values: keys sorted, UTF-8, no spaces, no NaN."""
    # NaN is refused because it is not JSON, and because it is not even equal to itself.
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def digest_of(*parts: bytes | str) -> str:
    """SHA-256 over the parts, each preceded by its length: ("ab", "c") and ("a", "bc") differ."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()


def sha256(data: bytes) -> str:
    """SHA-256 of some bytes in hex: their content address."""
    return hashlib.sha256(data).hexdigest()


def said_of(problem: "ErrorDetails") -> str:
    """What is wrong with one field, in our words where pydantic adds its own: it counts a text in "items after validation"."""
    limits = problem.get("ctx", {})
    # "Value" is what it calls a text that a validator of ours has seen; of lists and the like it says what they are.
    if problem["type"] == "too_long" and limits.get("field_type") == "Value":
        return f"at most {limits['max_length']} characters fit, not {limits['actual_length']}"
    return problem["msg"].removeprefix("Value error, ")


def violation(contract: type[Contract], error: ValidationError) -> ContractViolation:
    """Turn pydantic's list into one readable violation: field, problem, and the start of the value; at most five."""
    problems = []
    # Five: the text also goes back to a model that has to repair its reply, where thousands would cost tokens for nothing.
    for item in error.errors(include_url=False)[:5]:
        where = ".".join(str(part)[:100] for part in item["loc"])[:300] or "(whole)"  # a refused key can have any length
        came = repr(item.get("input"))
        problems.append(f"{where}: {said_of(item)} (got {came[:80] + '…' if len(came) > 80 else came})")
    more = error.error_count() - len(problems)
    if more > 0:
        problems.append(f"and {more} more")
    return ContractViolation(contract.contract or contract.__name__, tuple(problems))
