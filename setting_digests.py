"""Digests of settings: by them a command sees that a running worker was started with others. They show no value."""

import hashlib
import json
from pathlib import Path

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from config import FILES, Settings
from contracts.errors import Misconfigured

_KEYS = ("anthropic_api_key", "anthropic_api_key_file", "openai_api_key", "openai_api_key_file")

_VARIABLES = {"ANTHROPIC_API_KEY": "anthropic_key", "OPENAI_API_KEY": "openai_key"}

EDITED = ("agents", "policy")
"""Settings that name files which people edit while a worker runs."""

BY_CONTENT = (*EDITED, "script")

_OF_EACH_MACHINE = {
    *(
        "state",
        "role",
        "ledger_url",
        "ledger_url_file",
        "task_queue",
        "bubblewrap",
        "workflow_sandbox",
        "log_format",
        "log_level",
    ),
    *("failpoint", "ui_url", "server_replaced", "role", "console"),
}


def digests(settings: Settings, salt: str) -> dict[str, str]:
    """A digest of each setting that decides what a worker does, by the name that sets it. No value can be read from them.

    Files count by their contents. What differs from machine to machine, such as folders and logs, is left out.
    """
    dumped = settings.model_dump(mode="json", exclude=_OF_EACH_MACHINE | set(_KEYS) | set(BY_CONTENT))
    values: dict[str, object] = {f"BATON_{name.upper()}": value for name, value in dumped.items()}
    values |= {f"BATON_{name.upper()}": _contents(getattr(settings, name)) for name in BY_CONTENT}
    for variable, field in _VARIABLES.items():
        try:
            values[variable] = getattr(settings, field)
        except Misconfigured:
            values[variable] = ""  # said where the key is needed
    return {name: _digest(salt, name, value) for name, value in values.items()}


class _Shipped(Settings):
    """The settings where nobody has set anything."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (TomlConfigSettingsSource(settings_cls, toml_file=FILES[0]),)


def shipped_digests(salt: str) -> dict[str, str]:
    """The same where nobody has set anything: of the shipped file and the defaults, without any key."""
    return digests(_Shipped(), salt) | {name: _digest(salt, name, "") for name in _VARIABLES}


def _digest(salt: str, name: str, value: object) -> str:
    # Short, so that a guessed value cannot be confirmed by it; long enough to see that two values differ.
    said = json.dumps([salt, name, value], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:10]


def _contents(path: Path | None) -> str:
    """A digest of a file, or of all files in a folder by their names; "" where there is none."""
    if path is None or not path.exists():
        return ""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    whole = hashlib.sha256()
    for one in files:
        try:
            whole.update(f"{one.relative_to(path)}\0".encode() + hashlib.sha256(one.read_bytes()).digest())
        except OSError:
            continue  # a file that may not be read: said by whoever needs it
    return whole.hexdigest()
