"""Which way leads to a model's endpoint: directly, or through the operator's proxy. What the proxy's URL holds stays hidden."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from contracts.errors import Misconfigured

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""Those that other programs go by, too. Each may be written in capitals; small letters count first."""

NONE = "none"
"""What the setting holds where no proxy is wanted, whatever the variables say."""


@dataclass(frozen=True)
class Way:
    """`proxy` is the proxy's URL, "" where there is none; `source` is the setting or variable that decided."""

    proxy: str = field(default="", repr=False)
    source: str = ""

    @property
    def shown(self) -> str:
        """For people: the proxy without its password, and who named it; "" where nothing was said of one."""
        if not self.proxy:
            return f"directly ({self.source})" if self.source else ""
        found = urlsplit(self.proxy)
        host = f"[{found.hostname}]" if ":" in (found.hostname or "") else found.hostname
        return f"through the proxy {found.scheme}://{host}{f':{found.port}' if found.port else ''} ({self.source})"


def way_to(endpoint: str, setting: str, variables: Mapping[str, str]) -> Way:
    """How this endpoint is reached. The setting goes before the variables; loopback addresses and NO_PROXY have no proxy.

    Raises `Misconfigured` for a proxy that cannot be used, without showing it: a call that is to go through it must not go
    past it.
    """
    target = urlsplit(endpoint)
    host = (target.hostname or "").rstrip(".")
    if setting == NONE:
        return Way(source="proxy = none")
    named = ("the setting proxy", setting) if setting else _from(variables, f"{target.scheme}_proxy", "all_proxy")
    if named is None or not host:
        return Way()
    if _is_loopback(host):
        return Way(source="a loopback address")
    name, excepted = _from(variables, "no_proxy") or ("", "")
    if any(_matches(one.strip(), host, _port(target)) for one in excepted.split(",")):
        return Way(source=name)
    return Way(_usable(*named), named[0])


def _from(variables: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """The first variable that is set, with its value."""
    for spelled in (one for name in names for one in (name, name.upper())):
        if value := variables.get(spelled, "").strip():
            return spelled, value
    return None


def _usable(source: str, value: str) -> str:
    found = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(found)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half a bracket
        usable = False
    if usable and parts.scheme in ("http", "https"):
        return found
    what = f"{parts.scheme[:10]} proxies are not used for models" if usable else "it is no proxy's URL that can be read"
    raise Misconfigured(
        f"{source}: {what}; write http://USER:PASSWORD@HOST:PORT (the setting `proxy` goes before variables), or "
        f'proxy = "{NONE}" to reach models directly'
    )


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Whether one entry of NO_PROXY means this host: `*`, a name and all below it, an address or network, each with a port."""
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and (network := _network(entry)) is not None:
        return address in network
    name, _, wanted = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() and "::" not in entry else (entry, "", "")
    name = name.strip("[]").lstrip("*").strip(".").lower()
    if not name or (wanted and int(wanted) != port):
        return False
    return host == name or (address is None and host.endswith(f".{name}"))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _port(target: SplitResult) -> int | None:
    return target.port or {"http": 80, "https": 443}.get(target.scheme)
