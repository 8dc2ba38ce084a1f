"""The connection to Temporal, shared by worker and commands. Address and credentials come from Temporal's own profiles."""

from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from contracts.errors import BatonError, Misconfigured
from converter import DATA_CONVERTER
from search_attributes import SEARCH_ATTRIBUTES

DEFAULT_ADDRESS = "localhost:7233"

_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
"""What calls end with while a server shuts down: nobody listens, or the connection breaks in the middle."""


class Unreachable(BatonError):
    """Temporal cannot be reached. Start it (`baton up`), or correct the address in temporal.toml or TEMPORAL_ADDRESS."""


def profile() -> dict[str, Any]:
    """Connection settings from Temporal's profile file and TEMPORAL_ variables; the address defaults to the local server.

    Raises `Misconfigured` if they cannot be read.
    """
    try:
        found: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    except (RuntimeError, ValueError) as error:
        raise Misconfigured(f"Temporal's settings cannot be read: {error}") from None
    found.setdefault("target_host", DEFAULT_ADDRESS)
    return found


async def connect(**more: Any) -> Client:
    """Connect with the converter for our contracts; `more` overrides the profile. Raises `Unreachable`, naming the address."""
    settings = profile() | more
    try:
        return await Client.connect(**settings, data_converter=DATA_CONVERTER)
    except RuntimeError as error:
        raise Unreachable(
            f"Temporal at {settings['target_host']} cannot be reached ({first_line(error)}). "
            "Start it with `baton up`, or set the address in temporal.toml or TEMPORAL_ADDRESS"
        ) from None


def first_line(error: BaseException) -> str:
    """The first line of an error, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


async def check_search_attributes(client: Client) -> None:
    """Register the search attributes that runs set, if the server allows it. Safe to call twice.

    Raises `Misconfigured`, naming those that are missing: a workflow that sets one fails its task again and again, so it is
    better not to start. Raises `Unreachable` if the server goes away meanwhile.
    """
    service, namespace = client.operator_service, client.namespace
    try:
        have = await service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    except RPCError as error:
        if error.status not in _AWAY:
            raise
        raise Unreachable(f"Temporal answered and then became unreachable ({first_line(error)}); try again") from None
    wanted = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    missing = {name: kind for name, kind in wanted.items() if name not in have.custom_attributes}
    # Asked first: a user without the right to add any can still start where somebody else has added them.
    if not missing:
        return
    try:
        await service.add_search_attributes(AddSearchAttributesRequest(namespace=namespace, search_attributes=missing))
    except RPCError as error:
        lines = " ".join(f"--name {name} --type {kind_name(kind)}" for name, kind in missing.items())
        raise Misconfigured(
            f"the search attributes {', '.join(missing)} are missing in namespace {namespace!r} and could not be added "
            f"({first_line(error)}). Add them: temporal operator search-attribute create {lines}"
        ) from None


def kind_name(kind: int) -> str:
    """Temporal's name for a search attribute's type, as its CLI takes it: Keyword, Int, …"""
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")
