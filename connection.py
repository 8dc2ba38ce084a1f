"""The connection to Temporal, shared by worker and commands. Address and credentials come from Temporal's own profiles."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

import contexts
from contracts.errors import BatonError, Misconfigured
from converter import DATA_CONVERTER
from ledger import identity
from ledger.db import Ledger
from search_attributes import SEARCH_ATTRIBUTES

DEFAULT_ADDRESS = "localhost:7233"
DEFAULT_NAMESPACE = "default"

AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
"""What calls end with while a server shuts down: nobody listens, or the connection breaks in the middle."""

_NOT_TOLD = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.UNAUTHENTICATED)
"""What a server answers that does not let us ask."""

_WANTED = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}


class Unreachable(BatonError):
    """Temporal cannot be reached. Start it (`baton up`), or correct the address in temporal.toml or TEMPORAL_ADDRESS."""


def profile() -> dict[str, Any]:
    """Connection settings from the context, Temporal's profile file and TEMPORAL_ variables; by default the local server.

    A context that was named on the command line comes before the variables, every other one after them. Raises
    `Misconfigured` if they cannot be read.
    """
    named = contexts.for_temporal()
    try:
        found = dict[str, Any](ClientConfig.load_client_connect_config()) if named is None else _of(named)
    except (RuntimeError, ValueError) as error:
        raise Misconfigured(f"Temporal's settings cannot be read: {error}") from None
    found.setdefault("target_host", DEFAULT_ADDRESS)
    if not contexts.ADDRESS.fullmatch(where := found["target_host"]):
        wanted = f"HOST:PORT is wanted, such as {DEFAULT_ADDRESS}: correct TEMPORAL_ADDRESS, temporal.toml or the context"
        raise Misconfigured(f"the address of Temporal is {where!r}, and {wanted}")
    return found


def _of(context: contexts.Context) -> dict[str, Any]:
    """What a context says. The variables and the default profile are another server's: their key must not go to this one."""
    named = {"target_host": context.temporal, "namespace": context.namespace}
    found = ClientConfig.load_client_connect_config(context.profile, disable_env=True) if context.profile else {"tls": False}
    return dict(found) | {name: value for name, value in named.items() if value}


def in_the_way(settings: Mapping[str, Any], address: str) -> list[str]:
    """Which of these connection settings lead elsewhere than to a plain local server at this address, in words; [] for none."""
    port = address.rpartition(":")[2]
    here = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}
    told = [] if settings["target_host"] in here else [f"the address {settings['target_host']}"]
    if settings.get("namespace", DEFAULT_NAMESPACE) != DEFAULT_NAMESPACE:
        told.append(f"the namespace {settings['namespace']}")
    if settings.get("api_key"):
        told.append("an API key, which means TLS")
    elif settings.get("tls"):
        told.append("TLS")
    return told


async def connect(**more: Any) -> Client:
    """Connect with the converter for our contracts; `more` overrides the profile. Raises `Unreachable`, naming the address."""
    return await _connected(profile() | more)


async def connect_plainly(address: str) -> Client:
    """Connect to a dev server of ours as it is, without TLS, key or namespace, whatever the profile says."""
    return await _connected({"target_host": address, "namespace": DEFAULT_NAMESPACE, "tls": False})


async def _connected(settings: Mapping[str, Any]) -> Client:
    try:
        return await Client.connect(**settings, data_converter=DATA_CONVERTER)
    except RuntimeError as error:
        secure = "an API key" if settings.get("api_key") else "TLS" if settings.get("tls") else ""
        how = f" with {secure}" if secure else ""
        raise Unreachable(
            f"Temporal at {settings['target_host']} cannot be reached{how} ({first_line(error)}). "
            "Start it with `baton up`, or set the address in temporal.toml or TEMPORAL_ADDRESS"
        ) from None


def first_line(error: BaseException) -> str:
    """The first line of an error, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def gone(error: RPCError) -> Unreachable:
    """What to raise where a call after the first one ended with a status of `AWAY`."""
    return Unreachable(f"Temporal answered and then became unreachable ({first_line(error)}); try again")


async def check_search_attributes(client: Client) -> None:
    """Register the search attributes that runs set, if the server allows it. Safe to call twice.

    Raises `Misconfigured`, naming those that are missing or of another type: a workflow that sets one fails its task again and
    again, so it is better not to start. Raises `Unreachable` if the server goes away meanwhile.
    """
    service, namespace = client.operator_service, client.namespace
    missing, wrong = await compared_attributes(client)
    if wrong:
        raise Misconfigured(f"search attributes of namespace {namespace!r} have other types: {wrong.text}. {wrong.mend}")
    # Asked first: a user without the right to add any can still start where somebody else has added them.
    if not missing:
        return
    try:
        await service.add_search_attributes(AddSearchAttributesRequest(namespace=namespace, search_attributes=missing))
    except RPCError as error:
        raise Misconfigured(
            f"the search attributes {', '.join(missing)} are missing in namespace {namespace!r} and could not be added "
            f"({first_line(error)}). Add them: {creating(missing, namespace)}"
        ) from None


@dataclass(frozen=True)
class WrongTypes:
    """Search attributes that the server has under our names with other types; false if there are none."""

    there: Mapping[str, int]
    namespace: str

    def __bool__(self) -> bool:
        return bool(self.there)

    @property
    def text(self) -> str:
        """Each with the type that it has and the type that it needs."""
        return ", ".join(
            f"{name} is {kind_name(kind)} and must be {kind_name(_WANTED[name])}" for name, kind in self.there.items()
        )

    @property
    def mend(self) -> str:
        """What to do. Removing one is for the operator to decide, because others may use it."""
        names = " ".join(f"--name {name}" for name in self.there)
        remove = f"temporal operator search-attribute remove --namespace {shlex.quote(self.namespace)} --yes {names}"
        right = creating({name: _WANTED[name] for name in self.there}, self.namespace)
        return f"Give Baton a namespace of its own (TEMPORAL_NAMESPACE), or, if nothing else uses them: {remove}; then {right}"


async def compared_attributes(client: Client) -> tuple[dict[str, IndexedValueType.ValueType], WrongTypes]:
    """The search attributes that the server lacks, with their types, and those that it has with other types.

    Raises `Unreachable` if the server goes away meanwhile.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        have = (await client.operator_service.list_search_attributes(request)).custom_attributes
    except RPCError as error:
        if error.status not in AWAY:
            raise
        raise gone(error) from None
    missing = {name: kind for name, kind in _WANTED.items() if name not in have}
    wrong = {name: have[name] for name, kind in _WANTED.items() if name in have and have[name] != kind}
    return missing, WrongTypes(wrong, client.namespace)


def creating(missing: Mapping[str, int], namespace: str) -> str:
    """The command that adds these search attributes to a namespace."""
    return f"temporal operator search-attribute create --namespace {shlex.quote(namespace)} {_flags(missing)}"


def _flags(kinds: Mapping[str, int]) -> str:
    return " ".join(f"--name {name} --type {kind_name(kind)}" for name, kind in kinds.items())


def kind_name(kind: int) -> str:
    """Temporal's name for a search attribute's type, as its CLI takes it: Keyword, Int, …"""
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")


def place(client: Client) -> str:
    """A namespace and its server, for people."""
    return f"namespace {client.namespace!r} at {client.service_client.config.target_host}"


async def check_namespace(client: Client, ledger: Ledger, *, bind: bool, replaced: bool = False) -> None:
    """Raise `Misconfigured`, naming both, if the ledger belongs to another Temporal namespace. Safe to call twice.

    By the namespace's own id, which needs no more than the right to describe it: where that is missing, nothing is checked.
    `bind`: a ledger that belongs to none yet belongs to this one from now on. `replaced`: whatever it belonged to.
    """
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        here = (await client.workflow_service.describe_namespace(request)).namespace_info.id
    except RPCError as error:
        if error.status in AWAY:
            raise gone(error) from None
        if error.status in _NOT_TOLD:
            return
        raise
    bound = await ledger.read(identity.find)
    if here and (replaced or (bind and not bound.namespace)):
        bound = await ledger.tx(identity.bind, here, place(client), anew=replaced)
    if here and bound.namespace not in ("", here):
        raise Misconfigured(
            f"this ledger ({bound.ledger}) belongs to {bound.server} (id {bound.namespace}), and {place(client)} (id {here}) "
            "is another installation's, or was made anew. Correct TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, `state` or "
            "`ledger_url`; if the server was replaced for good, start the worker once with BATON_SERVER_REPLACED=true"
        )
