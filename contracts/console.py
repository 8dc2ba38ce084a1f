"""Who may use the console for what, as policy.toml says it, and how people reach it, as baton.toml does."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from contracts.base import Input, Line

Right = Literal["read", "decide", "operate"]
"""What a page or a form of the console asks for. Whoever may read may decide as far as the gate's own `who` goes."""

RIGHTS: tuple[Right, ...] = ("read", "decide", "operate")

Network = IPv4Network | IPv6Network


class ConsoleAccess(Input):
    """The table `[console]` of policy.toml: people, roles, or "*". None: what `rights` takes for it."""

    readers: tuple[str, ...] | None = Field(default=None, alias="read")
    operators: tuple[str, ...] | None = Field(default=None, alias="operate")

    def said(self) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        """Each key with who it names."""
        yield "read", self.readers
        yield "operate", self.operators

    def problems(self) -> Iterator[str]:
        """What cannot be meant, each with what to do."""
        for key, who in self.said():
            if "owner" in (who or ()):
                yield f"console.{key}: 'owner' is the owner of a run, and the console is no run; name people or roles"


def is_left_out(access: ConsoleAccess) -> bool:
    """For `exclude_if`: the same while the table says nothing, so that older policies keep their bytes."""
    return access == ConsoleAccess()


def _address(text: str) -> str:
    parts = urlsplit(text)
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    if text and (parts.scheme != "https" or not parts.hostname or any(rest)):
        raise ValueError("write the address that people open, as https://NAME or https://NAME:PORT and nothing behind it")
    return f"https://{_host(parts.netloc)}" if text else ""


def _host(netloc: str) -> str:
    # As browsers send it: in small letters, and without the port that https has anyway.
    return netloc.lower().removesuffix(":443")


def network(text: str) -> Network:
    """An address, or a network such as 10.0.0.0/8. Raises `ValueError`."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network such as 10.1.2.0/24") from None


def _proxy(text: str) -> str:
    if not network(text).prefixlen:
        raise ValueError(f"{text} is everybody, and whoever connects could say to be anybody; name the proxy's own address")
    return text


def _header(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", text):
        raise ValueError("a header's name has letters, digits and hyphens, such as X-Forwarded-Email")
    if text.lower() in {"host", "origin", "cookie", "authorization", "content-length", "content-type", "accept"}:
        raise ValueError(f"{text} says something else; take one that the proxy sets to a person's name alone")
    return text


class ConsoleSetting(Input):
    """The table `[console]` of baton.toml."""

    address: Annotated[Line, AfterValidator(_address)] = Field(
        default="", description="where people open the console, such as https://baton.example.org; behind TLS or a proxy only"
    )
    proxies: tuple[Annotated[Line, AfterValidator(_proxy)], ...] = Field(
        default=(), description="addresses and networks of a proxy with TLS; then nobody else is answered"
    )
    header: Annotated[Line, AfterValidator(_header)] = Field(
        default="", description="header in which the proxy says who is there, such as X-Forwarded-Email; default: it does not"
    )
    certificate: Path | None = Field(default=None, description="PEM file with the certificate chain, for TLS without a proxy")
    private_key: Path | None = Field(default=None, description="PEM file with its key")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together; set both, or neither")
        if self.proxies and self.certificate:
            raise ValueError("with proxies the proxy has the TLS; take out certificate and private_key, or proxies")
        if self.header and not self.proxies:
            raise ValueError("header is believed from a proxy alone; say in proxies which address that one has")
        if self.proxies and not self.address:
            raise ValueError(
                "behind a proxy address has to say where people open the console, such as https://baton.example.org"
            )
        if self.address and not (self.proxies or self.certificate):
            raise ValueError("address is https, and nothing here has TLS: set certificate and private_key, or proxies")
        return self

    def is_proxy(self, peer: str) -> bool:
        """True if a connection from this address comes from the proxy."""
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:
            return False
        # A socket for both kinds writes those of IPv4 like ::ffff:10.0.0.1.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network(one) for one in self.proxies)
