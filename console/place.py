"""Where a console is: the names it is reached by, who stands between it and people, and what it shows."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote

from starlette.datastructures import Headers

from config import Settings
from contracts.console import ConsoleSetting
from contracts.errors import Misconfigured
from contracts.text import visible

LONGEST_NAME = 200
"""Most characters of a name that a proxy says."""


@dataclass(frozen=True)
class Place:
    """Where the console is: the names and ports it is reached by, and its settings. `origins` are those of its own pages."""

    hosts: frozenset[str]
    origins: frozenset[str]
    settings: Settings
    namespace: str = "default"

    def workflow(self, workflow_id: str, run_id: str) -> str:
        """The address of a run in Temporal's Web UI."""
        at = f"{self.settings.ui_url.rstrip('/')}/namespaces/{quote(self.namespace, safe='')}/workflows"
        return f"{at}/{quote(workflow_id, safe='')}/{quote(run_id, safe='')}/timeline"

    @property
    def setting(self) -> ConsoleSetting:
        """What is set for the console."""
        return self.settings.console

    @property
    def secure(self) -> bool:
        """True if people reach it through TLS."""
        return all(origin.startswith("https://") for origin in self.origins)

    def claimed(self, headers: Headers) -> str:
        """Who is there as the proxy says; "" if it says nothing, or there is none. `Borders` has let only the proxy through.

        Raises `ValueError` if it says two things, or what is no name.
        """
        said = headers.getlist(self.setting.header) if self.setting.header else []
        if not said:
            return ""
        if len(said) > 1:
            raise ValueError("it is there twice; have the proxy take out what others sent, and set it itself")
        # Starlette reads bytes as Latin-1; proxies send what the provider gave them, which is UTF-8.
        name = said[0].encode("latin-1").decode("utf-8", "replace").strip()
        if len(name) > LONGEST_NAME or visible(name) != name or not name.isprintable() or "\ufffd" in name:
            raise ValueError("it is no name of a person; have the proxy set it to one")
        return name


def place_of(settings: Settings, host: str, port: int) -> Place:
    """The place of a console that listens here. Raises `Misconfigured` for an address at which it must not listen like this."""
    own, setting = ip_address(host), settings.console
    if not own.is_loopback and not (setting.proxies or setting.certificate):
        raise Misconfigured(
            f"--host {host} can be reached from other machines, and nothing here has TLS: passwords, links and cookies could "
            "be read on the way. Set certificate, private_key and address in [console] of baton.toml, or proxies and address "
            "if a proxy with TLS is in front of it, or leave --host out and come through a tunnel (docs/console.md)"
        )
    if not own.is_loopback and not setting.address:
        raise Misconfigured(
            f"--host {host} can be reached from other machines, under a name that is not said, and requests under other names "
            "are refused. Set address in [console] of baton.toml, such as https://baton.example.org"
        )
    if setting.address:
        names = frozenset({setting.address.removeprefix("https://")})
        return Place(names, frozenset({setting.address}), settings)
    written = f"[{own}]" if own.version == 6 else str(own)
    names = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", written))
    scheme = "https" if setting.certificate else "http"
    return Place(names, frozenset(f"{scheme}://{name}" for name in names), settings)
