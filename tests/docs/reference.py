"""The page with every command, option and setting, written from the code: `python -m tests.docs.reference --write`.

Without `--write` it says whether the page is as the code is. Written by hand it would be out of date within a week.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin

import typer.main
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import config
import starter
from config import Settings
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference.md"

HEAD = """# Reference

Every command with its options, and every setting with its default. [Operating](operating.md) says what they are for. This page
is written from the code by `python -m tests.docs.reference --write`, and a test compares it.

## Commands

`baton COMMAND --help` prints the same. Options that every command of a kind has are repeated, so that each table is complete.
"""

SETTINGS = """## Settings

A key in a table is written below `[TABLE]` in `baton.toml`, or as the variable `BATON_TABLE__KEY`; any other setting as
`BATON_KEY`. The column *default* is what holds if neither your `baton.toml` nor a variable says otherwise.

| setting | default | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """What the page has to say today."""
    return f"{HEAD}\n{''.join(_command(*one) for one in commands())}{SETTINGS}{''.join(_setting(*one) for one in settings())}"


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, by its full name, in the order of the help; groups only if they are commands, too."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        parts = getattr(command, "commands", {})
        if not parts or getattr(command, "invoke_without_command", False):
            yield name, command
        for part, one in parts.items():
            yield from below(f"{name} {part}", one)

    whole = typer.main.get_command(starter.assemble())
    return [(name, one) for name, one in below("baton", whole) if name != "baton"]


def options(command: Any) -> list[str]:
    """Every spelling of every option of a command."""
    return [name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("-")]


def _command(name: str, command: Any) -> str:
    typed = " ".join(one.metavar or one.name.upper() for one in command.params if not _is_option(one))
    told = "\n".join(" ".join(part.split()) for part in (command.help or "").replace("\f", "").split("\n\n"))
    rows = "".join(f"| {_spelled(one)} | {_cell(one.help)}{_given(one)} |\n" for one in command.params if not one.hidden)
    table = f"\n| argument or option | meaning |\n| --- | --- |\n{rows}" if rows else ""
    return f"### `{f'{name} {typed}'.strip()}`\n\n{told}\n{table}\n"


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _spelled(one: Any) -> str:
    if not _is_option(one):
        return f"`{one.metavar or one.name.upper()}`"
    value = "" if one.is_flag else f" {one.metavar or one.name.rstrip('_').upper()}"
    return ", ".join(f"`{name}{value}`" for name in (*one.opts, *one.secondary_opts))


def _given(one: Any) -> str:
    """Whether it must be given, and what holds where it is not."""
    if one.required:
        return " Required." if _is_option(one) else ""
    if one.default in (None, False, "", ()) or one.multiple:
        return " May be repeated." if one.multiple else ""
    return f" Default: `{one.default:g}`." if isinstance(one.default, float) else f" Default: `{one.default}`."


def settings() -> list[tuple[str, str, str]]:
    """Every setting: its key, the default in force as shipped, and what it means."""
    shipped = Settings.model_construct()
    for name, value in _shipped().items():
        setting = getattr(shipped, name)
        if isinstance(setting, BaseModel):
            value = type(setting).model_validate(setting.model_dump() | value)
        object.__setattr__(shipped, name, value)
    found = []
    for name, field in Settings.model_fields.items():
        value = getattr(shipped, name)
        if isinstance(value, BaseModel):
            found += list(_table(name, type(value), value))
        elif (inner := _tables_of(field)) is not None:
            found += list(_table(f"{name}.NAME", inner, None))
        else:
            found.append((name, _plain(value), field.description or ""))
    return found


def _shipped() -> Mapping[str, Any]:
    return tomllib.loads((config.HOME / "baton.toml").read_text())


def _table(prefix: str, model: type[BaseModel], value: BaseModel | None) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        inner = _tables_of(field)
        if inner is not None:
            yield from _table(f"{prefix}.{name}.NAME", inner, None)
            continue
        there = getattr(value, name) if value is not None else field.get_default(call_default_factory=True)
        if isinstance(there, BaseModel):
            yield from _table(f"{prefix}.{name}", type(there), there)
            continue
        told = "required" if there is PydanticUndefined else _plain(there)
        yield f"{prefix}.{name}", told, field.description or ""


def _tables_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of one table where a setting is any number of named ones."""
    if get_origin(field.annotation) is not dict:
        return None
    inner = get_args(field.annotation)[1]
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _plain(value: Any) -> str:
    """A default as it is written in baton.toml; paths of this machine by their names alone."""
    if value is None or value == "" or (isinstance(value, SecretStr) and not value.get_secret_value()):
        return "none"
    if isinstance(value, Path):
        return _path(value)
    if isinstance(value, timedelta):
        return f"`{TypeAdapter(timedelta).dump_python(value, mode='json')}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:f}`" if isinstance(value, Decimal) else f"`{value}`"


def _path(value: Path) -> str:
    if not value.is_absolute():
        return f"`{value}`"
    return f"`{value.relative_to(config.HOME)}`" if value.is_relative_to(config.HOME) else "depends on the user and the machine"


def _setting(key: str, default: str, meaning: str) -> str:
    return f"| `{key}` | {_cell(default)} | {_cell(meaning)} |\n"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> int:
    """Write the page, or say whether it is as the code is."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page())
    same = PAGE.exists() and PAGE.read_text() == page()
    print(f"{PAGE.relative_to(ROOT)} is {'as the code is' if same else 'out of date: run it with --write'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
